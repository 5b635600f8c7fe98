/** Messages of every type, both ways between our codec and the reference implementation's; and what each makes of broken ones. */
import * as fc from 'fast-check';
import { bytesToHex, hexToBytes } from '../../src-main/core/bitcoin/bytes.ts';
import {
  CodecError,
  encodeMessage,
  messageTable,
  type MessageDefinition,
} from '../../src-main/core/stratum-v2/codec.ts';
import { FrameDecoder, FrameError, MAX_PAYLOAD } from '../../src-main/core/stratum-v2/frame.ts';
import { EXTENSION, encodeUserIdentity } from '../../src-main/core/stratum-v2/messages/extensions.ts';
import { parseTlvs } from '../../src-main/core/stratum-v2/codec.ts';
import {
  PARTS,
  definitionOf,
  differenceOf,
  readSriFields,
  type Part,
  type SriMessage,
} from '../fixtures/sri-vectors.ts';
import { fieldsOf } from '../fixtures/stratum-v2-messages.ts';
import type { Answer, Peer } from './support/peer.ts';

interface SriDecoded extends SriMessage {
  readonly tlvs: readonly (readonly [number, number, string])[];
  readonly frame: string;
}

const ALL = Object.entries(PARTS).flatMap(([part, list]) =>
  list.map((definition: MessageDefinition) => ({ part: part as Part, definition })),
);

/** Reads one whole frame as a server that does not know what comes next would. */
function decode(
  part: Part,
  bytes: Uint8Array,
): { fields: object; tlvs: Uint8Array; definition: MessageDefinition } {
  const decoder = new FrameDecoder({ maxPayload: MAX_PAYLOAD });
  decoder.push(bytes);
  const frame = decoder.next();
  if (!frame || decoder.pending > 0) throw new FrameError('broken', 'not exactly one frame');
  const outcome = messageTable<MessageDefinition>(PARTS[part]).decode(frame);
  if (outcome.kind !== 'message') throw new FrameError('broken', outcome.kind);
  return { ...outcome.message, definition: outcome.definition };
}

function randomFields(definition: MessageDefinition, count: number, seed: number): Record<string, unknown>[] {
  const samples = fc.sample(fieldsOf(definition), { numRuns: count, seed });
  // The crates refuse protocols that do not exist; here a server answers them with an error.
  if (definition.name === 'SetupConnection')
    for (const fields of samples) fields['protocol'] = (fields['protocol'] as number) % 3;
  return samples;
}

/** Ours encodes, theirs decodes and encodes again: the same bytes, and the same fields under the same names. */
export async function oursToTheirs(peer: Peer, count: number, seed: number): Promise<string> {
  let total = 0;
  for (const { part, definition } of ALL) {
    const samples = randomFields(definition, count, seed).map((fields) => ({
      fields,
      frame: encodeMessage(definition, fields as never),
    }));
    const answers = await Promise.all(
      samples.map(({ frame }) => peer.must<SriDecoded>(`decode ${bytesToHex(frame)}`)),
    );
    for (const [at, answer] of answers.entries()) {
      const { fields, frame } = samples[at] ?? { fields: {}, frame: new Uint8Array() };
      const title = `${definition.name}, seed ${seed}, number ${at}`;
      if (answer.part !== part || answer.name !== definition.name)
        throw new Error(`${title}: the reference reads it as ${answer.name} of ${answer.part}`);
      const difference = differenceOf(fields, readSriFields(answer));
      if (difference !== undefined) throw new Error(`${title}: read otherwise: ${difference}`);
      if (answer.frame !== bytesToHex(frame))
        throw new Error(`${title}: we sent ${bytesToHex(frame)}, the reference encodes ${answer.frame}`);
      total += 1;
    }
  }
  return `${total} messages of ${ALL.length} types`;
}

