/**
 * Fuzzing of Stratum V2: noise, frames and codec. Run by hand:
 *   node test/fuzz/stratum-v2.ts [--inputs N] [--seed S] [--only NAME]
 * Every input is made of the seed and its number, so a failure can be repeated. Only the error classes of each part may be
 * thrown, no input may take long, and what is decoded must encode and decode to the same again.
 */
import { parseArgs } from 'node:util';
import { ByteReader, FormatError } from '../../src-main/core/bitcoin/bytes.ts';
import {
  CodecError,
  decodePayload,
  encodeMessage,
  messageTable,
  parseTlvs,
  type AnyCodec,
} from '../../src-main/core/stratum-v2/codec.ts';
import { ellswiftDecode, KeyError } from '../../src-main/core/stratum-v2/ellswift.ts';
import {
  FrameDecoder,
  FrameError,
  HEADER_LENGTH,
  encodeFrame,
  sealFrame,
} from '../../src-main/core/stratum-v2/frame.ts';
import {
  ACT_2_LENGTH,
  CipherState,
  NoiseError,
  NoiseInitiator,
  NoiseResponder,
  authorityPublicKey,
  createIdentity,
  parseAuthorityKey,
} from '../../src-main/core/stratum-v2/noise.ts';
import { ALL_MESSAGES } from '../fixtures/stratum-v2-messages.ts';

const { values } = parseArgs({
  options: {
    inputs: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string' },
  },
});
const inputs = Number(values.inputs);
const seed = Number(values.seed);

/** xorshift32: fast, and good enough to be surprising. */
let state = 1;
function next(): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return state >>> 0;
}
const below = (limit: number): number => next() % limit;

function randomBytes(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = next() >>> 11;
  return bytes;
}

/** Changes bytes, cuts, doubles, inserts lengths that lie: one to four times. */
function mutate(bytes: Uint8Array): Uint8Array {
  let out = Uint8Array.from(bytes);
  for (let times = 1 + below(4); times > 0; times--) {
    const at = below(out.length + 1);
    switch (below(6)) {
      case 0:
        if (at < out.length) out[at] = (out[at] ?? 0) ^ (1 << below(8));
        break;
      case 1:
        if (at < out.length) out[at] = [0, 1, 2, 0x7f, 0x80, 0xfe, 0xff][below(7)] ?? 0;
        break;
      case 2:
        out = out.slice(0, at);
        break;
      case 3:
        out = Uint8Array.of(...out.subarray(0, at), ...randomBytes(below(9)), ...out.subarray(at));
        break;
      case 4:
        out = Uint8Array.of(...out.subarray(0, at), ...out.subarray(below(at + 1), at), ...out.subarray(at));
        break;
      default:
        out.fill(0xff, at, at + 1 + below(4));
    }
    if (out.length > 4_096) out = out.slice(0, 4_096);
  }
  return out;
}

/** One valid value of each type, by the name of the type; lists are short. */
function sample(codec: AnyCodec): unknown {
  const { name } = codec;
  const [, kind, item] = /^(OPTION|SEQ0_255|SEQ0_64K)\[(.+)\]$/.exec(name) ?? [];
  if (kind === 'OPTION') return below(2) === 0 ? undefined : below(0xffff);
  if (item !== undefined)
    return Array.from({ length: below(4) }, () =>
      item.startsWith('U') && item !== 'U256' ? below(256) : sample({ ...codec, name: item }),
    );
  if (name === 'BOOL') return below(2) === 1;
  if (name === 'U64') return (BigInt(next()) << 32n) | BigInt(next());
  if (name === 'U256') return randomBytes(32);
  if (name === 'STR0_255') return ['', 'stale-share', 'bc1q.worker', 'äöü', 'x'.repeat(255)][below(5)];
  if (name === 'F32') return below(1_000_000);
  if (name.startsWith('U')) return below(256);
  return randomBytes(below(33));
}

function samplePayload(): { index: number; payload: Uint8Array } {
  const index = below(ALL_MESSAGES.length);
  const definition = ALL_MESSAGES[index];
  if (!definition) throw new Error('no such message');
  const fields = Object.fromEntries(
    Object.entries(definition.fields).map(([key, codec]) => [key, sample(codec)]),
  );
  return { index, payload: encodeMessage(definition, fields).subarray(HEADER_LENGTH) };
}

/** Ready-made payloads to mutate: making each anew would be most of the work. */
state = seed * 2 + 1;
const corpus = Array.from({ length: 2_000 }, samplePayload);
const table = messageTable(ALL_MESSAGES);
const KEY = new Uint8Array(32).fill(9);
const EXTENSIONS = new Set([1, 2]);

const identity = createIdentity({
  authoritySecretKey: KEY,
  validFrom: 0,
  notValidAfter: 0xffff_ffff,
  random: randomBytes,
});
const authority = authorityPublicKey(KEY);

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** Each takes one random input. What it throws must be one of `allowed`. */
interface Target {
  readonly weight: number;
  readonly allowed: readonly (new (...args: never[]) => Error)[];
  run(): void;
}

