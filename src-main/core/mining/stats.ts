import type { Best, ShareCounts, Windows } from '../api/schema.ts';
import { HASHES_PER_DIFFICULTY } from './odds.ts';
import type { RejectReason } from './types.ts';

/** H/s that found shares of `work` difficulty in all within `seconds`. 0 when no time has passed. */
export function hashrateOfWork(work: number, seconds: number): number {
  return seconds > 0 ? (work * HASHES_PER_DIFFICULTY) / seconds : 0;
}

/** Below this an average says nothing: two shares in one second would look like a giant. */
const MIN_OBSERVED_MS = 10_000;

/** Sums of work in equal buckets over one window: constant memory, cheap to add to. */
class Ring {
  readonly #bucketMs: number;
  readonly #sums: Float64Array;
  /** Number of the newest bucket since 1970. */
  #newest: number;

  constructor(windowMs: number, buckets: number, now: number) {
    this.#bucketMs = windowMs / buckets;
    // One more than the window has: the newest is only partly filled.
    this.#sums = new Float64Array(buckets + 1);
    this.#newest = Math.floor(now / this.#bucketMs);
  }

  #advance(now: number): void {
    const bucket = Math.floor(now / this.#bucketMs);
    if (bucket <= this.#newest) return;
    const steps = Math.min(bucket - this.#newest, this.#sums.length);
    for (let i = 0; i < steps; i++) this.#sums[(bucket - i) % this.#sums.length] = 0;
    this.#newest = bucket;
  }

  add(now: number, work: number): void {
    this.#advance(now);
    const place = this.#newest % this.#sums.length;
    this.#sums[place] = (this.#sums[place] as number) + work;
  }

  hashrate(now: number, since: number): number {
    this.#advance(now);
    const covered = (this.#sums.length - 1) * this.#bucketMs + (now - this.#newest * this.#bucketMs);
    const observed = Math.min(now - since, covered);
    if (observed < MIN_OBSERVED_MS) return 0;
    let work = 0;
    for (const sum of this.#sums) work += sum;
    return hashrateOfWork(work, observed / 1_000);
  }
}

/**
 * Average hashrates over one minute, ten minutes, one hour and one day, from the assigned difficulty of accepted shares.
 * While less than a window has passed, it divides by the time observed, so that a machine that has just come is not
 * shown too low; in the first ten seconds it says 0. Memory does not grow. Times are milliseconds since 1970.
 */
export class RollingHashrate {
  readonly #since: number;
  readonly #m1: Ring;
  readonly #m10: Ring;
  readonly #h1: Ring;
  readonly #d1: Ring;

  /** @param since when observation began. */
  constructor(since: number) {
    this.#since = since;
    this.#m1 = new Ring(60_000, 12, since);
    this.#m10 = new Ring(600_000, 20, since);
    this.#h1 = new Ring(3_600_000, 30, since);
    this.#d1 = new Ring(86_400_000, 48, since);
  }

  /** @param difficulty the share was assigned: its worth as work. */
  add(now: number, difficulty: number): void {
    if (!(difficulty > 0) || !Number.isFinite(difficulty))
      throw new RangeError(`RollingHashrate: ${difficulty} is no difficulty`);
    for (const ring of [this.#m1, this.#m10, this.#h1, this.#d1]) ring.add(now, difficulty);
  }

  /** H/s over each window up to now. */
  at(now: number): Windows {
    return {
      m1: this.#m1.hashrate(now, this.#since),
      m10: this.#m10.hashrate(now, this.#since),
      h1: this.#h1.hashrate(now, this.#since),
      d1: this.#d1.hashrate(now, this.#since),
    };
  }
}

/** Counts of nothing yet. */
export const NO_SHARES: Readonly<ShareCounts> = {
  accepted: 0,
  stale: 0,
  duplicate: 0,
  lowDifficulty: 0,
  invalid: 0,
};

/** Where a share is counted: a rejected one by its reason, the rest as accepted. */
export function countOf(outcome: 'accepted' | RejectReason): keyof ShareCounts {
  if (outcome === 'accepted' || outcome === 'stale' || outcome === 'duplicate' || outcome === 'lowDifficulty')
    return outcome;
  return 'invalid';
}

/** The counts with one share more. */
export function withShare(counts: ShareCounts, outcome: 'accepted' | RejectReason): ShareCounts {
  const name = countOf(outcome);
  return { ...counts, [name]: counts[name] + 1 };
}

/** Two counts as one. */
export function sumCounts(a: ShareCounts, b: ShareCounts): ShareCounts {
  return {
    accepted: a.accepted + b.accepted,
    stale: a.stale + b.stale,
    duplicate: a.duplicate + b.duplicate,
    lowDifficulty: a.lowDifficulty + b.lowDifficulty,
    invalid: a.invalid + b.invalid,
  };
}

/** The better of two bests; the earlier one when they are equal. */
export function betterBest(a: Best | null | undefined, b: Best): Best {
  return a && a.difficulty >= b.difficulty ? a : b;
}
