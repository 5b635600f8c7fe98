/** Steps between a power of two and the next: values are kept to within 1 %. */
const STEPS = 64;

/** Counts of whole numbers in buckets of 1 %, so that any number of them needs little room, and sums of several can be made. */
export class Histogram {
  readonly #counts = new Map<number, number>();
  #total = 0;

  get count(): number {
    return this.#total;
  }

  /** @param value 0 or more */
  add(value: number, times = 1): void {
    const bucket = Math.round(Math.log2(Math.max(1, value)) * STEPS);
    this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + times);
    this.#total += times;
  }

  /** Value and count of every bucket, to be sent to another thread. */
  entries(): readonly (readonly [value: number, count: number])[] {
    return Array.from(this.#counts, ([bucket, count]) => [2 ** (bucket / STEPS), count] as const);
  }

  merge(entries: readonly (readonly [value: number, count: number])[]): void {
    for (const [value, count] of entries) this.add(value, count);
  }

  /** The smallest value that the part `q` of all values does not exceed (nearest rank). NaN when there are none. */
  quantile(q: number): number {
    let left = Math.max(1, Math.ceil(this.#total * q));
    for (const [bucket, count] of [...this.#counts].toSorted(([a], [b]) => a - b)) {
      left -= count;
      if (left <= 0) return 2 ** (bucket / STEPS);
    }
    return Number.NaN;
  }
}
