/** Hashes a share of difficulty 1 takes on average: 2^256 / (DIFFICULTY_1_TARGET + 1), which is 2^32 · 65536/65535. */
export const HASHES_PER_DIFFICULTY = (2 ** 32 * 65_536) / 65_535;

/** Seconds between blocks the network aims at. */
const BLOCK_SECONDS = 600;
/** A year of 365.25 days. */
const YEAR_SECONDS = 31_557_600;

export interface Odds {
  /** Probability that the next block of the network is ours, 0 to 1. */
  readonly nextBlock: number;
  /** Probability of at least one block within a year at this rate and difficulty. */
  readonly year: number;
  /** Average time to a block; null when nothing is mined. */
  readonly expectedSeconds: number | null;
}

/**
 * Blocks come as a Poisson process. The network's rate is taken from its difficulty (one block in 600 s).
 * @param hashrate ours, H/s. @param networkDifficulty pdiff.
 */
export function oddsOf(hashrate: number, networkDifficulty: number): Odds {
  if (
    !(hashrate > 0) ||
    !(networkDifficulty > 0) ||
    !Number.isFinite(hashrate) ||
    !Number.isFinite(networkDifficulty)
  ) {
    return { nextBlock: 0, year: 0, expectedSeconds: null };
  }
  const expectedSeconds = (networkDifficulty * HASHES_PER_DIFFICULTY) / hashrate;
  return {
    nextBlock: Math.min(1, BLOCK_SECONDS / expectedSeconds),
    // 1 - exp(-x) would lose all digits for the small x that is usual here.
    year: -Math.expm1(-YEAR_SECONDS / expectedSeconds),
    expectedSeconds,
  };
}
