import { describe, expect, it } from 'vitest';
import { HASHES_PER_DIFFICULTY, oddsOf } from '../../src-main/core/mining/odds.ts';
import {
  NO_SHARES,
  RollingHashrate,
  betterBest,
  countOf,
  hashrateOfWork,
  sumCounts,
  withShare,
} from '../../src-main/core/mining/stats.ts';
import { DIFFICULTY_1_TARGET } from '../../src-main/core/bitcoin/target.ts';

const START = 1_750_000_000_123;
const MINUTE = 60_000;

/** One share of this difficulty every second: difficulty × 2^32 × 65536/65535 H/s. */
function feed(rolling: RollingHashrate, from: number, seconds: number, difficulty: number): void {
  for (let i = 1; i <= seconds; i++) rolling.add(from + i * 1_000, difficulty);
}

describe('work', () => {
  it('takes 2^32 · 65536/65535 hashes for a share of difficulty 1', () => {
    expect(HASHES_PER_DIFFICULTY).toBeCloseTo(Number((1n << 256n) / DIFFICULTY_1_TARGET), -1);
    expect(hashrateOfWork(600, 600)).toBe(HASHES_PER_DIFFICULTY);
    expect(hashrateOfWork(1, 0)).toBe(0);
  });
});

describe('RollingHashrate', () => {
  it('says nothing in the first ten seconds, then divides by the time observed', () => {
    const rolling = new RollingHashrate(START);
    feed(rolling, START, 9, 100);
    expect(rolling.at(START + 9_000)).toEqual({ m1: 0, m10: 0, h1: 0, d1: 0 });
    feed(rolling, START + 9_000, 21, 100);
    const { m1, m10, h1, d1 } = rolling.at(START + 30_000);
    expect(m1).toBeCloseTo(100 * HASHES_PER_DIFFICULTY, -3);
    expect([m10, h1, d1]).toEqual([m1, m1, m1]);
  });

  it('forgets what is older than each window, and keeps it in the longer ones', () => {
    const rolling = new RollingHashrate(START);
    feed(rolling, START, 600, 100);
    const now = START + 600_000 + 2 * MINUTE;
    const windows = rolling.at(now);
    expect(windows.m1).toBe(0);
    expect(windows.m10 / HASHES_PER_DIFFICULTY).toBeGreaterThan(78);
    expect(windows.m10 / HASHES_PER_DIFFICULTY).toBeLessThan(84);
    expect(windows.h1 / HASHES_PER_DIFFICULTY).toBeCloseTo((600 * 100) / 720, 3);
    expect(rolling.at(START + 700 * MINUTE)).toMatchObject({ m1: 0, m10: 0, h1: 0 });
    expect(rolling.at(START + 700 * MINUTE).d1).toBeGreaterThan(0);
    expect(rolling.at(START + 3_000 * MINUTE).d1).toBe(0);
  });

  it('is steady for a steady machine at any moment of a bucket', () => {
    const rolling = new RollingHashrate(START);
    feed(rolling, START, 7_300, 50);
    for (let ms = 0; ms < 10_000; ms += 250) {
      const windows = rolling.at(START + 7_300_000 + ms);
      // No share since: the sum stays, and the time goes on.
      expect(windows.h1 / HASHES_PER_DIFFICULTY).toBeGreaterThan(49);
      expect(windows.h1 / HASHES_PER_DIFFICULTY).toBeLessThan(50.5);
    }
  });

  it('bears a clock that is set back, and shares of nonsense are refused', () => {
    const rolling = new RollingHashrate(START);
    feed(rolling, START, 60, 10);
    rolling.add(START, 10);
    expect(rolling.at(START + 60_000).m10 / HASHES_PER_DIFFICULTY).toBeCloseTo(610 / 60, 1);
    expect(rolling.at(START - MINUTE)).toEqual({ m1: 0, m10: 0, h1: 0, d1: 0 });
    for (const bad of [0, -1, Number.NaN, Infinity])
      expect(() => rolling.add(START, bad)).toThrow(RangeError);
  });
});

describe('counts and bests', () => {
  it('counts every outcome in its place', () => {
    expect(countOf('unknownJob')).toBe('invalid');
    expect(countOf('malformed')).toBe('invalid');
    expect(countOf('unauthorized')).toBe('invalid');
    const counts = (
      ['accepted', 'accepted', 'stale', 'duplicate', 'lowDifficulty', 'malformed'] as const
    ).reduce((sum, outcome) => withShare(sum, outcome), NO_SHARES);
    expect(counts).toEqual({ accepted: 2, stale: 1, duplicate: 1, lowDifficulty: 1, invalid: 1 });
    expect(sumCounts(counts, counts)).toEqual({
      accepted: 4,
      stale: 2,
      duplicate: 2,
      lowDifficulty: 2,
      invalid: 2,
    });
    expect(NO_SHARES.accepted).toBe(0);
  });

  it('keeps the higher best, and the earlier of equals', () => {
    const first = { difficulty: 5, at: 1, worker: 'a' };
    const equal = { difficulty: 5, at: 2, worker: 'b' };
    expect(betterBest(undefined, first)).toBe(first);
    expect(betterBest(null, first)).toBe(first);
    expect(betterBest(first, equal)).toBe(first);
    expect(betterBest(first, { ...equal, difficulty: 6 })).toMatchObject({ worker: 'b' });
  });
});

describe('odds', () => {
  it('of a Bitaxe at a difficulty of 100 T', () => {
    const odds = oddsOf(1.2e12, 100e12);
    // 100e12 × 2^32 hashes at 1.2e12 H/s: 11,342 years.
    expect((odds.expectedSeconds ?? 0) / 31_557_600).toBeCloseTo(11_342, -1);
    expect(odds.year).toBeCloseTo(1 / 11_342, 7);
    expect(odds.nextBlock).toBeCloseTo(1.676e-9, 11);
  });

  it('keep their digits when they are tiny, and stay probabilities when they are not', () => {
    expect(oddsOf(1, 100e12).year).toBeGreaterThan(0);
    expect(oddsOf(1, 100e12).year).toBeLessThan(1e-14);
    const regtest = oddsOf(1e9, 4.6565423739069247e-10);
    expect(regtest.nextBlock).toBe(1);
    expect(regtest.year).toBe(1);
    expect(regtest.expectedSeconds).toBeCloseTo(2e-9, 10);
  });

  it('of nothing are none', () => {
    for (const [hashrate, difficulty] of [
      [0, 1],
      [-1, 1],
      [1, 0],
      [Number.NaN, 1],
      [Infinity, 1],
    ] as const) {
      expect(oddsOf(hashrate, difficulty)).toEqual({ nextBlock: 0, year: 0, expectedSeconds: null });
    }
  });
});
