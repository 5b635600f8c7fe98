import { describe, expect, it } from 'vitest';
import {
  FrameDecoder,
  FrameError,
  MAX_BLOCK,
  MAX_PAYLOAD,
  channelOf,
  encodeFrame,
  sealFrame,
  type Frame,
} from '../../src-main/core/stratum-v2/frame.ts';
import { CipherState, NoiseError } from '../../src-main/core/stratum-v2/noise.ts';
import { seededRandom } from '../fixtures/stratum-v2-messages.ts';

const KEY = new Uint8Array(32).fill(3);
const random = seededRandom(9);
const frameOf = (payload: Uint8Array): Frame => ({
  extensionType: 0,
  channelMessage: false,
  messageType: 0x74,
  payload,
});

describe('header', () => {
  it('is extension, channel bit 15, type and length, little-endian', () => {
    expect(
      encodeFrame({
        extensionType: 0x0abc,
        channelMessage: true,
        messageType: 0x1f,
        payload: random(300),
      }).slice(0, 6),
    ).toEqual(Uint8Array.of(0xbc, 0x8a, 0x1f, 0x2c, 0x01, 0x00));
    const decoder = new FrameDecoder({ maxPayload: 10 });
    decoder.push(Uint8Array.of(0xbc, 0x8a, 0x1f, 4, 0, 0, 0xff, 0xff, 0xff, 0xff));
    const frame = decoder.next();
    expect(frame).toMatchObject({ extensionType: 0x0abc, channelMessage: true, messageType: 0x1f });
    expect(frame && channelOf(frame)).toBe(0xffff_ffff);
    expect(channelOf(frameOf(random(4)))).toBeUndefined();
    expect(channelOf({ ...frameOf(random(3)), channelMessage: true })).toBeUndefined();
  });
});

describe('a payload at the edge of a block or of the format', () => {
  it.each([0, 1, MAX_BLOCK - 1, MAX_BLOCK, MAX_BLOCK + 1, 2 * MAX_BLOCK, 3 * MAX_BLOCK + 5, MAX_PAYLOAD])(
    'of %i bytes goes through sealed, in pieces',
    (length) => {
      const payload = new Uint8Array(length).map((_, i) => (i * 7 + (i >> 9)) & 0xff);
      const sealed = sealFrame(encodeFrame(frameOf(payload)), new CipherState(KEY));
      const decoder = new FrameDecoder({ maxPayload: MAX_PAYLOAD, cipher: new CipherState(KEY) });
      let frame: Frame | undefined;
      for (let at = 0; at < sealed.length; at += 50_000) {
        expect(frame).toBeUndefined();
        decoder.push(sealed.subarray(at, at + 50_000));
        frame = decoder.next();
      }
      expect(frame?.payload.length).toBe(length);
      expect(Buffer.compare(frame?.payload ?? new Uint8Array(0), payload)).toBe(0);
      expect(decoder.pending).toBe(0);
    },
  );

  it('is not made any longer', () => {
    expect(() => encodeFrame(frameOf(new Uint8Array(MAX_PAYLOAD + 1)))).toThrow(FrameError);
  });

  it('is not accepted longer than agreed, and the decoder stays shut', () => {
    const plain = new FrameDecoder({ maxPayload: 100 });
    plain.push(encodeFrame(frameOf(random(100))));
    expect(plain.next()?.payload).toHaveLength(100);
    plain.push(encodeFrame(frameOf(random(101))).subarray(0, 6));
    expect(() => plain.next()).toThrow(FrameError);
    expect(() => plain.next()).toThrow(FrameError);
    expect(() => {
      plain.push(new Uint8Array(1));
    }).toThrow(FrameError);
    const sealed = new FrameDecoder({ maxPayload: 100, cipher: new CipherState(KEY) });
    sealed.push(sealFrame(encodeFrame(frameOf(random(101))), new CipherState(KEY)).subarray(0, 22));
    expect(() => sealed.next()).toThrow(/101 bytes, at most 100/);
  });
});

describe('hostile streams', () => {
  it('one byte at a time cost no more than linear time', () => {
    const stream = sealFrame(encodeFrame(frameOf(random(60_000))), new CipherState(KEY));
    const decoder = new FrameDecoder({ maxPayload: MAX_PAYLOAD, cipher: new CipherState(KEY) });
    let frames = 0;
    for (let at = 0; at < stream.length; at++) {
      decoder.push(stream.slice(at, at + 1));
      if (decoder.next()) frames += 1;
    }
    expect(frames).toBe(1);
  });

  it('replayed, reordered and left-out frames are refused', () => {
    const sealAll = (): Uint8Array[] => {
      const cipher = new CipherState(KEY);
      return [1, 2, 3].map((n) => sealFrame(encodeFrame(frameOf(Uint8Array.of(n))), cipher));
    };
    const read = (order: readonly number[]): number[] => {
      const frames = sealAll();
      const decoder = new FrameDecoder({ maxPayload: 100, cipher: new CipherState(KEY) });
      const seen: number[] = [];
      try {
        for (const index of order) {
          decoder.push(frames[index] ?? new Uint8Array(0));
          for (let frame = decoder.next(); frame; frame = decoder.next()) seen.push(frame.payload[0] ?? 0);
        }
      } catch (error) {
        expect(error).toBeInstanceOf(NoiseError);
        seen.push(-1);
      }
      return seen;
    };
    expect(read([0, 1, 2])).toEqual([1, 2, 3]);
    expect(read([0, 0])).toEqual([1, -1]);
    expect(read([0, 2])).toEqual([1, -1]);
    expect(read([1, 0])).toEqual([-1]);
  });

  it('a frame keeps its bytes when the buffer it came in is used again', () => {
    const shared = Buffer.from(encodeFrame(frameOf(Uint8Array.of(1, 2, 3))));
    const decoder = new FrameDecoder({ maxPayload: 100 });
    decoder.push(shared);
    const frame = decoder.next();
    shared.fill(0);
    expect(frame?.payload).toEqual(Uint8Array.of(1, 2, 3));
  });

  it('a cut-off frame shows as pending', () => {
    const decoder = new FrameDecoder({ maxPayload: 100 });
    decoder.push(encodeFrame(frameOf(random(10))).subarray(0, 9));
    expect(decoder.next()).toBeUndefined();
    expect(decoder.pending).toBe(9);
  });
});
