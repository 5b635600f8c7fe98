// Lets one process at a time bring something into a folder; others wait for it and then find it there.
import { mkdir, open, readFile, rm, stat, utimes } from 'node:fs/promises';
import { dirname } from 'node:path';

import { BringError } from './cache.mjs';

const BEAT_MS = 5_000;
/** A holder that has not shown itself for this long is gone, whatever its process number says. */
const GONE_MS = 60_000;
const POLL_MS = 200;

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'EPERM';
  }
}

/** @param {string} path */
async function isAbandoned(path) {
  try {
    const { mtimeMs } = await stat(path);
    const pid = Number(await readFile(path, 'utf8'));
    if (Date.now() - mtimeMs > GONE_MS) return true;
    // An empty file is a lock whose holder is just writing its number.
    return Number.isSafeInteger(pid) && pid > 0 && !isAlive(pid);
  } catch {
    // It was given back while we looked.
    return false;
  }
}

/**
 * Runs `work` while no other process runs it for the same `path`.
 *
 * @template T
 * @param {string} path the lock file; its folder is made
 * @param {{ waitMs: number, signal?: AbortSignal, onWait?: () => void }} options `waitMs` bounds the wait for another's work
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 * @throws {BringError} `busy` when another holds it for too long, `cancelled`
 */
export async function withLock(path, { waitMs, signal, onWait }, work) {
  await mkdir(dirname(path), { recursive: true });
  const end = Date.now() + waitMs;
  for (let waited = false; ; waited = true) {
    try {
      const file = await open(path, 'wx');
      await file.write(String(process.pid));
      await file.close();
      break;
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EEXIST') throw error;
    }
    if (await isAbandoned(path)) {
      await rm(path, { force: true });
      continue;
    }
    if (signal?.aborted) throw new BringError('cancelled', 'It was cancelled.', 'Start it again.');
    if (Date.now() > end) {
      throw new BringError(
        'busy',
        'Another Adit has been bringing the same for too long.',
        `Close it, delete ${path} and try again.`,
      );
    }
    if (!waited) onWait?.();
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  const beat = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => {
      // Someone deleted the lock by hand; the work goes on, its last step is a rename and does no harm twice.
    });
  }, BEAT_MS);
  beat.unref();
  try {
    return await work();
  } finally {
    clearInterval(beat);
    await rm(path, { force: true });
  }
}
