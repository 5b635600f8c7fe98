/** Milliseconds of the clock all processes of this computer share; only differences mean something. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** What to add to `monotonicMs()` to get milliseconds since 1970 with their fraction. */
export function wallOffsetMs(): number {
  return performance.timeOrigin + performance.now() - monotonicMs();
}
