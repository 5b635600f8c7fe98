import { describe, expect, it } from 'vitest';
import { parseHash } from '../../src-main/core/bitcoin/bytes.ts';
import {
  DIFFICULTY_1_TARGET,
  MAX_TARGET,
  TargetError,
  bitsToTarget,
  difficultyOfHash,
  difficultyOfTarget,
  hashToBigint,
  meetsTarget,
  subsidy,
  targetOfDifficulty,
  targetToBits,
} from '../../src-main/core/bitcoin/target.ts';

const code = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof TargetError) return error.code;
    throw error;
  }
  return 'none';
};

describe('compact targets', () => {
  // Core's arith_uint256_tests, bignum_SetCompact: bits, value, bits again.
  it.each([
    [0x01123456, '12', 0x01120000],
    [0x02123456, '1234', 0x02123400],
    [0x03123456, '123456', 0x03123456],
    [0x04123456, '12345600', 0x04123456],
    [0x05009234, '92340000', 0x05009234],
    [0x20123456, '1234560000000000000000000000000000000000000000000000000000000000', 0x20123456],
    [0x1d00ffff, 'ffff0000000000000000000000000000000000000000000000000000', 0x1d00ffff],
    [0x207fffff, '7fffff0000000000000000000000000000000000000000000000000000000000', 0x207fffff],
    [0x1b0404cb, '404cb000000000000000000000000000000000000000000000000', 0x1b0404cb],
    [0x1814dd04, '14dd04000000000000000000000000000000000000000000', 0x1814dd04],
    [0x220000ff, 'ff00000000000000000000000000000000000000000000000000000000000000', 0x2100ff00],
  ])('%s', (bits, hex, again) => {
    const target = bitsToTarget(bits);
    expect(target.toString(16)).toBe(hex);
    expect(targetToBits(target)).toBe(again);
  });

  it('never sets the sign bit', () => {
    expect(targetToBits(0x80n)).toBe(0x02008000);
    expect(targetToBits(0n)).toBe(0);
    expect(targetToBits(MAX_TARGET)).toBe(0x2100ffff);
  });

  it.each([
    0x00000000, 0x00123456, 0x01003456, 0x02000056, 0x03000000, 0x04000000, 0x00923456, 0x01803456,
    0x03800000,
  ])('refuses %s as zero', (bits) => expect(code(() => bitsToTarget(bits))).toBe('zero'));

  it.each([0x01fedcba, 0x04923456, 0x1d80ffff])('refuses %s as negative', (bits) => {
    expect(code(() => bitsToTarget(bits))).toBe('negative');
  });

  it.each([0xff123456, 0x23000001, 0x22000100, 0x21010000])('refuses %s as too large', (bits) => {
    expect(code(() => bitsToTarget(bits))).toBe('overflow');
  });

  it('refuses what is no 32-bit number', () => {
    for (const bits of [-1, 2 ** 32, 1.5, Number.NaN]) expect(code(() => bitsToTarget(bits))).toBe('range');
    expect(code(() => targetToBits(-1n))).toBe('range');
    expect(code(() => targetToBits(MAX_TARGET + 1n))).toBe('range');
  });
});

describe('difficulty', () => {
  it('is 1 at 0x1d00ffff and what the chain had at known blocks', () => {
    expect(bitsToTarget(0x1d00ffff)).toBe(DIFFICULTY_1_TARGET);
    expect(difficultyOfTarget(DIFFICULTY_1_TARGET)).toBe(1);
    // Difficulty of blocks 100,000 and 370,090, as RPC shows it.
    expect(difficultyOfTarget(bitsToTarget(0x1b04864c))).toBeCloseTo(14484.1623612254, 6);
    expect(difficultyOfTarget(bitsToTarget(0x1814dd04))).toBeCloseTo(52699842409.347, 2);
    expect(difficultyOfTarget(bitsToTarget(0x207fffff))).toBeCloseTo(4.6565423739069247e-10, 20);
  });

  it('gives exact targets for whole and broken difficulties', () => {
    expect(targetOfDifficulty(1)).toBe(DIFFICULTY_1_TARGET);
    expect(targetOfDifficulty(3)).toBe(DIFFICULTY_1_TARGET / 3n);
    expect(targetOfDifficulty(2 ** 40)).toBe(DIFFICULTY_1_TARGET >> 40n);
    expect(targetOfDifficulty(0.5)).toBe(DIFFICULTY_1_TARGET * 2n);
    expect(targetOfDifficulty(2 ** -20)).toBe(DIFFICULTY_1_TARGET << 20n);
    expect(targetOfDifficulty(0.75)).toBe((DIFFICULTY_1_TARGET * 4n) / 3n);
    expect(targetOfDifficulty(2 ** -40)).toBe(MAX_TARGET);
    expect(targetOfDifficulty(Number.MIN_VALUE)).toBe(MAX_TARGET);
    expect(targetOfDifficulty(Number.MAX_VALUE)).toBe(0n);
    for (const bad of [0, -1, Number.NaN, Infinity])
      expect(code(() => targetOfDifficulty(bad))).toBe('range');
  });

  it('reads a hash as a little-endian number', () => {
    const hash = parseHash('000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f');
    expect(hashToBigint(hash)).toBe(0x000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26fn);
    expect(difficultyOfHash(hash)).toBeCloseTo(2536.4, 1);
    expect(meetsTarget(hash, hashToBigint(hash))).toBe(true);
    expect(meetsTarget(hash, hashToBigint(hash) - 1n)).toBe(false);
    expect(Number.isFinite(difficultyOfHash(new Uint8Array(32)))).toBe(true);
    expect(code(() => hashToBigint(new Uint8Array(31)))).toBe('range');
  });
});

describe('subsidy', () => {
  it.each([
    [0, 5_000_000_000],
    [209_999, 5_000_000_000],
    [210_000, 2_500_000_000],
    [840_000, 312_500_000],
    [32 * 210_000, 1],
    [33 * 210_000, 0],
    [100_000_000, 0],
  ])('on main at height %d', (height, sat) => expect(subsidy(height, 'main')).toBe(sat));

  it('adds up to just under 21 million bitcoin', () => {
    let total = 0;
    for (let halving = 0; halving < 40; halving++) total += 210_000 * subsidy(halving * 210_000, 'main');
    expect(total).toBe(2_099_999_997_690_000);
  });

  it('halves every 150 blocks on regtest', () => {
    expect(subsidy(149, 'regtest')).toBe(5_000_000_000);
    expect(subsidy(150, 'regtest')).toBe(2_500_000_000);
    expect(code(() => subsidy(-1, 'regtest'))).toBe('range');
  });
});
