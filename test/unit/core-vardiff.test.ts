import { describe, expect, it } from 'vitest';
import {
  LEAST_DIFFICULTY,
  MOST_DIFFICULTY,
  Vardiff,
  difficultyOfHashrate,
  initialDifficulty,
  leastDifficulty,
} from '../../src-main/core/mining/vardiff.ts';
import { runMachine, sharesPerMinute } from '../fixtures/core-machine.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const constant = (hashrate: number) => (): number => hashrate;

describe('Vardiff', () => {
  it('has a machine of 200 TH/s right within a second or two, from any low start, and without a flood', () => {
    for (const initial of [1, 2 ** 10, 2 ** 14]) {
      for (let seed = 1; seed <= 10; seed++) {
        const vardiff = new Vardiff({ initial, now: 0 });
        const run = runMachine(vardiff, { hashrate: constant(200e12), milliseconds: 30_000, seed });
        const rate = sharesPerMinute(200e12, vardiff.difficulty);
        expect(rate).toBeGreaterThan(3);
        expect(rate).toBeLessThan(12);
        // 46,566 shares a second at difficulty 1: what comes until the new difficulty has reached it, and no more.
        expect(run.shares.filter((at) => at > 2_000).length).toBeLessThan(30);
        expect(run.shares.length).toBeLessThan(initial === 1 ? 25_000 : 100);
      }
    }
  });

  /** The changes while nothing comes, as [seconds, log2 of the difficulty]. */
  function silence(vardiff: Vardiff, from: number, minutes: number): [number, number][] {
    const changes: [number, number][] = [];
    for (let now = from; now <= from + minutes * MINUTE; now += 5_000) {
      const changed = vardiff.tick(now);
      if (changed !== undefined) changes.push([(now - from) / 1_000, Math.log2(changed)]);
    }
    return changes;
  }

  it('comes down to a machine that sends nothing: two quick steps, then slowly', () => {
    const vardiff = new Vardiff({ initial: 2 ** 20, now: 0 });
    const changes = silence(vardiff, 0, 60);
    expect(changes.slice(0, 5).map(([, log2]) => log2)).toEqual([17, 11, 8, 5, 2]);
    expect(changes[1]?.[0]).toBeLessThanOrEqual(120);
    expect(changes[2]?.[0]).toBeGreaterThan(240);
    expect(vardiff.difficulty).toBe(LEAST_DIFFICULTY);
  });

  it('keeps an ASIC that has not begun at whole numbers, near enough to stop its flood at once', () => {
    const name = 'Antminer S21/Fri Feb  2 17:03:40 CST 2024';
    const vardiff = new Vardiff({ initial: initialDifficulty(name), least: leastDifficulty(name), now: 0 });
    silence(vardiff, 0, 8 * 60);
    expect(vardiff.difficulty).toBe(256);
    const run = runMachine(vardiff, {
      hashrate: constant(200e12),
      milliseconds: 30_000,
      seed: 1,
      start: 8 * HOUR,
    });
    expect(run.shares.length).toBeLessThan(200);
    expect(sharesPerMinute(200e12, vardiff.difficulty)).toBeLessThan(13);
    expect(leastDifficulty('bitaxe/BM1370/v2.13.1')).toBe(2);
    expect(leastDifficulty('NerdMinerV2/V1.8.3')).toBe(LEAST_DIFFICULTY);
    expect(leastDifficulty('')).toBe(LEAST_DIFFICULTY);
    expect(new Vardiff({ initial: 1, least: 8, now: 0 }).difficulty).toBe(8);
  });

  it('takes a machine that was heard and falls silent for paused, not for a toy', () => {
    const vardiff = new Vardiff({ initial: 2 ** 15, now: 0 });
    for (let now = 0; now <= HOUR; now += 10_000) vardiff.share(now, 2 ** 15);
    const changes = silence(vardiff, HOUR, 600);
    expect(changes[0]?.[0]).toBeGreaterThan(150);
    expect(vardiff.difficulty).toBe(2 ** 5);
  });

  it('finds an ESP32 of 50 kH/s from the start of an unknown machine', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const vardiff = new Vardiff({ initial: initialDifficulty(''), now: 0 });
      runMachine(vardiff, { hashrate: constant(50e3), milliseconds: 20 * MINUTE, seed });
      expect(sharesPerMinute(50e3, vardiff.difficulty)).toBeGreaterThan(2.5);
      expect(sharesPerMinute(50e3, vardiff.difficulty)).toBeLessThan(14);
    }
  });

  it('stays calm on a steady machine, wherever it lies between two powers', () => {
    let changes = 0;
    const hours = 24;
    for (const between of [1, 1.2, Math.SQRT2, 1.6, 1.9]) {
      const hashrate = 1e12 * between;
      const vardiff = new Vardiff({ initial: difficultyOfHashrate(hashrate), now: 0 });
      changes += runMachine(vardiff, { hashrate: constant(hashrate), milliseconds: hours * HOUR, seed: 7 })
        .changes.length;
      expect(sharesPerMinute(hashrate, vardiff.difficulty)).toBeGreaterThan(2.9);
      expect(sharesPerMinute(hashrate, vardiff.difficulty)).toBeLessThan(12.1);
    }
    expect(changes / (5 * hours)).toBeLessThan(0.1);
  });

  it('follows a machine that becomes eight times faster or slower', () => {
    for (const factor of [8, 1 / 8]) {
      const hashrate = (at: number): number => (at < 2 * HOUR ? 1e12 : 1e12 * factor);
      const vardiff = new Vardiff({ initial: difficultyOfHashrate(1e12), now: 0 });
      const run = runMachine(vardiff, { hashrate, milliseconds: 2 * HOUR + 20 * MINUTE, seed: 3 });
      expect(sharesPerMinute(1e12 * factor, vardiff.difficulty)).toBeGreaterThan(3);
      expect(sharesPerMinute(1e12 * factor, vardiff.difficulty)).toBeLessThan(12);
      expect(run.changes.filter(([at]) => at > 2 * HOUR).length).toBeLessThan(5);
    }
  });

  it('works when the new difficulty reaches the machine only with a job half a minute later', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const vardiff = new Vardiff({ initial: 2 ** 10, now: 0 });
      const run = runMachine(vardiff, { hashrate: constant(4e12), milliseconds: HOUR, seed, delay: 30_000 });
      expect(sharesPerMinute(4e12, vardiff.difficulty)).toBeGreaterThan(2.9);
      expect(sharesPerMinute(4e12, vardiff.difficulty)).toBeLessThan(12.1);
      expect(run.changes.length).toBeLessThan(5);
    }
  });

  it('does not leap at a burst after a stall', () => {
    const vardiff = new Vardiff({ initial: 1024, now: 0 });
    let now = 0;
    for (; now < HOUR; now += 10_000) expect(vardiff.share(now, 1024)).toBeUndefined();
    for (let i = 0; i < 12; i++) expect(vardiff.share(now + 1, 1024)).toBeUndefined();
    expect(vardiff.difficulty).toBe(1024);
  });

  it('does not punish a machine for the sleep of the computer, nor for a clock set back', () => {
    const vardiff = new Vardiff({ initial: 1024, now: 0 });
    for (let now = 0; now <= HOUR; now += 10_000) vardiff.share(now, 1024);
    expect(vardiff.tick(9 * HOUR)).toBeUndefined();
    expect(vardiff.tick(HOUR)).toBeUndefined();
    expect(vardiff.share(HOUR + 10_000, 1024)).toBeUndefined();
  });

  it('honours the least a machine asks for', () => {
    const vardiff = new Vardiff({ initial: 512, now: 0 });
    expect(vardiff.setMinimum(1000)).toBe(1024);
    expect(vardiff.minimum).toBe(1024);
    for (let now = 0; now < HOUR; now += 5_000) expect(vardiff.tick(now)).toBeUndefined();
    expect(vardiff.setMinimum(16)).toBeUndefined();
    expect(vardiff.difficulty).toBe(1024);
    for (const nonsense of [0, -1, Number.NaN, Infinity])
      expect(vardiff.setMinimum(nonsense)).toBeUndefined();
    expect(vardiff.minimum).toBe(16);
    expect(vardiff.setMinimum(1e300)).toBe(MOST_DIFFICULTY);
    expect(new Vardiff({ initial: 3, now: 0 }).difficulty).toBe(4);
    expect(new Vardiff({ initial: 1e-300, now: 0 }).difficulty).toBe(LEAST_DIFFICULTY);
  });

  it('refuses options and shares that make no sense', () => {
    for (const initial of [0, -1, Number.NaN, Infinity])
      expect(() => new Vardiff({ initial, now: 0 })).toThrow(RangeError);
    expect(() => new Vardiff({ initial: 1, now: 0, sharesPerMinute: 0 })).toThrow(RangeError);
    expect(() => new Vardiff({ initial: 1, now: 0 }).share(1, 0)).toThrow(RangeError);
    expect(() => new Vardiff({ initial: 1, now: 0 }).share(1, Number.NaN)).toThrow(RangeError);
  });
});

