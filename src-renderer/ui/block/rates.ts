/** A transaction of a template: virtual size in vB, fee in sat. */
export type TransactionFact = readonly [vsize: number, fee: number];

export interface RatedTransactions {
  /** Places in the block (from 0), dearest first. */
  readonly order: Uint32Array;
  /** Fee rates in sat/vB by place in the block. */
  readonly rate: Float64Array;
  /** Where the colours begin and end: the rates below which 4 % and 97 % of all transactions are. */
  readonly low: number;
  readonly high: number;
}

/** Orders a block's transactions by fee rate and finds the rates its colours run between. */
export function rateTransactions(transactions: readonly TransactionFact[]): RatedTransactions {
  const rate = Float64Array.from(transactions, ([vsize, fee]) => (vsize > 0 ? fee / vsize : 0));
  const order = Uint32Array.from(transactions, (_, index) => index).sort(
    (a, b) => rate[b]! - rate[a]! || a - b,
  );
  const at = (part: number) =>
    order.length === 0 ? 0 : rate[order[Math.floor((1 - part) * (order.length - 1))]!]!;
  return { order, rate, low: at(0.04), high: at(0.97) };
}

/** 0 for the cheap end, 1 for the dear end; logarithmic, since fee rates spread over powers of ten. */
export function warmth(rate: number, low: number, high: number): number {
  const floor = Math.max(low, 0.01);
  if (!(high > floor)) return rate >= floor ? 0.75 : 0;
  const value = Math.log(Math.max(rate, floor) / floor) / Math.log(high / floor);
  return Math.min(1, Math.max(0, value));
}

export interface RateBand {
  readonly from: number;
  readonly to: number | null;
  readonly count: number;
  readonly vsize: number;
  readonly fees: number;
}

const EDGES = [0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 100, 200, 500, 1_000];

/** The block as a table: how many transactions, how large and how dear, by fee rate; dearest first, without empty bands. */
export function rateBands(transactions: readonly TransactionFact[]): RateBand[] {
  const bands = EDGES.map((from, index) => ({
    from,
    to: EDGES[index + 1] ?? null,
    count: 0,
    vsize: 0,
    fees: 0,
  }));
  for (const [vsize, fee] of transactions) {
    const rate = vsize > 0 ? fee / vsize : 0;
    const band = bands.findLast((each) => rate >= each.from) ?? bands[0]!;
    band.count++;
    band.vsize += vsize;
    band.fees += fee;
  }
  return bands.filter((band) => band.count > 0).toReversed();
}
