// Finds the desktop shell's Electron, or says in one line why the desktop app cannot be opened here. Plain JavaScript for
// whatever Node is on the machine.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** A download that takes longer than this is given up, in ms. The archive has about 110 MB. */
const DOWNLOAD_WITHIN = 240_000;
const PROBE_WITHIN = 15_000;

/**
 * @typedef {{ ok: true, path: string } | { ok: false, reason: string }} Found
 * @typedef {{ code: number | null, output: string, timedOut: boolean }} Ended
 * @typedef {{
 *   platform: NodeJS.Platform, env: NodeJS.ProcessEnv, uid: number | undefined,
 *   run: (command: string, args: readonly string[], withinMs: number) => Promise<Ended>,
 *   read: (path: string) => string | undefined,
 * }} Machine
 */

/**
 * Runs a program to its end; its words are kept, up to 64 KiB of them.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {number} withinMs
 * @returns {Promise<Ended>}
 */
export function run(command, args, withinMs) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let timedOut = false;
    const keep = (/** @type {Buffer} */ chunk) => {
      output = (output + chunk.toString()).slice(-65_536);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill('SIGKILL');
    }, withinMs);
    const end = (/** @type {number | null} */ code) => {
      clearTimeout(timer);
      resolve({ code, output, timedOut });
    };
    child.on('error', (error) => {
      output += `${error.message}\n`;
      end(null);
    });
    child.on('close', end);
  });
}

/** @param {string} path */
function read(path) {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** @returns {Machine} */
function thisMachine() {
  return { platform: process.platform, env: process.env, uid: process.getuid?.(), run, read };
}

/**
 * The path of the installed package's program, or undefined if it was not brought yet.
 * @param {string} root
 * @param {NodeJS.ProcessEnv} env
 */
export function electronPath(root, env = process.env) {
  const folder = join(root, 'node_modules', 'electron');
  const name = read(join(folder, 'path.txt'));
  if (!name) return undefined;
  const path = join(env['ELECTRON_OVERRIDE_DIST_PATH'] ?? join(folder, 'dist'), name);
  return existsSync(path) ? path : undefined;
}

/**
 * The line of an error output that says most: the first that names an error, else the last.
 * @param {string} output
 */
export function errorLine(output) {
  const lines = output
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('at '));
  const line =
    lines.find((text) => /error|E[A-Z]{4,}|cannot|failed/i.test(text)) ?? lines.at(-1) ?? 'no reason given';
  return line.slice(0, 160);
}

/**
 * Brings Electron's program the package's own way, if it is not there yet.
 * @param {string} root the repository
 * @param {Machine} machine
 * @returns {Promise<Found>}
 */
export async function bringElectron(root, machine = thisMachine()) {
  const installer = join(root, 'node_modules', 'electron', 'install.js');
  if (!existsSync(installer))
    return { ok: false, reason: 'the electron package is not installed; run: npm ci' };
  const there = electronPath(root, machine.env);
  if (there) return { ok: true, path: there };
  const ended = await machine.run(process.execPath, [installer], DOWNLOAD_WITHIN);
  const path = electronPath(root, machine.env);
  if (path) return { ok: true, path };
  return {
    ok: false,
    reason: ended.timedOut
      ? `Electron's program could not be downloaded in ${DOWNLOAD_WITHIN / 60_000} minutes`
      : `Electron's program could not be downloaded: ${
          /fetch failed/.test(ended.output) ? 'github.com cannot be reached' : errorLine(ended.output)
        }`,
  };
}

/**
 * Why no window can be opened here, or undefined if nothing speaks against it.
 * @param {Machine} machine
 */
export function windowless({ platform, env, uid }) {
  if (platform !== 'linux') return undefined;
  if (!env['DISPLAY'] && !env['WAYLAND_DISPLAY'])
    return 'no display: neither DISPLAY nor WAYLAND_DISPLAY is set';
  if (uid === 0) return 'Electron does not run as root: start Adit as an ordinary user';
  return undefined;
}

/**
 * Why Electron's sandbox cannot work here, or undefined. Without it the page would not be kept in bounds, so Adit does not
 * offer to leave it out.
 * @param {string} path Electron's program
 * @param {Machine} machine
 */
function sandboxless(path, { platform, read: readText }) {
  if (platform !== 'linux') return undefined;
  const restricted =
    readText('/proc/sys/kernel/apparmor_restrict_unprivileged_userns') === '1' ||
    readText('/proc/sys/kernel/unprivileged_userns_clone') === '0' ||
    readText('/proc/sys/user/max_user_namespaces') === '0';
  if (!restricted) return undefined;
  const helper = join(path, '..', 'chrome-sandbox');
  try {
    const { mode, uid } = statSync(helper);
    if (uid === 0 && (mode & 0o4000) !== 0) return undefined;
  } catch {
    // No helper: the advice below makes one unnecessary.
  }
  return `this system gives Electron no sandbox; allow it with: sudo chown root '${helper}' && sudo chmod 4755 '${helper}'`;
}

/**
 * Finds an Electron that can open a window here, bringing its program if it is missing. Takes at most some minutes.
 * @param {string} root the repository
 * @param {Machine} machine
 * @returns {Promise<Found>}
 */
export async function findElectron(root, machine = thisMachine()) {
  const reason = windowless(machine);
  if (reason) return { ok: false, reason };
  const found = await bringElectron(root, machine);
  if (!found.ok) return found;
  const noSandbox = sandboxless(found.path, machine);
  if (noSandbox) return { ok: false, reason: noSandbox };
  const probe = await machine.run(found.path, ['--version'], PROBE_WITHIN);
  if (probe.code === 0) return found;
  return { ok: false, reason: `Electron does not start: ${errorLine(probe.output)}` };
}
