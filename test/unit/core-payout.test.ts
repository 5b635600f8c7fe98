import { describe, expect, it } from 'vitest';
import { hexToBytes } from '../../src-main/core/bitcoin/bytes.ts';
import { addressOfScript } from '../../src-main/core/bitcoin/address.ts';
import { resolvePayouts, splitReward } from '../../src-main/core/mining/payout.ts';
import type { Payout } from '../../src-main/core/mining/types.ts';

const A = 'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4';
const B = '1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa';
const C = 'bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0';

function payouts(...parts: readonly (readonly [string, number])[]): readonly Payout[] {
  const resolved = resolvePayouts(
    parts.map(([address, basisPoints]) => ({ address, basisPoints })),
    'main',
  );
  if (!resolved.ok) throw new Error(resolved.message);
  return resolved.payouts;
}

const values = (
  value: number,
  ...parts: readonly (readonly [string, number])[]
): readonly (readonly [string, number])[] =>
  splitReward(value, payouts(...parts)).map((part) => [part.address, part.value]);

describe('resolvePayouts', () => {
  it('gives scripts and tidied addresses', () => {
    expect(payouts([` ${A.toUpperCase()}`, 10_000])).toEqual([
      { address: A, script: hexToBytes('0014751e76e8199196d454941c45d1b3a323f1433bd6'), basisPoints: 10_000 },
    ]);
  });

  it.each([
    [[], 'none', null],
    [[[A, 9_999]], 'sum', null],
    [
      [
        [A, 5_000],
        [B, 5_001],
      ],
      'sum',
      null,
    ],
    [
      [
        [A, 5_000],
        [A.toUpperCase(), 5_000],
      ],
      'duplicate',
      1,
    ],
    [
      [
        [A, 10_000],
        [B, 0],
      ],
      'part',
      1,
    ],
    [
      [
        [A, 5_000.5],
        [B, 4_999.5],
      ],
      'part',
      0,
    ],
    [[[A, Number.NaN]], 'part', 0],
    [
      [
        [A, 5_000],
        ['tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx', 5_000],
      ],
      'network',
      1,
    ],
    [
      [
        [A, 5_000],
        ['', 5_000],
      ],
      'empty',
      1,
    ],
  ] as const)('refuses %j', (parts, code, index) => {
    const resolved = resolvePayouts(
      parts.map(([address, basisPoints]) => ({ address, basisPoints })),
      'main',
    );
    expect(resolved).toMatchObject({ ok: false, code, index });
  });

  it('says how far off the sum is', () => {
    const resolved = resolvePayouts([{ address: A, basisPoints: 9_950 }], 'main');
    expect(resolved.ok ? '' : resolved.message).toMatch(/99\.5 %, not 100 %/);
  });

  it('takes 20 and refuses 21', () => {
    const many = (count: number): { address: string; basisPoints: number }[] =>
      Array.from({ length: count }, (_, i) => ({
        address: addressOfScript(Uint8Array.of(0, 20, ...new Uint8Array(20).fill(i + 1)), 'main') ?? '',
        basisPoints: i === 0 ? 10_000 - (count - 1) : 1,
      }));
    expect(resolvePayouts(many(20), 'main').ok).toBe(true);
    expect(resolvePayouts(many(21), 'main')).toMatchObject({ ok: false, code: 'tooMany', index: null });
  });
});

describe('splitReward', () => {
  it('gives what rounding leaves to the first', () => {
    expect(values(312_500_001, [A, 3_333], [B, 3_333], [C, 3_334])).toEqual([
      [A, 104_156_251],
      [B, 104_156_250],
      [C, 104_187_500],
    ]);
  });

  it('folds dust into the first, by the threshold of each script', () => {
    expect(values(294 * 10_000, [B, 9_999], [A, 1])).toEqual([
      [B, 294 * 9_999],
      [A, 294],
    ]);
    expect(values(294 * 10_000 - 1, [B, 9_999], [A, 1])).toEqual([[B, 294 * 10_000 - 1]]);
    expect(values(545 * 10_000, [A, 9_999], [B, 1])).toEqual([[A, 545 * 10_000]]);
    expect(values(546 * 10_000, [A, 9_999], [B, 1])).toHaveLength(2);
  });

  it('folds a first that is dust itself into the next', () => {
    expect(values(100_000, [A, 1], [B, 9_999])).toEqual([[B, 100_000]]);
  });

  it('gives everything to the first when all is dust, and nothing stays nothing', () => {
    expect(values(300, [A, 5_000], [B, 5_000])).toEqual([[A, 300]]);
    expect(values(0, [A, 5_000], [B, 5_000])).toEqual([[A, 0]]);
  });

  it('refuses amounts and parts that can not be', () => {
    for (const value of [-1, 0.5, Number.NaN, 2 ** 53])
      expect(() => splitReward(value, payouts([A, 10_000]))).toThrow(RangeError);
    const [half] = payouts([A, 5_000], [B, 5_000]) as [Payout];
    expect(() => splitReward(1, [half])).toThrow(RangeError);
    expect(() => splitReward(1, [])).toThrow(RangeError);
  });
});
