import { describe, expect, it } from 'vitest';
import { isSameAddress } from '../../src-renderer/features/setup/address-check.ts';
import {
  parsePercent,
  percentText,
  splitEvenly,
  sumOf,
} from '../../src-renderer/features/settings/percent.ts';
import { rateBands, rateTransactions, warmth } from '../../src-renderer/ui/block/rates.ts';

describe('percentages', () => {
  it.each([
    ['100', 10_000],
    ['12.5', 1_250],
    ['12,5', 1_250],
    ['0.01', 1],
    [' 33.33 % ', 3_333],
    ['0', null],
    ['100.01', null],
    ['12.345', null],
    ['-5', null],
    ['1e2', null],
    ['', null],
  ])('%j is %j', (text, basisPoints) => {
    expect(parsePercent(text)).toBe(basisPoints);
  });

  it('come back as they were written', () => {
    for (const points of [1, 10, 99, 100, 1_250, 3_333, 10_000])
      expect(parsePercent(percentText(points))).toBe(points);
  });

  it('split evenly add up exactly', () => {
    for (let amount = 1; amount <= 20; amount++)
      expect(splitEvenly(amount).reduce((sum, part) => sum + part, 0)).toBe(10_000);
    expect(splitEvenly(3)).toEqual([3_334, 3_333, 3_333]);
  });

  it('that cannot be read count as nothing', () => {
    expect(
      sumOf([
        { key: 1, address: '', percent: '60' },
        { key: 2, address: '', percent: 'x' },
      ]),
    ).toBe(6_000);
  });
});

describe('fee rates', () => {
  const transactions = [
    [200, 400],
    [100, 5_000],
    [1_000, 1_000],
  ] as const;

  it('order the dearest first', () => {
    expect([...rateTransactions(transactions).order]).toEqual([1, 0, 2]);
  });

  it('become bands without gaps in the count', () => {
    const bands = rateBands(transactions);
    expect(bands.map((band) => [band.from, band.count, band.fees])).toEqual([
      [34, 1, 5_000],
      [2, 1, 400],
      [1, 1, 1_000],
    ]);
  });

  it('become warmth between the ends, and stand a block of one rate', () => {
    expect(warmth(1, 1, 100)).toBe(0);
    expect(warmth(10, 1, 100)).toBeCloseTo(0.5);
    expect(warmth(1_000, 1, 100)).toBe(1);
    expect(warmth(0, 0, 0)).toBe(0);
    expect(warmth(2, 2, 2)).toBeGreaterThan(0);
  });

  it('stand transactions without a size or a fee', () => {
    expect(rateBands([[0, 0]])).toHaveLength(1);
    expect(rateTransactions([]).low).toBe(0);
  });
});

describe('a verdict on an address', () => {
  const bech32 = 'bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq';
  const base58 = '1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2';

  it('counts for the very text that was checked, in capitals too where those mean the same', () => {
    expect(isSameAddress(bech32, ` ${bech32} `)).toBe(true);
    expect(isSameAddress(bech32, bech32.toUpperCase())).toBe(true);
    expect(isSameAddress(base58, base58)).toBe(true);
  });

  it('does not count for a text that differs in a letter or, in Base58, in its case', () => {
    expect(isSameAddress(base58, base58.replace('v', 'V'))).toBe(false);
    expect(isSameAddress(base58, base58.toUpperCase())).toBe(false);
    expect(isSameAddress(bech32, bech32.slice(0, -1))).toBe(false);
    expect(isSameAddress('', bech32)).toBe(false);
    expect(isSameAddress('', '')).toBe(false);
  });
});
