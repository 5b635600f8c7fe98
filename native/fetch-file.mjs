// Downloads one file whose hash is known beforehand: bounded in size and time, resumed where it broke off.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';

const MAX_REDIRECTS = 5;
/** In a row without a new byte; a line that breaks often but moves on is given more. */
const IDLE_ATTEMPTS = 3;
const ATTEMPTS = 30;

/** Why one address did not deliver. `again` tells whether the same address is worth another attempt. */
class Undelivered extends Error {
  /** @param {string} message @param {boolean} again */
  constructor(message, again) {
    super(message);
    this.again = again;
  }
}

/**
 * @typedef {{ sha256: string, size?: number, maxBytes: number }} Expected
 *   `sha256` in hex; `size` in bytes where it is known; `maxBytes` bounds a file of unknown size
 * @typedef {{ headersMs: number, idleMs: number, totalMs: number, pauseMs: number }} Limits
 */

/** What the disk answers when it is the disk's fault, and no other address can help. */
const DISK_FAULTS = ['ENOSPC', 'EDQUOT', 'EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EISDIR'];
const isDiskFault = (/** @type {unknown} */ error) =>
  DISK_FAULTS.includes(/** @type {NodeJS.ErrnoException} */ (error).code ?? '');

/** @type {Limits} */
const LIMITS = { headersMs: 30_000, idleMs: 30_000, totalMs: 3_600_000, pauseMs: 1_000 };

/**
 * Checks a file against what is expected of it.
 *
 * @param {string} path
 * @param {Expected} expected
 * @returns {Promise<{ ok: true } | { ok: false, what: 'size' | 'SHA-256', expected: string, got: string }>}
 */
export async function verifyFile(path, expected) {
  const { size } = await stat(path);
  if (expected.size !== undefined && size !== expected.size) {
    return { ok: false, what: 'size', expected: `${expected.size} bytes`, got: `${size} bytes` };
  }
  if (size > expected.maxBytes) {
    return { ok: false, what: 'size', expected: `at most ${expected.maxBytes} bytes`, got: `${size} bytes` };
  }
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  const got = hash.digest('hex');
  return got === expected.sha256
    ? { ok: true }
    : { ok: false, what: 'SHA-256', expected: expected.sha256, got };
}

/** Bytes that are there already; 0 when the file is not. @param {string} path */
const sizeOf = (path) =>
  stat(path).then(
    (facts) => facts.size,
    () => 0,
  );

/** Follows redirects by hand: few of them, and never from https to http. @param {string} url @param {Record<string, string>} headers @param {AbortSignal} signal */
async function request(url, headers, signal) {
  let at = new URL(url);
  for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
    const response = await fetch(at, { headers, redirect: 'manual', signal });
    if (![301, 302, 303, 307, 308].includes(response.status)) return response;
    await response.body?.cancel();
    const location = response.headers.get('location');
    let next;
    try {
      next = new URL(location ?? '', at);
    } catch {
      throw new Undelivered('it redirects to nowhere', false);
    }
    if (next.protocol !== at.protocol && next.protocol !== 'https:') {
      throw new Undelivered('it redirects to an unprotected address', false);
    }
    at = next;
  }
  throw new Undelivered(`it redirects more than ${MAX_REDIRECTS} times`, false);
}

/** @param {unknown} error */
function explain(error) {
  const failure = /** @type {{ message?: string, cause?: { code?: string, message?: string } }} */ (error);
  return failure.cause?.code ?? failure.cause?.message ?? failure.message ?? 'unknown error';
}

/**
 * One attempt: what is there of `part` is continued when the server can, else it starts anew.
 *
 * @param {string} url
 * @param {string} part
 * @param {Expected} expected
 * @param {Limits} limits
 * @param {AbortSignal} signal
 * @param {(done: number, total: number | undefined) => void} progress
 */
