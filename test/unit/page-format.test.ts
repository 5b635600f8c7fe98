import { describe, expect, it } from 'vitest';
import * as fmt from '../../src-renderer/i18n/format.ts';

describe('figures', () => {
  it.each([
    [0, '0 H/s'],
    [78_000, '78.0 kH/s'],
    [999_600, '1.00 MH/s'],
    [8.42e12, '8.42 TH/s'],
    [842e12, '842 TH/s'],
    [39.2e15, '39.2 PH/s'],
    [Number.NaN, '0 H/s'],
  ])('hashrate %d is %s', (value, words) => {
    expect(fmt.join(fmt.hashrate(value))).toBe(words);
  });

  it.each([
    [0, '0'],
    [4.656e-10, '< 0.001'],
    [0.25, '0.25'],
    [1, '1'],
    [512, '512'],
    [2_048, '2.05 k'],
    [41.8e9, '41.8 G'],
    [146_472_570_619_930, '146 T'],
  ])('difficulty %d is %s', (value, words) => {
    expect(fmt.join(fmt.difficulty(value))).toBe(words);
  });

  it.each([
    [0, '0 sat'],
    [52_310, '52,310 sat'],
    [437_231, '0.004372 BTC'],
    [316_872_310, '3.1687 BTC'],
    [5_000_000_000, '50.00 BTC'],
  ])('%d sat is %s', (value, words) => {
    expect(fmt.join(fmt.amount(value))).toBe(words);
  });

  it('shows every satoshi where it matters', () => {
    expect(fmt.join(fmt.exactAmount(312_500_001))).toBe('3.12500001 BTC');
  });
});

describe('parts', () => {
  it('never shows 100 % before the node says it is in step', () => {
    expect(fmt.progress(0.99999)).toBe('99.9 %');
    expect(fmt.progress(1)).toBe('99.9 %');
    expect(fmt.progress(0.43)).toBe('43.0 %');
    expect(fmt.progress(-1)).toBe('0.0 %');
  });

  it('does not round what is there to nothing', () => {
    expect(fmt.share(0.00001)).toBe('< 0.1 %');
    expect(fmt.share(0)).toBe('0 %');
    expect(fmt.fraction(0.000_285_4)).toBe('0.029 %');
  });
});

describe('times', () => {
  it.each([
    [-50, '0 sec'],
    [4_000, '4 sec'],
    [180_000, '3 min'],
    [7_200_000, '2 hr'],
    [5 * 86_400_000, '5 days'],
    [182 * 31_557_600_000, '182 yrs'],
    [2.5e6 * 31_557_600_000, '2.5 million years'],
  ])('%d ms is %s', (value, words) => {
    expect(fmt.span(value)).toBe(words);
  });
});

describe('names', () => {
  it('cuts addresses in the middle', () => {
    expect(fmt.shortAddress('bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq')).toBe('bc1q…5mdq');
    expect(fmt.shortAddress('short')).toBe('short');
  });

  it.each([
    [2_380, '2,380'],
    [124_000_000, '124 million'],
    [3.12, '3.1'],
  ])('%d is roughly %s', (value, words) => {
    expect(fmt.roughly(value)).toBe(words);
  });

  it('shows sizes of disks without noise', () => {
    expect(fmt.bytes(10_000 * 1_048_576)).toBe('10.5 GB');
    expect(fmt.bytes(800e9)).toBe('800 GB');
  });
});
