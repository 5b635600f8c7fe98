import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until something is so, looking every 20 ms; `what` is said when it is not in time. */
export async function until(what: () => string, ready: () => boolean, ms: number): Promise<void> {
  const end = performance.now() + ms;
  while (!ready()) {
    if (performance.now() > end) throw new Error(`not within ${ms / 1_000} s: ${what()}`);
    await sleep(20);
  }
}
