// Runs a helper program with a limit on its time and on what it may print.
// Plain JavaScript that also runs on Node 18 and 20: the set-up uses it before Node 24 is there.
import { spawn } from 'node:child_process';

/**
 * Runs a program without a shell and collects what it prints.
 *
 * Never rejects: a program that can't be started, runs too long or prints too much is an outcome with `code: null`
 * and the reason in `fault`.
 *
 * @param {string} command program, absolute or on the PATH
 * @param {readonly string[]} args
 * @param {{ timeoutMs: number, maxBytes?: number, cwd?: string, env?: NodeJS.ProcessEnv, signal?: AbortSignal }} options
 *   `timeoutMs` after which it is killed; `maxBytes` of stdout and of stderr each (default 1 MiB)
 * @returns {Promise<{ code: number | null, stdout: string, stderr: string, fault: string | undefined }>}
 */
export function runBounded(command, args, { timeoutMs, maxBytes = 1024 * 1024, cwd, env, signal }) {
  return new Promise((resolve) => {
    if (signal?.aborted) {
      resolve({ code: null, stdout: '', stderr: '', fault: 'was cancelled' });
      return;
    }
    // Its own process group, so that helpers it started (apt's download methods) end with it.
    const group = process.platform !== 'win32';
    const child = spawn(command, [...args], {
      cwd,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: group,
      windowsHide: true,
    });
    /** @type {{ stdout: Buffer[], stderr: Buffer[] }} */
    const printed = { stdout: [], stderr: [] };
    /** @type {string | undefined} */
    let fault;
    let done = false;

    /** @param {string} why */
    const end = (why) => {
      fault ??= why;
      try {
        if (group && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
        else child.kill('SIGKILL');
      } catch {
        // It has ended by itself in the meantime; 'close' tells the rest.
      }
    };
    const onAbort = () => end('was cancelled');
    const timer = setTimeout(() => end(`gave no result within ${Math.ceil(timeoutMs / 1000)} s`), timeoutMs);
    signal?.addEventListener('abort', onAbort, { once: true });

    /** @param {number | null} code */
    const settle = (code) => {
      if (done) return;
      done = true;
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      resolve({
        code: fault === undefined ? code : null,
        stdout: Buffer.concat(printed.stdout).toString('utf8'),
        stderr: Buffer.concat(printed.stderr).toString('utf8'),
        fault,
      });
    };
    for (const name of /** @type {const} */ (['stdout', 'stderr'])) {
      let bytes = 0;
      child[name].on('data', (/** @type {Buffer} */ chunk) => {
        bytes += chunk.length;
        if (bytes > maxBytes) end(`printed more than ${maxBytes} bytes`);
        else printed[name].push(chunk);
      });
    }
    child.on('error', (error) => {
      fault ??= `could not be started (${error.message})`;
      settle(null);
    });
    child.on('close', (code, ended) => {
      if (code === null && fault === undefined) fault = `was ended by ${ended ?? 'a signal'}`;
      settle(code);
    });
  });
}
