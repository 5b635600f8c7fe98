import { describe, expect, it } from 'vitest';
import {
  ByteReader,
  ByteWriter,
  FormatError,
  bytesToHex,
  hexToBytes,
} from '../../src-main/core/bitcoin/bytes.ts';
import * as codec from '../../src-main/core/stratum-v2/codec.ts';
import { HEADER_LENGTH } from '../../src-main/core/stratum-v2/frame.ts';
import * as common from '../../src-main/core/stratum-v2/messages/common.ts';
import * as extensions from '../../src-main/core/stratum-v2/messages/extensions.ts';
import * as mining from '../../src-main/core/stratum-v2/messages/mining.ts';
import * as templates from '../../src-main/core/stratum-v2/messages/template-distribution.ts';
import { ALL_MESSAGES } from '../fixtures/stratum-v2-messages.ts';

const { CodecError, decodePayload, encodeMessage, messageTable } = codec;
const write = <T>(type: codec.Codec<T>, value: T): string => {
  const writer = new ByteWriter();
  type.write(writer, value);
  return bytesToHex(writer.finish());
};
const read = <T>(type: codec.Codec<T>, hex: string): T => type.read(new ByteReader(hexToBytes(hex)));
const payloadOf = (frame: Uint8Array): string => bytesToHex(frame.subarray(HEADER_LENGTH));

describe('data types (SV2 3.1)', () => {
  it('are little-endian', () => {
    expect(write(codec.u16, 0x1234)).toBe('3412');
    expect(write(codec.u24, 0x123456)).toBe('563412');
    expect(read(codec.u24, 'ffffff')).toBe(0xff_ffff);
    expect(write(codec.u32, 0x12345678)).toBe('78563412');
    expect(write(codec.u64, 0xffff_ffff_ffff_fffen)).toBe('feffffffffffffff');
    expect(read(codec.u64, 'feffffffffffffff')).toBe(0xffff_ffff_ffff_fffen);
    expect(write(codec.f32, 1)).toBe('0000803f');
    expect(read(codec.f32, '0000807f')).toBe(Infinity);
  });

  it('U256 has its most significant byte last', () => {
    const difficulty1 = 0xffffn << 208n;
    const bytes = codec.bigintToU256(difficulty1);
    expect(bytesToHex(bytes)).toBe('00'.repeat(26) + 'ffff00000000');
    expect(codec.u256ToBigint(bytes)).toBe(difficulty1);
    expect(codec.u256ToBigint(codec.bigintToU256(2n ** 256n - 1n))).toBe(2n ** 256n - 1n);
    expect(() => codec.bigintToU256(2n ** 256n)).toThrow(FormatError);
    expect(() => codec.bigintToU256(-1n)).toThrow(FormatError);
  });

  it('BOOL looks at its lowest bit only', () => {
    expect(['00', '01', 'fe', 'ff'].map((hex) => read(codec.bool, hex))).toEqual([false, true, false, true]);
    expect(write(codec.bool, true)).toBe('01');
  });

  it('keep their bounds', () => {
    expect(write(codec.b0_32, new Uint8Array(32))).toHaveLength(66);
    expect(() => write(codec.b0_32, new Uint8Array(33))).toThrow(FormatError);
    expect(() => read(codec.b0_32, '21' + '00'.repeat(33))).toThrow(FormatError);
    expect(write(codec.b0_255, new Uint8Array(255)).slice(0, 2)).toBe('ff');
    expect(write(codec.b0_64k, new Uint8Array(65_535)).slice(0, 4)).toBe('ffff');
    expect(() => write(codec.b0_64k, new Uint8Array(65_536))).toThrow(FormatError);
    expect(write(codec.b0_16m, new Uint8Array(70_000)).slice(0, 6)).toBe('701101');
    expect(() => write(codec.u24, 2 ** 24)).toThrow(FormatError);
    expect(() => write(codec.u256, new Uint8Array(31))).toThrow(FormatError);
    expect(() => write(codec.str0_255, 'ä'.repeat(128))).toThrow(FormatError);
    expect(() => write(codec.str0_255, '\ud800')).toThrow(FormatError);
    expect(() =>
      write(
        codec.seq0_255(codec.u8),
        Array.from({ length: 256 }, () => 0),
      ),
    ).toThrow(FormatError);
    expect(
      write(codec.pubkey, new Uint8Array(32)).length + write(codec.signature, new Uint8Array(64)).length,
    ).toBe(192);
  });

  it('OPTION is nothing or one, never more', () => {
    expect(write(codec.option(codec.u32), undefined)).toBe('00');
    expect(write(codec.option(codec.u32), 7)).toBe('0107000000');
    expect(read(codec.option(codec.u32), '00')).toBeUndefined();
    expect(() => read(codec.option(codec.u32), '020700000008000000')).toThrow(FormatError);
  });

  it('a sequence that cannot be there is refused before anything is made of it', () => {
    expect(read(codec.seq0_64k(codec.u16), '020001000200')).toEqual([1, 2]);
    expect(() => read(codec.seq0_64k(codec.b0_16m), 'ffff000000')).toThrow(
      /65535 elements announced, 3 bytes left/,
    );
  });

  it('text is UTF-8 with what is not replaced, and keeps a byte order mark', () => {
    expect(read(codec.str0_255, '03efbbbf')).toBe('\ufeff');
    expect(read(codec.str0_255, '03ff41fe')).toBe('\ufffdA\ufffd');
  });

  it('codes hold no control characters (SV2 3.5)', () => {
    expect(() => write(codec.codeString, 'a\nb')).toThrow(FormatError);
    expect(read(codec.codeString, '03610a62')).toBe('a\ufffdb');
    expect(write(codec.codeString, 'stale-share')).toBe('0b7374616c652d7368617265');
  });
});

