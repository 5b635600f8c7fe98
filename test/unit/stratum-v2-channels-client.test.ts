import { describe, expect, it } from 'vitest';
import { hexToBytes } from '../../src-main/core/bitcoin/bytes.ts';
import { sha256d } from '../../src-main/core/bitcoin/hash.ts';
import {
  MAX_ACTIVE_JOBS,
  MAX_FUTURE_JOBS,
  headerOf,
} from '../../src-main/core/stratum-v2/channels/client/jobs.ts';
import { ClientSession } from '../../src-main/core/stratum-v2/channels/client/session.ts';
import type {
  ClientOutput,
  ClientSessionOptions,
} from '../../src-main/core/stratum-v2/channels/client/session.ts';
import { messageOf } from '../../src-main/core/stratum-v2/channels/messages.ts';
import type { ServerMessage } from '../../src-main/core/stratum-v2/channels/messages.ts';
import { bigintToU256 } from '../../src-main/core/stratum-v2/codec.ts';
import {
  Reconnect,
  SetupConnectionError,
  SetupConnectionSuccess,
} from '../../src-main/core/stratum-v2/messages/common.ts';
import {
  RequestExtensionsError,
  RequestExtensionsSuccess,
} from '../../src-main/core/stratum-v2/messages/extensions.ts';
import {
  NewExtendedMiningJob,
  NewMiningJob,
  OpenExtendedMiningChannelSuccess,
  OpenMiningChannelError,
  OpenStandardMiningChannelSuccess,
  SetExtranoncePrefix,
  SetGroupChannel,
  SetNewPrevHash,
  SetTarget,
  SubmitSharesError,
  SubmitSharesSuccess,
} from '../../src-main/core/stratum-v2/messages/mining.ts';
import { hashOf } from '../fixtures/core-templates.ts';
import { frameOf } from '../fixtures/stratum-v2-channels.ts';

const EASY = bigintToU256(1n << 250n);
const SETUP = {
  endpointHost: '',
  endpointPort: 0,
  vendor: 'x',
  hardwareVersion: '',
  firmware: '',
  deviceId: '',
};

function connecting(options: Partial<ClientSessionOptions> = {}): ClientSession {
  const client = new ClientSession({ setup: SETUP, ...options });
  client.start();
  return client;
}
function connected(options: Partial<ClientSessionOptions> = {}): ClientSession {
  const client = connecting(options);
  expect(client.receive(messageOf(SetupConnectionSuccess, { usedVersion: 2, flags: 0 }))).toEqual([
    { kind: 'ready' },
  ]);
  return client;
}
const openedExtended = (change: object = {}): ServerMessage =>
  messageOf(OpenExtendedMiningChannelSuccess, {
    requestId: 1,
    channelId: 5,
    target: EASY,
    extranonceSize: 8,
    extranoncePrefix: new Uint8Array(4),
    groupChannelId: 1,
    ...change,
  });
const openedStandard = (change: object = {}): ServerMessage =>
  messageOf(OpenStandardMiningChannelSuccess, {
    requestId: 1,
    channelId: 5,
    target: EASY,
    extranoncePrefix: new Uint8Array(12),
    groupChannelId: 1,
    ...change,
  });
const extendedJob = (jobId: number, minNtime?: number, channelId = 5): ServerMessage =>
  messageOf(NewExtendedMiningJob, {
    channelId,
    jobId,
    minNtime,
    version: 0x20000000,
    versionRollingAllowed: true,
    merklePath: [hashOf(7)],
    coinbaseTxPrefix: new Uint8Array(40).fill(1),
    coinbaseTxSuffix: new Uint8Array(40).fill(2),
  });
const newPrevHash = (jobId: number, tip = 1, channelId = 5): ServerMessage =>
  messageOf(SetNewPrevHash, { channelId, jobId, prevHash: hashOf(tip), minNtime: 1_000, nbits: 0x1d00ffff });

/** A client with an extended channel at work on job 1. */
function mining() {
  const client = connected();
  client.openExtended({ userIdentity: 'a', nominalHashRate: 0, minExtranonceSize: 8 });
  client.receive(openedExtended());
  client.receive(extendedJob(1));
  client.receive(newPrevHash(1));
  return { client, channel: client.channels.get(5)! };
}
const faultOf = (outputs: readonly ClientOutput[]): string => {
  const [output] = outputs;
  return output?.kind === 'fault' ? output.detail : `no fault: ${output?.kind}`;
};