async function attempt(url, part, expected, limits, signal, progress) {
  const most = expected.size ?? expected.maxBytes;
  const have = await sizeOf(part);
  if (expected.size !== undefined && have === expected.size) return;
  const from = have < most ? have : 0;
  const watch = new AbortController();
  let answered = false;
  const stop = () => watch.abort();
  signal.addEventListener('abort', stop, { once: true });
  let timer = setTimeout(stop, limits.headersMs);
  try {
    // Without this a server may pack the file once more, and a length would say nothing.
    const headers = { 'accept-encoding': 'identity', ...(from > 0 ? { range: `bytes=${from}-` } : {}) };
    const response = await request(url, headers, watch.signal);
    answered = true;
    if (response.status === 416) {
      await response.body?.cancel();
      await rm(part, { force: true });
      throw new Undelivered('it can not continue where the last download ended', true);
    }
    if (response.status !== 200 && response.status !== 206) {
      await response.body?.cancel();
      throw new Undelivered(
        `it answers ${response.status}`,
        response.status >= 500 || response.status === 429,
      );
    }
    const range = /^bytes (\d+)-\d+\/(?:\d+|\*)$/.exec(response.headers.get('content-range') ?? '');
    const start = response.status === 206 && range && Number(range[1]) === from ? from : 0;
    if (response.status === 206 && start !== from) {
      await response.body?.cancel();
      await rm(part, { force: true });
      throw new Undelivered('it sends another part than was asked for', true);
    }
    const told = response.headers.get('content-length');
    const total = told === null ? undefined : start + Number(told);
    if (total !== undefined && (total > most || (expected.size !== undefined && total !== expected.size))) {
      await response.body?.cancel();
      throw new Undelivered(
        `it offers ${total} bytes instead of ${expected.size ?? `at most ${most}`}`,
        false,
      );
    }
    if (!response.body) throw new Undelivered('it sends nothing', true);
    const file = await open(part, start > 0 ? 'r+' : 'w');
    try {
      let at = start;
      for await (const chunk of response.body) {
        clearTimeout(timer);
        timer = setTimeout(stop, limits.idleMs);
        if (at + chunk.length > most) {
          await rm(part, { force: true });
          throw new Undelivered(`it sends more than ${most} bytes`, false);
        }
        await file.write(chunk, 0, chunk.length, at);
        at += chunk.length;
        progress(at, expected.size ?? total);
      }
      await file.truncate(at);
      await file.sync();
      const wanted = expected.size ?? total;
      if (wanted !== undefined && at < wanted)
        throw new Undelivered(`it stopped after ${at} of ${wanted} bytes`, true);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof Undelivered || signal.aborted || isDiskFault(error)) throw error;
    if (watch.signal.aborted) {
      throw new Undelivered(answered ? 'it stopped sending' : 'it does not answer in time', answered);
    }
    const why = explain(error);
    throw new Undelivered(why, !['ENOTFOUND', 'ECONNREFUSED'].includes(why));
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
}

/**
 * Downloads a file and verifies it; only a verified file ever has the name `place`.
 *
 * A download that broke off continues where it ended, also in a later run. A file with the wrong hash is deleted; when it
 * was put together from several attempts, it is fetched once more from the start.
 *
 * @param {{ urls: readonly string[], place: string, expected: Expected, limits?: Partial<Limits>, signal?: AbortSignal,
 *   progress?: (done: number, total: number | undefined) => void }} options
 * @returns {Promise<{ ok: true } | { ok: false, code: 'unreachable' | 'mismatch' | 'cancelled' | 'disk', tried: string[] }>}
 *   `tried` says for each address why it did not do
 */
export async function fetchFile({ urls, place, expected, limits: given, signal, progress = () => {} }) {
  const limits = { ...LIMITS, ...given };
  const overall = new AbortController();
  const cancel = () => overall.abort();
  signal?.addEventListener('abort', cancel, { once: true });
  if (signal?.aborted) overall.abort();
  const deadline = setTimeout(cancel, limits.totalMs);
  const part = `${place}.part`;
  /** @type {string[]} */
  const tried = [];
  let mismatch = false;
  try {
    for (const url of urls) {
      let why = '';
      let idle = 0;
      for (let count = 1; count <= ATTEMPTS && idle < IDLE_ATTEMPTS; count++) {
        const before = await sizeOf(part);
        try {
          await attempt(url, part, expected, limits, overall.signal, progress);
        } catch (error) {
          if (overall.signal.aborted) {
            const cancelled = signal?.aborted === true;
            tried.push(
              `${url}: ${cancelled ? 'cancelled' : `not finished within ${Math.ceil(limits.totalMs / 60_000)} min`}`,
            );
            return { ok: false, code: cancelled ? 'cancelled' : 'unreachable', tried };
          }
          why = /** @type {Error} */ (error).message;
          if (isDiskFault(error)) {
            tried.push(`${part}: ${why}`);
            return { ok: false, code: 'disk', tried };
          }
          if (!(error instanceof Undelivered) || !error.again) break;
          idle = (await sizeOf(part)) > before ? 0 : idle + 1;
          if (idle < IDLE_ATTEMPTS)
            await new Promise((resolve) => setTimeout(resolve, limits.pauseMs * (idle + 1)));
          continue;
        }
        const verdict = await verifyFile(part, expected);
        if (verdict.ok) {
          await rename(part, place);
          return { ok: true };
        }
        await rm(part, { force: true });
        mismatch = true;
        why = `the file has the wrong ${verdict.what}: expected ${verdict.expected}, got ${verdict.got}`;
        if (before === 0) break;
      }
      tried.push(`${url}: ${why}`);
    }
    return { ok: false, code: mismatch ? 'mismatch' : 'unreachable', tried };
  } finally {
    clearTimeout(deadline);
    signal?.removeEventListener('abort', cancel);
  }
}