/** Theirs encodes, ours decodes and encodes again. */
export async function theirsToOurs(peer: Peer, count: number, seed: number): Promise<string> {
  let total = 0;
  for (const { part, definition } of ALL) {
    const answers = await Promise.all(
      Array.from({ length: count }, (_, at) =>
        peer.must<SriMessage & { frame: string }>(`random ${part} ${definition.name} ${seed * 100_000 + at}`),
      ),
    );
    for (const answer of answers) {
      const { fields, tlvs } = decode(part, hexToBytes(answer.frame));
      const difference =
        tlvs.length > 0 ? 'bytes are left over' : differenceOf(fields, readSriFields(answer));
      if (difference !== undefined) throw new Error(`${definition.name} ${answer.frame}: ${difference}`);
      const again = bytesToHex(encodeMessage(definition, fields as never));
      if (again !== answer.frame)
        throw new Error(`${definition.name}: the reference sent ${answer.frame}, we encode ${again}`);
      total += 1;
    }
  }
  return `${total} messages of ${ALL.length} types`;
}

/** Shares with the worker's name of extension 0x0002. */
export async function workerNames(peer: Peer, count: number, seed: number): Promise<string> {
  const definition = definitionOf('mining', 'SubmitSharesExtended');
  const names = fc.sample(
    fc.string({ unit: 'grapheme', maxLength: 12 }).filter((name) => Buffer.byteLength(name) <= 32),
    { numRuns: count, seed },
  );
  const shares = randomFields(definition, count, seed);
  for (const [at, name] of names.entries()) {
    const frame = encodeMessage(definition, shares[at] as never, encodeUserIdentity(name));
    const answer = await peer.must<SriDecoded>(`decode ${bytesToHex(frame)}`);
    const expected = JSON.stringify([[EXTENSION.workerHashrate, 1, Buffer.from(name).toString('hex')]]);
    if (JSON.stringify(answer.tlvs) !== expected)
      throw new Error(`"${name}": the reference found ${JSON.stringify(answer.tlvs)}`);
  }
  return `${names.length} names`;
}

/** Where both are known to differ, and why that is meant. Anything else is a failure. */
const KNOWN = {
  protocol:
    'SetupConnection.protocol above 2: refused by the reference, read here and answered with an error (3.6.3)',
  text: 'text that is not UTF-8: kept as bytes by the reference, read as U+FFFD here',
  controls: 'control characters in a code: kept by the reference, read as U+FFFD here (3.5)',
  nan: 'a hashrate that is a signalling NaN: kept by the reference, a quiet NaN once read here',
} as const;

/** A frame with something wrong with it, made of a good one. */
function broken(frame: Uint8Array, random: () => number): Uint8Array {
  const changed = Uint8Array.from(frame);
  const payload = frame.length - 6;
  const withLength = (bytes: Uint8Array): Uint8Array => {
    const length = bytes.length - 6;
    bytes.set([length & 0xff, (length >> 8) & 0xff, length >> 16], 3);
    return bytes;
  };
  switch (random() % 4) {
    case 0:
      for (let flips = 1 + (random() % 4); flips > 0 && payload > 0; flips--) {
        const at = 6 + (random() % payload);
        changed[at] = (changed[at] ?? 0) ^ (1 << (random() % 8));
      }
      return changed;
    case 1:
      return withLength(changed.slice(0, 6 + (random() % (payload + 1))));
    case 2: {
      const longer = new Uint8Array(changed.length + 1 + (random() % 12));
      longer.set(changed);
      for (let at = changed.length; at < longer.length; at++) longer[at] = random();
      return withLength(longer);
    }
    default:
      if (payload > 0) changed[6 + (random() % payload)] = random();
      if (payload > 0) changed[6 + (random() % payload)] = random();
      return changed;
  }
}

const isCode = (key: string, value: unknown): value is string =>
  key.endsWith('Code') && typeof value === 'string';
const hasControls = (fields: object): boolean =>
  Object.entries(fields).some(([key, value]) => isCode(key, value) && /\p{Cc}/u.test(value));
