import type { Schedule } from '../core/api/timing.ts';

/** Node's timers as a `Schedule`. */
export const nodeSchedule: Schedule = (ms, task) => {
  const timer = setTimeout(task, ms);
  return () => clearTimeout(timer);
};
