/** The middle value; of an even count the mean of the two in the middle. NaN for none. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/**
 * The value below which the part `q` (0 to 1) of the values lies, interpolated between neighbours (Hyndman and Fan, type 7).
 * NaN for none.
 */
export function quantile(values: readonly number[], q: number): number {
  if (!(q >= 0 && q <= 1)) throw new RangeError(`quantile: ${q} is not between 0 and 1`);
  const sorted = values.toSorted((a, b) => a - b);
  const place = (sorted.length - 1) * q;
  const low = sorted[Math.floor(place)] ?? Number.NaN;
  const high = sorted[Math.ceil(place)] ?? Number.NaN;
  return low + (high - low) * (place - Math.floor(place));
}

/** To `digits` significant digits, so that a figure does not pretend to more than was measured. NaN and infinities stay. */
export function significant(value: number, digits = 4): number {
  return Number.isFinite(value) ? Number(value.toPrecision(digits)) : value;
}

/** Milliseconds until the next event of a Poisson process. `random`: evenly spread, 0 ≤ x < 1. Infinity at rate 0. */
export function poissonWaitMs(eventsPerSecond: number, random: number): number {
  return eventsPerSecond > 0 ? (-Math.log(1 - random) / eventsPerSecond) * 1_000 : Infinity;
}

/** Adds the counts of `other` to those of `counts`. */
export function addCounts(counts: Record<string, number>, other: Readonly<Record<string, number>>): void {
  for (const [key, count] of Object.entries(other)) counts[key] = (counts[key] ?? 0) + count;
}