describe('initialDifficulty', () => {
  // Names as machines send them, with a hashrate the model really has.
  it.each([
    ['NerdMinerV2/V1.8.3', 78e3],
    ['HAN_SOLOminer/V1.8.3', 78e3],
    ['esp32s3-toy/1.0', 100e3],
    ['bitaxe/BM1366/v2.13.0', 500e9],
    ['bitaxe/BM1368/v2.12.2', 700e9],
    ['bitaxe/BM1370/v2.13.1', 1.2e12],
    ['bitaxe/BM1397/v2.4.0', 400e9],
    ['LuckyMiner/BM1366/1.2.0', 500e9],
    ['NMAxeGamma/v3.0.11', 1.2e12],
    ['NerdAxe/BM1370/v1.0.36', 1.2e12],
    ['NerdQAxe++/BM1370/v1.0.36', 4.8e12],
    ['NerdOCTAXE-γ/BM1370/v1.0.36', 9.6e12],
    ['Antminer S19j Pro+/Wed Jun 28 17:54:07 CST 2023', 120e12],
    ['Antminer S21/Fri Feb  2 17:03:40 CST 2024', 200e12],
    ['Antminer S21|LUXminer 2026.3.2.193145-42668da4d|BHB68606|Unknown|Unknown|x', 200e12],
    ['bmminer/2.0.0/Antminer S9/14000', 13.5e12],
    ['2026-04-14-0-912d084c-26.04-plus;bosminer-plus-tuner 0.9.0-912d084c', 110e12],
    ['whatsminer/v1.1', 100e12],
    ['xminer-1.2.7', 100e12],
    ['cpuminer/2.5.1', 5e6],
    ['cpuminer-opt-26.1-x64L', 20e6],
  ])('%s starts below its own difficulty, but by no more than 32 times', (userAgent, hashrate) => {
    const initial = initialDifficulty(userAgent);
    const right = difficultyOfHashrate(hashrate);
    expect(initial).toBeLessThanOrEqual(right);
    expect(initial * 32).toBeGreaterThanOrEqual(right);
    expect(Number.isInteger(Math.log2(initial))).toBe(true);
  });

  it('knows nothing of the unknown, however long it is', () => {
    expect(initialDifficulty('')).toBe(2);
    expect(initialDifficulty('x'.repeat(1_000_000))).toBe(2);
    expect(initialDifficulty(`${'x'.repeat(300)}Antminer S21`)).toBe(2);
    expect(initialDifficulty('', 60)).toBe(0.25);
  });
});
