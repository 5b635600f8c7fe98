/** Our frames, codec and ciphers against data made by the reference implementation's crates (see `test/interop/vectors`). */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { bytesToHex, concatBytes, hexToBytes } from '../../src-main/core/bitcoin/bytes.ts';
import { encodeMessage, messageTable, type MessageDefinition } from '../../src-main/core/stratum-v2/codec.ts';
import { ellswiftDecode, swiftEcInverse } from '../../src-main/core/stratum-v2/ellswift.ts';
import { FrameDecoder, MAX_PAYLOAD, sealFrame, type Frame } from '../../src-main/core/stratum-v2/frame.ts';
import { NoiseInitiator, type NoiseTransport } from '../../src-main/core/stratum-v2/noise.ts';
import { SubmitSharesExtended } from '../../src-main/core/stratum-v2/messages/mining.ts';
import { encodeUserIdentity, userIdentityOf } from '../../src-main/core/stratum-v2/messages/extensions.ts';
import {
  PARTS,
  definitionOf,
  differenceOf,
  readSriFields,
  type SriFrame,
  type SriMessage,
} from '../fixtures/sri-vectors.ts';

interface GoldenMessage extends SriMessage {
  readonly filled: string;
  readonly frame: SriFrame;
}
interface GoldenMessages {
  readonly messages: readonly GoldenMessage[];
  readonly userIdentities: readonly (SriMessage & {
    readonly userIdentity: string;
    readonly frame: string;
  })[];
}
interface GoldenNoise {
  readonly authorityPublicKey: string;
  readonly now: number;
  readonly connections: readonly {
    readonly initiatorDraws: readonly [string];
    readonly act1: string;
    readonly act2: string;
    readonly frames: readonly { payload: number; fromInitiator: SriFrame; fromResponder: SriFrame }[];
  }[];
}

function fixture(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../fixtures/vectors/${name}`, import.meta.url), 'utf8'));
}

/** Data in the form the vectors give them. */
function described(bytes: Uint8Array, like: SriFrame): SriFrame {
  if (typeof like === 'string') return bytesToHex(bytes);
  return { length: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
}

function onlyFrame(bytes: Uint8Array): Frame {
  const decoder = new FrameDecoder({ maxPayload: MAX_PAYLOAD });
  decoder.push(bytes);
  const frame = decoder.next();
  if (!frame || decoder.pending > 0) throw new Error('not exactly one frame');
  return frame;
}

describe('messages of the reference implementation', () => {
  const golden = fixture('sri-messages.json') as GoldenMessages;
  const titled = golden.messages.map((message, at) => ({ ...message, at }));

  it('are all there is here, and all there is there', () => {
    const ours = Object.entries(PARTS).flatMap(([part, list]) => list.map((one) => `${part} ${one.name}`));
    expect([...new Set(golden.messages.map((one) => `${one.part} ${one.name}`))].sort()).toEqual(ours.sort());
  });

  it.each(titled)('$at: $part $name, $filled', (one) => {
    const definition = definitionOf(one.part, one.name);
    const fields = readSriFields(one);
    const encoded = encodeMessage(definition, fields as never);
    expect(described(encoded, one.frame)).toEqual(one.frame);

    const frame = onlyFrame(typeof one.frame === 'string' ? hexToBytes(one.frame) : encoded);
    expect(frame.channelMessage).toBe(definition.channelMessage);
    const outcome = messageTable<MessageDefinition>(PARTS[one.part]).decode(frame);
    if (outcome.kind !== 'message') throw new Error(outcome.kind);
    expect(outcome.message.name).toBe(one.name);
    expect(outcome.message.tlvs).toHaveLength(0);
    expect(differenceOf(outcome.message.fields, fields)).toBeUndefined();
  });

  it.each(golden.userIdentities)('share of worker "$userIdentity"', (one) => {
    const fields = readSriFields(one) as SubmitSharesExtended;
    expect(
      bytesToHex(encodeMessage(SubmitSharesExtended, fields, encodeUserIdentity(one.userIdentity))),
    ).toBe(one.frame);
    const outcome = messageTable(PARTS.mining).decode(onlyFrame(hexToBytes(one.frame)));
    if (outcome.kind !== 'message') throw new Error(outcome.kind);
    expect(differenceOf(outcome.message.fields, fields)).toBeUndefined();
    expect(userIdentityOf(outcome.message.tlvs)).toBe(one.userIdentity);
  });
});

/** What a source must give for an encoding to come out: its u, and which of the eight roots its t is. */
function drawOf(encoding: Uint8Array): Uint8Array {
  const number = (bytes: Uint8Array): bigint => BigInt(`0x${bytesToHex(bytes)}`);
  const [x, u, t] = [ellswiftDecode(encoding), encoding.subarray(0, 32), encoding.subarray(32)].map(number);
  for (let which = 0; which < 8; which++)
    if (swiftEcInverse(x ?? 0n, u ?? 0n, which) === t)
      return concatBytes(encoding.subarray(0, 32), Uint8Array.of(which));
  throw new Error('no case gives this encoding');
}

/** The same plaintext as `golden_noise` in test/interop/vectors/src/main.rs. */
function plainFrame(index: number, payload: number): Uint8Array {
  const frame = new Uint8Array(6 + payload);
  frame.set([1, 0x80, index, payload & 0xff, (payload >> 8) & 0xff, payload >> 16]);
  for (let at = 0; at < payload; at++) frame[6 + at] = at * 7 + (at >> 8) + index;
  return frame;
}

describe('connections of the reference implementation', () => {
  const golden = fixture('sri-noise.json') as GoldenNoise;

  it.each(golden.connections.map((one, at) => ({ ...one, at })))('$at', (one) => {
    function connect(): NoiseTransport {
      const draws = [hexToBytes(one.initiatorDraws[0]), drawOf(hexToBytes(one.act1))];
      const initiator = new NoiseInitiator({
        authority: hexToBytes(golden.authorityPublicKey),
        random: () => draws.shift() ?? new Uint8Array(),
      });
      expect(bytesToHex(initiator.message)).toBe(one.act1);
      const done = initiator.receive(hexToBytes(one.act2), golden.now);
      if (done.kind !== 'done') throw new Error(done.kind);
      return done.transport;
    }
    const initiator = connect();
    // The responder sends with the key the initiator receives with.
    const responder = connect().receive;
    const decoder = new FrameDecoder({ maxPayload: MAX_PAYLOAD, cipher: initiator.receive });
    for (const [index, { payload, fromInitiator, fromResponder }] of one.frames.entries()) {
      const plain = plainFrame(index, payload);
      expect(described(sealFrame(plain, initiator.send), fromInitiator)).toEqual(fromInitiator);
      const back = sealFrame(plain, responder);
      expect(described(back, fromResponder)).toEqual(fromResponder);
      decoder.push(back);
      const frame = decoder.next();
      expect(frame).toMatchObject({ extensionType: 1, channelMessage: true, messageType: index });
      expect(differenceOf(frame?.payload, plain.subarray(6))).toBeUndefined();
    }
  });
});
