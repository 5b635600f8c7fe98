// Asks a node program what it is. Plain JavaScript that also runs on Node 18 and 20.
import { runBounded } from './child.mjs';

/**
 * Reads what `bitcoind -version` or `bitcoin-node -version` prints: a line such as
 * "Bitcoin Core daemon version v31.1.0", "Bitcoin Knots daemon version v29.4.3.knots20260508" or
 * "Bitcoin Core daemon version v31.99.0-0a1b2c3d4e5f bitcoin-node".
 *
 * @param {string} output
 * @returns {{ flavour: 'core' | 'knots' | 'other', version: string, versionNumber: number, knotsDate: number | undefined } | undefined}
 *   `versionNumber` as Core counts it (31.1.0 is 310100); `knotsDate` is the date in a Knots version, as the number
 *   20260508; undefined when this is not a node
 */
export function parseNodeVersion(output) {
  const line =
    /^(.{1,80}?) daemon version (v(\d{1,3})\.(\d{1,2})(?:\.(\d{1,2}))?[0-9A-Za-z.+_-]{0,80})/m.exec(output);
  if (!line) return undefined;
  const name = line[1];
  const version = line[2];
  const knots = /knots(\d{8})?/i.exec(version);
  const flavour = knots || /knots/i.test(name) ? 'knots' : name === 'Bitcoin Core' ? 'core' : 'other';
  return {
    flavour,
    version,
    versionNumber: Number(line[3]) * 10_000 + Number(line[4]) * 100 + Number(line[5] ?? 0),
    knotsDate: knots?.[1] === undefined ? undefined : Number(knots[1]),
  };
}

/** What a program needs of our environment to print its version: nothing of the user's, on Windows the system's folder. */
function minimalEnvironment() {
  /** @type {NodeJS.ProcessEnv} */
  const env = { LC_ALL: 'C' };
  for (const name of ['SystemRoot', 'SYSTEMROOT', 'TEMP', 'TMP']) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  return env;
}

/**
 * Runs a program with `-version`, then with `-help`, which tells whether it has the mining interface over IPC.
 *
 * @param {readonly string[]} command the program, or loader, its arguments and the program
 * @param {{ timeoutMs?: number, signal?: AbortSignal }} [options] `timeoutMs` for each of the two runs, default 10,000
 * @returns {Promise<{ ok: true, flavour: 'core' | 'knots' | 'other', version: string, versionNumber: number, knotsDate: number | undefined, ipc: boolean }
 *   | { ok: false, reason: string }>}
 */
export async function probeNode(command, { timeoutMs = 10_000, signal } = {}) {
  const [program, ...words] = command;
  const limits = {
    timeoutMs,
    maxBytes: 1024 * 1024,
    env: minimalEnvironment(),
    ...(signal ? { signal } : {}),
  };
  const answer = await runBounded(program, [...words, '-version'], limits);
  if (answer.fault !== undefined) return { ok: false, reason: `it ${answer.fault}` };
  const version = parseNodeVersion(answer.stdout);
  if (!version) {
    if (answer.code !== 0) {
      const last = answer.stderr.trim().split('\n').at(-1)?.slice(0, 200) ?? '';
      return { ok: false, reason: `it ended with code ${answer.code}${last ? ` (${last})` : ''}` };
    }
    return { ok: false, reason: 'it is not a Bitcoin node: it does not answer -version as one' };
  }
  const help = await runBounded(program, [...words, '-help'], limits);
  return { ok: true, ...version, ipc: process.platform !== 'win32' && /^\s*-ipcbind\b/m.test(help.stdout) };
}