describe('work', () => {
  it('gives the header of a known block', () => {
    // Block 170 of Bitcoin, its coinbase cut open inside the scriptSig.
    const coinbase = hexToBytes(
      '01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff0704ffff001d0102ffffffff0100f2052a01000000434104d46c4968bde02899d2aa0963367c7a6ce34eec332b32e42e5f3407e052d64ac625da6f0718e7b302140434bd725706957c092db53805b821a85b23a7ac61725bac00000000',
    );
    const sibling = hexToBytes(
      'f4184fc596403b9d638783cf57adfe4c75c605f6356fbc91338530e9831e9e16',
    ).toReversed();
    const job = {
      id: 1,
      version: 1,
      versionRolling: false,
      work: {
        kind: 'coinbase' as const,
        coinbasePrefix: coinbase.subarray(0, 43),
        coinbaseSuffix: coinbase.subarray(49),
        merklePath: [sibling],
        extranoncePrefix: coinbase.subarray(43, 45),
      },
      previousHash: hexToBytes(
        '000000002a22cfee1f2c846adbd12b3e183d4f97683f85dad08a79780a84bd55',
      ).toReversed(),
      bits: 0x1d00ffff,
      minNtime: 0,
      target: 0n,
    };
    const attempt = {
      extranonce: coinbase.subarray(45, 49),
      version: 1,
      ntime: 1_231_731_025,
      nonce: 1_889_418_792,
    };
    expect(sha256d(headerOf(job, attempt)).toReversed()).toEqual(
      hexToBytes('00000000d1145790a8694403d4063f323d499e655c83426834d4ce2f8dd4a2ee'),
    );
  });
});