describe('messages byte for byte', () => {
  it('SetupConnection, as sv2-tp reads it', () => {
    const frame = encodeMessage(common.SetupConnection, {
      protocol: common.PROTOCOL.templateDistribution,
      minVersion: 2,
      maxVersion: 2,
      flags: 1,
      endpointHost: '0.0.0.0',
      endpointPort: 8545,
      vendor: 'Bitmain',
      hardwareVersion: 'S9i 13.5',
      firmware: 'braiins-os-2018-09-22-1-hash',
      deviceId: 'some-device-uuid',
    });
    expect(bytesToHex(frame)).toBe(
      '00000052000002020002000100000007302e302e302e306121074269746d61696e085339692031332e35' +
        '1c62726169696e732d6f732d323031382d30392d32322d312d6861736810736f6d652d6465766963652d75756964',
    );
  });

  it('SetupConnection.Success and .Error, as sv2-tp writes them', () => {
    expect(payloadOf(encodeMessage(common.SetupConnectionSuccess, { usedVersion: 2, flags: 3 }))).toBe(
      '020003000000',
    );
    const text = '000000001970726f746f636f6c2d76657273696f6e2d6d69736d61746368';
    expect(decodePayload(common.SetupConnectionError, hexToBytes(text)).fields).toEqual({
      flags: 0,
      errorCode: common.SETUP_CONNECTION_ERROR.protocolVersionMismatch,
    });
  });

  it('NewTemplate and SetNewPrevHash, as sv2-tp writes them', () => {
    expect(
      payloadOf(
        encodeMessage(templates.NewTemplate, {
          templateId: 1n,
          futureTemplate: false,
          version: 0x3000_0000,
          coinbaseTxVersion: 2,
          coinbasePrefix: hexToBytes('03012100'),
          coinbaseTxInputSequence: 0xffff_ffff,
          coinbaseTxValueRemaining: 2_100_000_000_000_000n,
          coinbaseTxOutputsCount: 1,
          coinbaseTxOutputs: hexToBytes('0100000000000000036a012a'),
          coinbaseTxLocktime: 903_387,
          merklePath: [hexToBytes('1a6240823de4c8d6aaf826851bdf2b0e8d5acf7c31e8578cff4c394b5a32bd4e')],
        }),
      ),
    ).toBe(
      '01000000000000000000000030020000000403012100ffffffff0040075af0750700010000000c000100000000000000036a012a' +
        'dbc80d00011a6240823de4c8d6aaf826851bdf2b0e8d5acf7c31e8578cff4c394b5a32bd4e',
    );
    const prevHash = hexToBytes('e59a2ef8d4826b89fe637f3b5322c0f167fd2d3dc88ec568a7c2c8ffd8eb8873');
    expect(
      payloadOf(
        encodeMessage(templates.SetNewPrevHash, {
          templateId: 2n,
          prevHash,
          headerTimestamp: 1_661_877_399,
          nBits: 58_720_255,
          target: codec.bigintToU256(0x7fffffn),
        }),
      ),
    ).toBe(`0200000000000000${bytesToHex(prevHash)}973c0e63ffff7f03ffff7f${'00'.repeat(29)}`);
  });

  it('NewMiningJob, with and without a time', () => {
    const job = { channelId: 1, jobId: 2, version: 0x2000_0000, merkleRoot: new Uint8Array(32).fill(0xab) };
    expect(bytesToHex(encodeMessage(mining.NewMiningJob, job))).toBe(
      '0080152d000001000000020000000000000020' + 'ab'.repeat(32),
    );
    expect(payloadOf(encodeMessage(mining.NewMiningJob, { ...job, minNtime: 5 }))).toBe(
      '0100000002000000010500000000000020' + 'ab'.repeat(32),
    );
  });

  it('SubmitSharesExtended with a worker (extension 0x0002)', () => {
    const share = { channelId: 1, sequenceNumber: 2, jobId: 3, nonce: 4, ntime: 5, version: 6 };
    const frame = encodeMessage(
      mining.SubmitSharesExtended,
      { ...share, extranonce: Uint8Array.of(0xaa, 0xbb) },
      extensions.encodeUserIdentity('Worker_001'),
    );
    expect(bytesToHex(frame)).toBe(
      '00801b2a000001000000020000000300000004000000050000000600000002aabb0200010a00576f726b65725f303031',
    );
    const { tlvs } = decodePayload(mining.SubmitSharesExtended, frame.subarray(HEADER_LENGTH));
    expect(extensions.userIdentityOf(tlvs)).toBe('Worker_001');
  });

  it('RequestExtensions has an extension type of its own', () => {
    expect(
      bytesToHex(encodeMessage(extensions.RequestExtensions, { requestId: 1, requestedExtensions: [2, 3] })),
    ).toBe('0100000800000100020002000300');
  });
});

