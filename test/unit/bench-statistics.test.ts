import { expect, test } from 'vitest';
import { figure, table } from '../bench/figure.ts';
import { Histogram } from '../bench/histogram.ts';
import { littleEndian } from '../bench/load-miner.ts';
import { addCounts, median, poissonWaitMs, quantile, significant } from '../bench/statistics.ts';
import { lastUpdateTip } from '../bench/tip.ts';

test('median and quantiles', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(median([])).toBeNaN();
  const hundred = Array.from({ length: 101 }, (_, i) => 100 - i);
  expect(quantile(hundred, 0.99)).toBe(99);
  expect(quantile([10, 20], 0.25)).toBe(12.5);
  expect(quantile([10, 20], 0)).toBe(10);
  expect(quantile([10, 20], 1)).toBe(20);
  expect(() => quantile([1], 1.1)).toThrow(RangeError);
});

test('a histogram is right to 1 %, also when it is put together from parts', () => {
  const whole = new Histogram();
  const parts = [new Histogram(), new Histogram()];
  for (let value = 1; value <= 10_000; value += 1) {
    whole.add(value);
    parts[value % 2]?.add(value);
  }
  for (const q of [0.01, 0.5, 0.99, 1]) {
    const got = whole.quantile(q);
    expect(Math.abs(got / (q * 10_000) - 1)).toBeLessThan(0.011);
  }
  const joined = new Histogram();
  for (const part of parts) joined.merge(part.entries());
  expect(joined.count).toBe(10_000);
  expect(joined.quantile(0.99)).toBe(whole.quantile(0.99));
  expect(new Histogram().quantile(0.5)).toBeNaN();
  whole.add(0);
  expect(whole.quantile(0)).toBe(1);
});

test('the waits of a Poisson process have the mean of its rate', () => {
  const n = 10_000;
  let sum = 0;
  for (let i = 0; i < n; i += 1) sum += poissonWaitMs(100, (i + 0.5) / n);
  expect(sum / n).toBeCloseTo(10, 1);
  expect(poissonWaitMs(0, 0.5)).toBe(Infinity);
});

test('counts add up and figures do not pretend', () => {
  const counts = { a: 1 };
  addCounts(counts, { a: 2, b: 3 });
  expect(counts).toEqual({ a: 3, b: 3 });
  expect(significant(123.456)).toBe(123.5);
  expect(significant(0.000123456)).toBe(0.0001235);
  expect(significant(Infinity)).toBe(Infinity);
});

test('a figure has a ratio only beside a peer', () => {
  expect(figure('x', 'ms', 1.23456)).toEqual({
    name: 'x',
    unit: 'ms',
    value: 1.235,
    peer: null,
    peerName: null,
    ratio: null,
  });
  expect(figure('x', 'ms', 5, 20, 'other')).toEqual({
    name: 'x',
    unit: 'ms',
    value: 5,
    peer: 20,
    peerName: 'other',
    ratio: 0.25,
  });
  expect(figure('x', 'ms', 5, Number.NaN, 'other')).toMatchObject({
    peer: null,
    peerName: null,
    ratio: null,
  });
  expect(figure('x', 'ms', 5, 0, 'other')).toMatchObject({ peer: 0, ratio: null });
  expect(table([figure('x.long', 'ms', 5, 20, 'other'), figure('y', 's', 1)]).split('\n')).toEqual([
    'figure  value  peer        ratio',
    'x.long  5 ms   20 (other)  0.25',
    'y       1 s    -           -',
  ]);
});

test("the node's own time of a tip", () => {
  const log = [
    '2026-01-02T03:04:05.678901Z UpdateTip: new best=00aa height=1 version=0x20000000',
    '2026-01-02T03:04:06.000250Z [msghand] UpdateTip: new best=00bb height=2',
    '2026-01-02T03:04:07.000000Z CreateNewBlock(): UpdateTip: new best= is only spoken of',
    '',
  ].join('\n');
  expect(lastUpdateTip(log)).toBe(Date.UTC(2026, 0, 2, 3, 4, 6) + 0.25);
  expect(lastUpdateTip('2026-01-02T03:04:05Z UpdateTip: new best=00aa')).toBeUndefined();
  expect(lastUpdateTip('')).toBeUndefined();
});

test('a target in the order hashes are compared in', () => {
  const bytes = littleEndian(0xffffn << 208n);
  expect([...bytes.subarray(26)]).toEqual([0xff, 0xff, 0, 0, 0, 0]);
  expect(bytes.subarray(0, 26).every((byte) => byte === 0)).toBe(true);
});