const withoutControls = (fields: object): object =>
  Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [
      key,
      isCode(key, value) ? value.replace(/\p{Cc}/gu, '\uFFFD') : (value as unknown),
    ]),
  );

/** Broken frames: both must refuse, or both must read the same. */
export async function brokenFrames(peer: Peer, count: number, seed: number): Promise<string> {
  let state = seed;
  const random = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
  const seen = { refused: 0, read: 0, protocol: 0, text: 0, controls: 0, nan: 0 };
  const differences: string[] = [];
  for (const { part, definition } of ALL) {
    const frames = randomFields(definition, count, seed).map((fields) =>
      broken(encodeMessage(definition, fields as never), random),
    );
    const answers = await Promise.all(
      frames.map((frame) => peer.ask<SriDecoded>(`decode ${bytesToHex(frame)}`)),
    );
    for (const [at, answer] of answers.entries()) {
      const frame = frames[at] ?? new Uint8Array();
      const found = judge(part, frame, answer);
      if (found in seen) seen[found as keyof typeof seen] += 1;
      else differences.push(`${definition.name} ${bytesToHex(frame)}: ${found}`);
    }
  }
  if (differences.length > 0)
    throw new Error(`${differences.length} differences, of them:\n${differences.slice(0, 20).join('\n')}`);
  const known = (Object.keys(KNOWN) as (keyof typeof KNOWN)[])
    .filter((key) => seen[key] > 0)
    .map((key) => `\n    ${seen[key]} × ${KNOWN[key]}`);
  return `${seen.refused} refused by both, ${seen.read} read alike${known.join('')}\n   `;
}

/** "refused" or "read" by both, a key of `KNOWN`, or in words what is different. */
function judge(part: Part, frame: Uint8Array, answer: Answer<SriDecoded>): string {
  if (answer.kind === 'panic') return 'the reference panicked';
  let ours: ReturnType<typeof decode>;
  try {
    ours = decode(part, frame);
  } catch (error) {
    if (!(error instanceof CodecError || error instanceof FrameError)) throw error;
    return answer.kind === 'error' ? 'refused' : `refused here: ${error.message}`;
  }
  if (answer.kind === 'error') {
    const { protocol } = ours.fields as { protocol?: number };
    if (protocol !== undefined && protocol > 2) return 'protocol';
    return `refused by the reference: ${answer.error}`;
  }
  // Text that is not UTF-8 comes out of `readSriFields` the way it is read here.
  const theirs = readSriFields(answer.value);
  const controls = hasControls(theirs);
  const difference = differenceOf(ours.fields, controls ? withoutControls(theirs) : theirs);
  if (difference !== undefined) return `read otherwise: ${difference}`;
  if (controls) return 'controls';
  if (JSON.stringify(answer.value.fields).includes('{"notUtf8"')) return 'text';
  const again = bytesToHex(encodeMessage(ours.definition, ours.fields as never));
  if (again !== answer.value.frame && Object.values(theirs).some((value) => Number.isNaN(value)))
    return 'nan';
  if (again !== answer.value.frame) return `encoded again otherwise: ${again} and ${answer.value.frame}`;
  const found = readTlvs(ours.tlvs);
  return JSON.stringify(found) === JSON.stringify(answer.value.tlvs)
    ? 'read'
    : `fields of extensions: ${JSON.stringify(found)} and ${JSON.stringify(answer.value.tlvs)}`;
}

/** Extension fields in the form of the peer; those that are none are left out, as the crates do. */
function readTlvs(bytes: Uint8Array): [number, number, string][] {
  try {
    return parseTlvs(bytes, new Set([EXTENSION.workerHashrate])).map((tlv) => [
      tlv.extensionType,
      tlv.fieldType,
      bytesToHex(tlv.value),
    ]);
  } catch (error) {
    if (error instanceof CodecError) return [];
    throw error;
  }
}
