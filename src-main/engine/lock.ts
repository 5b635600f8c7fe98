import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** Another Adit works on the same data folder. */
export class LockedError extends Error {
  override readonly name = 'LockedError';
  readonly code = 'data.locked';
}

/** Folders this very process holds: its own process id in the file says nothing then. */
const held = new Set<string>();

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it is there, but belongs to someone else.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * Takes the data folder for this process; gives the way to let go. A lock left by a crash (its process is gone, or is this
 * one after a restart of the machine) is taken over. Throws `LockedError` when another Adit holds it.
 */
export function lockFolder(folder: string): () => void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, 'adit.pid');
  const inUse = (by: string): LockedError =>
    new LockedError(
      `Adit is already running with the folder ${folder} (${by}). Use that one, stop it first, or name another folder with --data.`,
    );
  if (held.has(path)) throw inUse('this process');
  for (let attempt = 0; ; attempt += 1) {
    try {
      const fd = openSync(path, 'wx', 0o600);
      writeSync(fd, String(process.pid));
      closeSync(fd);
      held.add(path);
      return () => {
        held.delete(path);
        rmSync(path, { force: true });
      };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || attempt > 2) throw error;
      const pid = Number(readFileSync(path, 'utf8'));
      if (Number.isInteger(pid) && pid > 0 && pid !== process.pid && alive(pid))
        throw inUse(`process ${pid}`);
      rmSync(path, { force: true });
    }
  }
}
