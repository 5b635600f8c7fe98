import { readFileSync, readdirSync } from 'node:fs';

/** Linux counts processor time in hundredths of a second (USER_HZ). */
const TICKS_PER_SECOND = 100;

function secondsOf(stat: string): number {
  // The name, in brackets, may hold anything; after it come state, ppid … with utime and stime at places 11 and 12.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Seconds of processor time a process has used, all its threads together. Linux only. */
export function processorSeconds(pid: number): number {
  return secondsOf(readFileSync(`/proc/${pid}/stat`, 'utf8'));
}

/** The same by thread id, with the threads' names. */
export function threadSeconds(
  pid: number,
): ReadonlyMap<string, { readonly name: string; readonly seconds: number }> {
  const threads = new Map<string, { name: string; seconds: number }>();
  for (const id of readdirSync(`/proc/${pid}/task`)) {
    try {
      const stat = readFileSync(`/proc/${pid}/task/${id}/stat`, 'utf8');
      const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
      threads.set(id, { name, seconds: secondsOf(stat) });
    } catch (error) {
      // Threads come and go between the listing and the look.
      if (!['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  }
  return threads;
}

/** Memory of a process that is really in RAM, in kB (1,000 bytes). Linux only. */
export function residentKb(pid: number): number {
  const match = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return (Number(match?.[1]) * 1_024) / 1_000;
}
