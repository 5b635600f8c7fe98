import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  FrameDecoder,
  FrameError,
  MAX_PAYLOAD,
  encodeFrame,
  sealFrame,
  sealedPayloadLength,
  type Frame,
} from '../../src-main/core/stratum-v2/frame.ts';
import { CipherState, NoiseError } from '../../src-main/core/stratum-v2/noise.ts';

const KEY = new Uint8Array(32).fill(0x42);

const frame: fc.Arbitrary<Frame> = fc.record({
  extensionType: fc.integer({ min: 0, max: 0x7fff }),
  channelMessage: fc.boolean(),
  messageType: fc.integer({ min: 0, max: 255 }),
  payload: fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.constant(new Uint8Array(0))),
});

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** Feeds a stream in pieces of the given lengths, over and over, and collects the frames. */
function feed(decoder: FrameDecoder, stream: Uint8Array, pieces: readonly number[]): Frame[] {
  const frames: Frame[] = [];
  let at = 0;
  for (let i = 0; at < stream.length; i++) {
    const end = at + (pieces[i % pieces.length] ?? 1);
    decoder.push(stream.slice(at, end));
    for (let next = decoder.next(); next; next = decoder.next()) frames.push(next);
    at = end;
  }
  return frames;
}

const pieces = fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 8 });

describe('frames', () => {
  it('come out as they went in, plain and sealed, however the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 12 }), pieces, (frames, cuts) => {
        const plain = frames.map(encodeFrame);
        expect(feed(new FrameDecoder({ maxPayload: MAX_PAYLOAD }), joined(plain), cuts)).toEqual(frames);
        const sender = new CipherState(KEY);
        const sealed = joined(plain.map((bytes) => sealFrame(bytes, sender)));
        const decoder = new FrameDecoder({ maxPayload: MAX_PAYLOAD, cipher: new CipherState(KEY) });
        expect(feed(decoder, sealed, cuts)).toEqual(frames);
        expect(decoder.pending).toBe(0);
      }),
    );
  });

  it('are refused for good after one flipped bit, and none after it gets through', () => {
    fc.assert(
      fc.property(fc.array(frame, { minLength: 1, maxLength: 6 }), fc.nat(), (frames, at) => {
        const sender = new CipherState(KEY);
        const sealed = frames.map((f) => sealFrame(encodeFrame(f), sender));
        const stream = joined(sealed);
        const bit = at % (stream.length * 8);
        stream[bit >> 3] = (stream[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        const decoder = new FrameDecoder({ maxPayload: MAX_PAYLOAD, cipher: new CipherState(KEY) });
        const read: Frame[] = [];
        expect(() => {
          decoder.push(stream);
          for (let next = decoder.next(); next; next = decoder.next()) read.push(next);
        }).toThrow(NoiseError);
        let untouched = 0;
        for (let end = sealed[0]?.length ?? 0; end <= bit >> 3; end += sealed[untouched]?.length ?? Infinity)
          untouched += 1;
        expect(read).toEqual(frames.slice(0, untouched));
        expect(() => {
          decoder.push(Uint8Array.of(1));
        }).toThrow(NoiseError);
        expect(() => decoder.next()).toThrow(NoiseError);
      }),
    );
  });

  it('of random bytes are refused or awaited, never anything else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), pieces, (stream, cuts) => {
        for (const cipher of [undefined, new CipherState(KEY)]) {
          try {
            feed(new FrameDecoder({ maxPayload: 1_000, cipher }), stream, cuts);
          } catch (error) {
            expect(error instanceof FrameError || error instanceof NoiseError).toBe(true);
          }
        }
      }),
    );
  });

  it('take as many sealed bytes as the formula of the specification says', () => {
    // SV2 4.6, pt_len_to_ct_len.
    const formula = (length: number): number => {
      const rest = length % 65_519;
      return Math.floor(length / 65_519) * 65_535 + (rest > 0 ? rest + 16 : 0);
    };
    fc.assert(
      fc.property(fc.integer({ min: 0, max: MAX_PAYLOAD }), (length) => {
        expect(sealedPayloadLength(length)).toBe(formula(length));
      }),
    );
    for (const length of [0, 1, 65_518, 65_519, 65_520, 2 * 65_519, MAX_PAYLOAD])
      expect(sealedPayloadLength(length)).toBe(formula(length));
  });
});
