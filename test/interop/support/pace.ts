/** How easy the work is that our servers give in this rung. */

/** 4,096 hashes for a share: a CPU finds hundreds a second until the difficulty follows. */
export const START_DIFFICULTY = 2 ** -20;
/** Ten a second, so that a check is over in seconds. */
export const SHARES_PER_MINUTE = 600;
