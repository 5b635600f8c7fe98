import { targetOfDifficulty } from '../../core/bitcoin/target.ts';
import { HASHES_PER_DIFFICULTY } from '../../core/mining/odds.ts';

/**
 * On regtest every second hash is a block. Practice shows how mining feels, so it asks for more than the chain does: a hash
 * counts as a block only below a target chosen for the hashrate at hand, one block in `everySeconds` on average. What it
 * counts is a true block of the chain all the same. The first comes quicker, so that nobody waits to see one.
 */
export interface PaceOptions {
  /** H/s of all machines now, 0 while unknown. */
  readonly hashrate: () => number;
  readonly everySeconds?: number;
  readonly firstSeconds?: number;
  /** H/s assumed until something was measured. */
  readonly assumed?: number;
}

/** Gives the target (little-endian hash ≤ target counts) for the next job; `found` is how many blocks this run found. */
export function practiceTarget(options: PaceOptions, found: number): bigint {
  const { everySeconds = 15, firstSeconds = 2, assumed = 2_000_000 } = options;
  const hashrate = Math.max(options.hashrate(), 0) || assumed;
  const seconds = found === 0 ? firstSeconds : everySeconds;
  return targetOfDifficulty((hashrate * seconds) / HASHES_PER_DIFFICULTY);
}
