/**
 * Runs `task` once after `ms` milliseconds and returns the way to call it off. The pure parts of the API are given time
 * this way; `browser.ts` and `transport/schedule.ts` hold the real ones.
 */
export type Schedule = (ms: number, task: () => void) => () => void;