describe('a client', () => {
  it('sets up, and asks for extensions when it wants any', () => {
    const client = new ClientSession({
      setup: SETUP,
      extensions: [2],
      requiresVersionRolling: true,
      requiresStandardJobs: true,
    });
    expect(client.start()).toMatchObject({
      name: 'SetupConnection',
      fields: { protocol: 0, minVersion: 2, maxVersion: 2, flags: 0b101 },
    });
    expect(() => client.start()).toThrow(/before/);
    const wish = { userIdentity: 'a', nominalHashRate: 1 };
    expect(() => client.openStandard(wish)).toThrow(/set up/);
    expect(client.receive(messageOf(SetupConnectionSuccess, { usedVersion: 2, flags: 0 }))).toMatchObject([
      { kind: 'send', message: { fields: { requestedExtensions: [2] } } },
    ]);
    expect(
      client.receive(messageOf(RequestExtensionsSuccess, { requestId: 1, supportedExtensions: [2, 9] })),
    ).toEqual([{ kind: 'ready' }]);
    expect([...client.extensions]).toEqual([2]);
    expect(client.openStandard(wish)).toMatchObject({ fields: { requestId: 1 } });
  });

  it('goes on without extensions, or ends where they are demanded', () => {
    const none = messageOf(RequestExtensionsError, {
      requestId: 1,
      unsupportedExtensions: [2],
      requiredExtensions: [],
    });
    const must = messageOf(RequestExtensionsError, {
      requestId: 1,
      unsupportedExtensions: [2],
      requiredExtensions: [5],
    });
    const asking = () => {
      const client = connecting({ extensions: [2] });
      client.receive(messageOf(SetupConnectionSuccess, { usedVersion: 2, flags: 0 }));
      return client;
    };
    expect(asking().receive(none)).toEqual([{ kind: 'ready' }]);
    expect(asking().receive(must)).toEqual([{ kind: 'extensionsRequired', extensions: [5] }]);
    const silent = asking();
    expect(silent.skipExtensions()).toEqual([{ kind: 'ready' }]);
    expect(silent.receive(none)).toMatchObject([{ kind: 'ignored' }]);
  });

  it('takes no for an answer', () => {
    const refused = connecting();
    expect(
      refused.receive(messageOf(SetupConnectionError, { flags: 2, errorCode: 'unsupported-feature-flags' })),
    ).toEqual([{ kind: 'refused', errorCode: 'unsupported-feature-flags', flags: 2 }]);
    expect(refused.receive(messageOf(SetupConnectionSuccess, { usedVersion: 2, flags: 0 }))).toEqual([]);
    const client = connected();
    client.openStandard({ userIdentity: '', nominalHashRate: 0 });
    const error = messageOf(OpenMiningChannelError, { requestId: 1, errorCode: 'unknown-user' });
    expect(client.receive(error)).toEqual([{ kind: 'openRefused', requestId: 1, errorCode: 'unknown-user' }]);
    expect(client.receive(error)).toMatchObject([{ kind: 'ignored' }]);
    expect(client.receive(messageOf(Reconnect, { newHost: 'b', newPort: 0 }))).toEqual([
      { kind: 'reconnect', host: 'b', port: 0 },
    ]);
  });

  it('ends the connection when its demands are not met', () => {
    expect(
      faultOf(connecting().receive(messageOf(SetupConnectionSuccess, { usedVersion: 3, flags: 0 }))),
    ).toMatch(/version 3/);
    const rolling = connecting({ requiresVersionRolling: true });
    expect(faultOf(rolling.receive(messageOf(SetupConnectionSuccess, { usedVersion: 2, flags: 1 })))).toMatch(
      /version rolling/,
    );
    const extendedOnly = connecting();
    extendedOnly.receive(messageOf(SetupConnectionSuccess, { usedVersion: 2, flags: 2 }));
    expect(() => extendedOnly.openStandard({ userIdentity: '', nominalHashRate: 0 })).toThrow(
      /extended channels only/,
    );
  });

  it.each([
    ['for another request', openedExtended({ requestId: 2 }), /waits for none/],
    ['of the other kind', openedStandard(), /waits for none/],
    ['whose group is itself', openedExtended({ groupChannelId: 5 }), /share the id/],
    ['with too little to roll', openedExtended({ extranonceSize: 7 }), /7 bytes of extranonce/],
    ['with an endless extranonce', openedExtended({ extranonceSize: 29 }), /29 bytes/],
    ['with an impossible target', openedExtended({ target: new Uint8Array(32) }), /target/],
    ['with an easier target than asked for', openedExtended({ target: bigintToU256(1n << 252n) }), /target/],
  ])('takes no channel %s', (_, message, fault) => {
    const client = connected();
    client.openExtended({
      userIdentity: 'a',
      nominalHashRate: 0,
      minExtranonceSize: 8,
      maxTarget: 1n << 251n,
    });
    expect(faultOf(client.receive(message))).toMatch(fault);
    expect(client.receive(openedExtended())).toEqual([]);
  });

  it.each([
    ['an active job before any tip', [extendedJob(2, 5, 6)], /before the first SetNewPrevHash/],
    ['a job id in use', [extendedJob(1)], /sent twice/],
    ['a tip for no job', [newPrevHash(9)], /no future job/],
    ['a tip for the active job', [newPrevHash(1)], /no future job/],
    [
      'a standard job',
      [messageOf(NewMiningJob, { channelId: 5, jobId: 3, version: 1, merkleRoot: hashOf(1) })],
      /standard job on the extended/,
    ],
    [
      'a prefix of another length',
      [messageOf(SetExtranoncePrefix, { channelId: 5, extranoncePrefix: new Uint8Array(3) })],
      /3 bytes/,
    ],
    [
      'an impossible target',
      [messageOf(SetTarget, { channelId: 5, maximumTarget: new Uint8Array(32) })],
      /no share can meet/,
    ],
    [
      'a channel made a group',
      [messageOf(SetGroupChannel, { groupChannelId: 5, channelIds: [] })],
      /made a group/,
    ],
    ['one id for two channels', [openedExtended({ requestId: 3, channelId: 5 })], /second channel/],
  ])('ends the connection on %s', (_, messages, fault) => {
    const { client } = mining();
    client.openExtended({ userIdentity: 'b', nominalHashRate: 0, minExtranonceSize: 8 });
    client.receive(openedExtended({ requestId: 2, channelId: 6, groupChannelId: 2 }));
    client.openExtended({ userIdentity: 'c', nominalHashRate: 0, minExtranonceSize: 8 });
    expect(faultOf(messages.flatMap((message) => client.receive(message)))).toMatch(fault);
  });

  it('lets no server fill its memory', () => {
    const { client, channel } = mining();
    for (let id = 2; id < 200; id += 1) client.receive(extendedJob(id));
    expect(channel.futureJobs).toBe(MAX_FUTURE_JOBS);
    for (let id = 200; id < 400; id += 1) client.receive(extendedJob(id, 2_000));
    expect(
      Array.from({ length: 400 }, (_, id) => channel.job(id)).filter((job) => job !== undefined),
    ).toHaveLength(MAX_ACTIVE_JOBS);
    const attempt = { extranonce: new Uint8Array(8), version: 0x20000000, ntime: 3_000, nonce: 0 };
    for (let i = 0; i < 12_000; i += 1) channel.submit(399, attempt);
    expect(channel.books).toMatchObject({ submitted: 12_000, unanswered: 10_000, unexplained: 2_000 });
    for (let i = 0; i < 100; i += 1)
      client.receive(
        messageOf(SubmitSharesError, { channelId: 5, sequenceNumber: 5_000 + i, errorCode: `why-${i}` }),
      );
    expect(Object.keys(channel.books.rejectedBy)).toHaveLength(33);
    expect(channel.books.rejected).toBe(100);
  });

  it('sends only what could be accepted', () => {
    const { channel } = mining();
    const attempt = { extranonce: new Uint8Array(8), version: 0x20000000, ntime: 1_000, nonce: 0 };
    expect(channel.submit(1, attempt)).toMatchObject({ kind: 'share', sequenceNumber: 0 });
    expect(channel.submit(2, attempt)).toMatchObject({
      kind: 'refused',
      detail: expect.stringMatching(/job 2/),
    });
    expect(channel.submit(1, { ...attempt, extranonce: new Uint8Array(7) })).toMatchObject({
      kind: 'refused',
    });
    expect(channel.submit(1, { ...attempt, version: 0x20000001 })).toMatchObject({ kind: 'refused' });
    expect(channel.submit(1, { ...attempt, ntime: 999 })).toMatchObject({ kind: 'refused' });
    expect(channel.books.submitted).toBe(1);
  });

  it('sees when a server accounts for less, or more, than it was sent', () => {
    const { client, channel } = mining();
    const attempt = { extranonce: new Uint8Array(8), version: 0x20000000, ntime: 1_000, nonce: 0 };
    for (let i = 0; i < 5; i += 1) channel.submit(1, attempt);
    const success = (lastSequenceNumber: number, newSubmitsAcceptedCount: number) =>
      client.receive(
        messageOf(SubmitSharesSuccess, {
          channelId: 5,
          lastSequenceNumber,
          newSubmitsAcceptedCount,
          newSharesSum: 3n,
        }),
      );
    expect(success(2, 2)).toMatchObject([{ kind: 'acknowledged', count: 2 }]);
    expect(channel.books).toMatchObject({ accepted: 2, acceptedSum: 3n, unanswered: 2, unexplained: 1 });
    success(99, 4);
    expect(channel.books).toMatchObject({ accepted: 6, unanswered: 2, unexplained: 5 });
    expect(
      client.receive(messageOf(SubmitSharesError, { channelId: 5, sequenceNumber: 77, errorCode: 'x' })),
    ).toMatchObject([{ kind: 'ignored' }]);
  });

  it('holds a job to the target it came with, and future jobs to the newest', () => {
    const { client, channel } = mining();
    client.receive(extendedJob(2));
    client.receive(messageOf(SetTarget, { channelId: 5, maximumTarget: bigintToU256(77n) }));
    expect(channel.current!.target).toBe(1n << 250n);
    client.receive(newPrevHash(2, 2));
    expect(channel.current!.target).toBe(77n);
    expect(
      client.receive(messageOf(SetTarget, { channelId: 1, maximumTarget: bigintToU256(78n) })),
    ).toMatchObject([{ kind: 'target' }]);
    expect(channel.target).toBe(78n);
  });

  it('stops work of a group member that missed the job of the new tip', () => {
    const { client, channel } = mining();
    client.receive(extendedJob(2, undefined, 1));
    client.openExtended({ userIdentity: 'b', nominalHashRate: 0, minExtranonceSize: 8 });
    client.receive(openedExtended({ requestId: 2, channelId: 6 }));
    const late = client.channels.get(6)!;
    client.receive(extendedJob(3, undefined, 6));
    client.receive(newPrevHash(3, 1, 6));
    expect(client.receive(newPrevHash(2, 2, 1))).toMatchObject([{ kind: 'work', channel: { id: 5 } }]);
    expect(channel.current!.id).toBe(2);
    expect(late.current).toBeUndefined();
    client.receive(extendedJob(4, 2_000, 1));
    expect(late.current).toMatchObject({ id: 4, previousHash: hashOf(2) });
  });

  it('ignores what it does not know, and ends on what it cannot read', () => {
    const { client } = mining();
    const frame = frameOf(extendedJob(9));
    expect(client.receiveFrame({ ...frame, messageType: 0xee })).toMatchObject([{ kind: 'ignored' }]);
    expect(client.receive(extendedJob(9, 1, 4_711))).toMatchObject([{ kind: 'ignored' }]);
    expect(faultOf(client.receiveFrame({ ...frame, payload: frame.payload.subarray(0, 9) }))).toMatch(
      /NewExtendedMiningJob/,
    );
    expect(client.receiveFrame(frame)).toEqual([]);
  });
});
