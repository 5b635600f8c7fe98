/** Handshakes and sealed frames between our Noise and the reference implementation's, in both roles. */
import { randomBytes } from 'node:crypto';
import { bytesToHex, hexToBytes } from '../../src-main/core/bitcoin/bytes.ts';
import {
  FrameDecoder,
  MAX_BLOCK,
  MAX_PAYLOAD,
  encodeFrame,
  sealFrame,
} from '../../src-main/core/stratum-v2/frame.ts';
import {
  NoiseError,
  NoiseInitiator,
  NoiseResponder,
  authorityPublicKey,
  createIdentity,
  type NoiseTransport,
} from '../../src-main/core/stratum-v2/noise.ts';
import type { Answer, Peer } from './support/peer.ts';

const random = (length: number): Uint8Array => new Uint8Array(randomBytes(length));
const NOW = 1_790_000_000;
const secret = random(32);
const authority = authorityPublicKey(secret);
const otherAuthority = authorityPublicKey(random(32));

let ids = 0;

/** Our initiator, their responder. Gives the outcome of our side, and the id of theirs. */
async function weInitiate(
  peer: Peer,
  options: { now?: number; authority?: Uint8Array | 'any'; flip?: number } = {},
): Promise<{ id: string; transport: NoiseTransport }> {
  const id = String(ids++);
  const initiator = new NoiseInitiator({ authority: options.authority ?? authority, random });
  const act2 = hexToBytes(
    await peer.must<string>(
      `respond ${id} ${bytesToHex(authority)} ${bytesToHex(secret)} 3600 ${bytesToHex(initiator.message)} ${NOW} ${1 + ids}`,
    ),
  );
  if (options.flip !== undefined) act2[options.flip] = (act2[options.flip] ?? 0) ^ 1;
  const done = initiator.receive(act2, options.now ?? NOW);
  if (done.kind !== 'done') throw new Error(`act 2 is ${done.missing} bytes short`);
  return { id, transport: done.transport };
}

/** Their initiator, our responder. */
async function theyInitiate(
  peer: Peer,
  options: { now?: number; authority?: string; flip?: number } = {},
): Promise<{ id: string; transport: NoiseTransport; answer: Answer<true> }> {
  const id = String(ids++);
  const act1 = hexToBytes(
    await peer.must<string>(`initiate ${id} ${options.authority ?? bytesToHex(authority)} ${1 + ids}`),
  );
  const identity = createIdentity({
    authoritySecretKey: secret,
    validFrom: NOW,
    notValidAfter: NOW + 3_600,
    random,
  });
  const done = new NoiseResponder({ identity, random }).receive(act1);
  if (done.kind !== 'done') throw new Error(`act 1 is ${done.missing} bytes short`);
  const { reply } = done;
  if (options.flip !== undefined) reply[options.flip] = (reply[options.flip] ?? 0) ^ 1;
  const answer = await peer.ask<true>(`conclude ${id} ${bytesToHex(reply)} ${options.now ?? NOW}`);
  return { id, transport: done.transport, answer };
}

const LENGTHS = [0, 1, 37, 4_096, MAX_BLOCK - 1, MAX_BLOCK, MAX_BLOCK + 1, 3 * MAX_BLOCK, 300_000];

/** Frames of all lengths, both ways, several received at once and in pieces. */
async function talk(peer: Peer, id: string, transport: NoiseTransport): Promise<number> {
  const frames = LENGTHS.map((length, at) =>
    encodeFrame({
      extensionType: at,
      channelMessage: at % 2 === 1,
      messageType: at,
      payload: random(length),
    }),
  );
  for (const frame of frames) {
    const opened = await peer.must<string[]>(`open ${id} ${bytesToHex(sealFrame(frame, transport.send))}`);
    if (opened.join() !== bytesToHex(frame))
      throw new Error(`a frame of ${frame.length} bytes came out otherwise`);
  }
  const decoder = new FrameDecoder({ maxPayload: MAX_PAYLOAD, cipher: transport.receive });
  let stream = '';
  for (const frame of frames) stream += await peer.must<string>(`seal ${id} ${bytesToHex(frame)}`);
  const received = hexToBytes(stream);
  const opened: string[] = [];
  for (let at = 0; at < received.length; at += 50_001) {
    decoder.push(received.slice(at, at + 50_001));
    for (let frame = decoder.next(); frame; frame = decoder.next())
      opened.push(bytesToHex(encodeFrame(frame)));
  }
  if (opened.join() !== frames.map(bytesToHex).join())
    throw new Error('the frames of the reference came out otherwise');
  return 2 * frames.length;
}