const TARGETS: Readonly<Record<string, Target>> = {
  codec: {
    weight: 60,
    allowed: [CodecError],
    run() {
      const { index, payload } = corpus[below(corpus.length)] ?? samplePayload();
      const definition = ALL_MESSAGES[below(8) === 0 ? below(ALL_MESSAGES.length) : index];
      if (!definition) return;
      const bytes = below(10) === 0 ? randomBytes(below(300)) : mutate(payload);
      const first = decodePayload(definition, bytes);
      const again = encodeMessage(definition, first.fields, first.tlvs);
      const second = decodePayload(definition, again.subarray(HEADER_LENGTH));
      const third = encodeMessage(definition, second.fields, second.tlvs);
      if (!same(again, third)) throw new Error(`${definition.name} does not come back as it was`);
      parseTlvs(first.tlvs, EXTENSIONS);
    },
  },
  types: {
    weight: 10,
    allowed: [FormatError],
    run() {
      const definition = ALL_MESSAGES[below(ALL_MESSAGES.length)];
      const codecs = Object.values(definition?.fields ?? {});
      codecs[below(codecs.length)]?.read(new ByteReader(randomBytes(below(80))));
    },
  },
  plain: {
    weight: 15,
    allowed: [FrameError, CodecError],
    run() {
      const { index, payload } = corpus[below(corpus.length)] ?? samplePayload();
      const definition = ALL_MESSAGES[index];
      const frame = encodeFrame({
        extensionType: definition?.extensionType ?? 0,
        channelMessage: below(2) === 1,
        messageType: definition?.messageType ?? 0,
        payload,
      });
      const stream = below(3) === 0 ? randomBytes(below(200)) : mutate(Uint8Array.of(...frame, ...frame));
      const decoder = new FrameDecoder({ maxPayload: 2_000 });
      for (let at = 0; at < stream.length;) {
        const end = at + 1 + below(64);
        decoder.push(stream.slice(at, end));
        for (let got = decoder.next(); got; got = decoder.next()) table.decode(got);
        at = end;
      }
      if (decoder.pending > stream.length) throw new Error('more is pending than came');
    },
  },
  sealed: {
    weight: 10,
    allowed: [FrameError, NoiseError],
    run() {
      const { payload } = corpus[below(corpus.length)] ?? samplePayload();
      const sender = new CipherState(KEY);
      const frame = encodeFrame({ extensionType: 0, channelMessage: false, messageType: 1, payload });
      const stream = Uint8Array.of(...sealFrame(frame, sender), ...sealFrame(frame, sender));
      const changed = mutate(stream);
      const decoder = new FrameDecoder({ maxPayload: 2_000, cipher: new CipherState(KEY) });
      decoder.push(changed);
      for (let got = decoder.next(); got; got = decoder.next())
        if (!same(got.payload, payload)) throw new Error('a changed frame got through');
    },
  },
  authorityKey: {
    weight: 4,
    allowed: [NoiseError],
    run() {
      const letters = '9bXiEd8boQVhq7WddEcERUL5tyyJVFYdU8th3HfbNXK3Yw6GRXh';
      const at = below(letters.length);
      parseAuthorityKey(
        letters.slice(0, at) + String.fromCodePoint(below(0x300)) + letters.slice(at + below(3)),
      );
    },
  },
  ellswift: {
    weight: 0.9,
    allowed: [KeyError],
    run() {
      if (ellswiftDecode(randomBytes(64)).length !== 32) throw new Error('not an X coordinate');
    },
  },
  handshake: {
    weight: 0.1,
    allowed: [NoiseError],
    run() {
      const initiator = new NoiseInitiator({ authority, random: randomBytes });
      const act1 = below(2) === 0 ? initiator.message : randomBytes(64);
      const done = new NoiseResponder({ identity, random: randomBytes }).receive(act1);
      if (done.kind !== 'done') throw new Error('64 bytes were not enough');
      const reply = below(3) === 0 ? randomBytes(below(2 * ACT_2_LENGTH)) : mutate(done.reply);
      const end = initiator.receive(reply, next());
      if (end.kind === 'done' && !same(reply.subarray(0, ACT_2_LENGTH), done.reply))
        throw new Error('a changed act 2 got through');
    },
  },
};

const chosen = Object.entries(TARGETS).filter(([name]) => values.only === undefined || values.only === name);
const total = chosen.reduce((sum, [, target]) => sum + target.weight, 0);
if (chosen.length === 0 || !Number.isSafeInteger(inputs) || inputs < 1)
  throw new Error(`expected --inputs N and --only one of ${Object.keys(TARGETS).join(', ')}`);

let failures = 0;
const started = performance.now();
for (const [name, target] of chosen) {
  const count = Math.ceil((inputs * target.weight) / total);
  let accepted = 0;
  let slowest = 0;
  const begun = performance.now();
  for (let i = 0; i < count; i++) {
    // Never 0, where xorshift would stay; far apart for neighbours.
    state = (Math.imul(seed * 0x10001 + i + 1, 0x9e3779b1) ^ (i << 7)) | 1;
    const before = performance.now();
    try {
      target.run();
      accepted += 1;
    } catch (error) {
      if (!target.allowed.some((kind) => error instanceof kind)) {
        failures += 1;
        console.error(`${name}, seed ${seed}, input ${i}:`, error);
        if (failures >= 10) throw new Error('ten failures are enough', { cause: error });
      }
    }
    slowest = Math.max(slowest, performance.now() - before);
  }
  const seconds = (performance.now() - begun) / 1_000;
  console.log(
    `${name}: ${count} inputs, ${accepted} accepted, ${count - accepted} refused, ` +
      `${Math.round(count / seconds)}/s, slowest ${slowest.toFixed(1)} ms`,
  );
}
console.log(
  `${inputs} inputs in ${Math.round((performance.now() - started) / 1_000)} s, ${failures} failures, ` +
    `${Math.round(process.memoryUsage().rss / 1_048_576)} MB`,
);
process.exitCode = failures === 0 ? 0 : 1;