describe('the worker named after a share', () => {
  it('is also read as the specification prints it, big-endian', () => {
    expect(extensions.userIdentityOf(hexToBytes('000201000a576f726b65725f303031'))).toBe('Worker_001');
  });

  it('may be missing, may stand among others, and is refused when too long or garbled', () => {
    expect(extensions.userIdentityOf(new Uint8Array(0))).toBeUndefined();
    expect(extensions.userIdentityOf(hexToBytes('0500010000'))).toBeUndefined();
    expect(extensions.userIdentityOf(hexToBytes('0500010100ff020001010041'))).toBe('A');
    expect(extensions.userIdentityOf(hexToBytes('020002010041'))).toBeUndefined();
    expect(() => extensions.userIdentityOf(hexToBytes('0200012100' + '41'.repeat(33)))).toThrow(CodecError);
    expect(() => extensions.userIdentityOf(hexToBytes('020001020041'))).toThrow(CodecError);
    expect(() => extensions.encodeUserIdentity('x'.repeat(33))).toThrow(CodecError);
    expect(extensions.userIdentityOf(extensions.encodeUserIdentity('x'.repeat(32)))).toBe('x'.repeat(32));
  });
});

describe('the table of messages (SV2 chapter 8)', () => {
  // Number, channel bit, name: as the specification prints them. Extension 0x0001 stands last.
  const CHAPTER_8 = `
    000000 SetupConnection|000001 SetupConnection.Success|000002 SetupConnection.Error|800003 ChannelEndpointChanged
    000004 Reconnect|000010 OpenStandardMiningChannel|000011 OpenStandardMiningChannel.Success
    000012 OpenMiningChannel.Error|000013 OpenExtendedMiningChannel|000014 OpenExtendedMiningChannel.Success
    800015 NewMiningJob|800016 UpdateChannel|800017 UpdateChannel.Error|800018 CloseChannel
    800019 SetExtranoncePrefix|80001a SubmitSharesStandard|80001b SubmitSharesExtended|80001c SubmitShares.Success
    80001d SubmitShares.Error|80001f NewExtendedMiningJob|800020 SetNewPrevHash|800021 SetTarget
    800022 SetCustomMiningJob|800023 SetCustomMiningJob.Success|800024 SetCustomMiningJob.Error
    000025 SetGroupChannel|000050 AllocateMiningJobToken|000051 AllocateMiningJobToken.Success
    000055 ProvideMissingTransactions|000056 ProvideMissingTransactions.Success|000057 DeclareMiningJob
    000058 DeclareMiningJob.Success|000059 DeclareMiningJob.Error|000060 PushSolution
    000070 CoinbaseOutputConstraints|000071 NewTemplate|000072 SetNewPrevHash|000073 RequestTransactionData
    000074 RequestTransactionData.Success|000075 RequestTransactionData.Error|000076 SubmitSolution
    000100 RequestExtensions|000101 RequestExtensions.Success|000102 RequestExtensions.Error`;

  it('is the one of the specification', () => {
    const ours = ALL_MESSAGES.map((definition) => {
      const number =
        (definition.channelMessage ? 0x800000 : 0) | (definition.extensionType << 8) | definition.messageType;
      return `${number.toString(16).padStart(6, '0')} ${definition.name}`;
    });
    expect(ours).toEqual(CHAPTER_8.trim().split(/\s*[|\n]\s*/));
  });

  it('has a channel id first in every message with the channel bit', () => {
    for (const definition of ALL_MESSAGES.filter((d) => d.channelMessage))
      expect(Object.keys(definition.fields)[0]).toBe('channelId');
  });

  it('tells unknown extensions from unknown messages, and minds no channel bit', () => {
    const table = messageTable([...common.COMMON_MESSAGES, ...extensions.NEGOTIATION_MESSAGES]);
    const frame = {
      extensionType: 0,
      channelMessage: true,
      messageType: 0x01,
      payload: hexToBytes('020003000000ff'),
    };
    const outcome = table.decode(frame);
    if (outcome.kind !== 'message' || outcome.message.name !== 'SetupConnection.Success')
      throw new Error(outcome.kind);
    expect(outcome.message.fields.usedVersion).toBe(2);
    expect(outcome.message.tlvs).toEqual(Uint8Array.of(0xff));
    expect(table.decode({ ...frame, messageType: 0x10 }).kind).toBe('unknownMessage');
    expect(table.decode({ ...frame, extensionType: 1, messageType: 0x03 }).kind).toBe('unknownMessage');
    expect(table.decode({ ...frame, extensionType: 2 }).kind).toBe('unknownExtension');
    expect(() => messageTable([common.Reconnect, common.Reconnect])).toThrow(RangeError);
  });

  it('names message and field in an error', () => {
    const wrong = { channelId: 1, maximumTarget: new Uint8Array(31) };
    expect(() => encodeMessage(mining.SetTarget, wrong)).toThrow(
      expect.objectContaining({ name: 'CodecError', code: 'range', where: 'SetTarget.maximumTarget' }),
    );
    expect(() => decodePayload(mining.SetTarget, new Uint8Array(10))).toThrow(
      /^SetTarget\.maximumTarget: .* left/,
    );
  });
});