export async function ourInitiator(peer: Peer, count: number): Promise<string> {
  let frames = 0;
  for (let i = 0; i < count; i++) {
    const { id, transport } = await weInitiate(peer, { authority: i % 4 === 3 ? 'any' : authority });
    frames += await talk(peer, id, transport);
  }
  return `${count} connections, ${frames} frames`;
}

export async function ourResponder(peer: Peer, count: number): Promise<string> {
  let frames = 0;
  for (let i = 0; i < count; i++) {
    const { id, transport, answer } = await theyInitiate(peer, i % 4 === 3 ? { authority: 'any' } : {});
    if (answer.kind !== 'ok') throw new Error(`the reference refused us: ${JSON.stringify(answer)}`);
    frames += await talk(peer, id, transport);
  }
  return `${count} connections, ${frames} frames`;
}

async function codeOf(work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
  } catch (error) {
    if (error instanceof NoiseError) return error.code;
    throw error;
  }
  return 'accepted';
}

/** What one side refuses, the other must refuse as well. */
export async function refusals(peer: Peer): Promise<string> {
  let count = 0;
  const cases: { name: string; options: { now?: number; flip?: number }; refused: boolean }[] = [
    { name: '10 s before the certificate', options: { now: NOW - 10 }, refused: false },
    { name: '11 s before the certificate', options: { now: NOW - 11 }, refused: true },
    { name: '10 s after the certificate', options: { now: NOW + 3_610 }, refused: false },
    { name: '11 s after the certificate', options: { now: NOW + 3_611 }, refused: true },
    ...[0, 63, 64, 127, 143, 144, 153, 217, 218, 233].map((flip) => ({
      name: `bit of byte ${flip} of act 2`,
      options: { flip },
      refused: true,
    })),
  ];
  for (const { name, options, refused } of cases) {
    const ours = (await codeOf(() => weInitiate(peer, options))) !== 'accepted';
    const theirs = (await theyInitiate(peer, options)).answer.kind !== 'ok';
    if (ours !== refused || theirs !== refused)
      throw new Error(
        `${name}: here ${ours ? '' : 'not '}refused, by the reference ${theirs ? '' : 'not '}refused`,
      );
    count += 1;
  }
  const code = await codeOf(() => weInitiate(peer, { authority: otherAuthority }));
  if (code !== 'certificateSignature') throw new Error(`another authority: ${code}`);
  const { answer } = await theyInitiate(peer, { authority: bytesToHex(otherAuthority) });
  if (answer.kind !== 'error') throw new Error('the reference took a certificate of another authority');

  // One flipped bit anywhere in a sealed frame, and a frame that comes twice.
  for (const at of [0, 10, 21, 22, 40, 71]) {
    const { id, transport } = await weInitiate(peer);
    const frame = encodeFrame({
      extensionType: 0,
      channelMessage: false,
      messageType: 1,
      payload: random(34),
    });
    const there = sealFrame(frame, transport.send);
    there[at] = (there[at] ?? 0) ^ 0x20;
    if ((await peer.ask(`open ${id} ${bytesToHex(there)}`)).kind !== 'error')
      throw new Error(`the reference opened a frame with byte ${at} changed`);
    const back = hexToBytes(await peer.must<string>(`seal ${id} ${bytesToHex(frame)}`));
    back[at] = (back[at] ?? 0) ^ 0x20;
    const decoder = new FrameDecoder({ maxPayload: MAX_PAYLOAD, cipher: transport.receive });
    decoder.push(back);
    const opened = await codeOf(async () => decoder.next());
    if (opened !== 'authentication') throw new Error(`a frame with byte ${at} changed: ${opened}`);
    count += 2;
  }
  return `${count + 2} cases`;
}
