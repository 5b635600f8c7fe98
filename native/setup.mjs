// Brings everything a fresh clone lacks, and nothing it already has. Runs on whatever Node is there (18 or newer); what it
// sets up includes the Node 24 that Adit itself runs on.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const windows = process.platform === 'win32';
const stamps = join(root, 'node_modules', '.adit');

/** The Node 24 that `npm ci` brings. */
export const node24 = join(root, 'node_modules', 'node', 'bin', windows ? 'node.exe' : 'node');

/** Says one line of progress; on stderr, so that `--json` output stays clean. */
export function say(line) {
  process.stderr.write(`${line}\n`);
}

export class SetupError extends Error {}

/** Runs a program to its end; its words go to stderr. */
function run(command, args, what) {
  const done = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: windows,
    env: process.env,
  });
  if (done.error) throw new SetupError(`${what}: ${command} could not be started (${done.error.message}).`);
  if (done.status !== 0)
    throw new SetupError(`${what}: ${command} ${args.join(' ')} ended with ${done.status ?? done.signal}.`);
}

function stamp(name) {
  const path = join(stamps, name);
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}
function setStamp(name, value) {
  mkdirSync(stamps, { recursive: true });
  writeFileSync(join(stamps, name), value);
}

const digest = (text) => createHash('sha256').update(text).digest('hex');

/** One hash over all files below the given paths, names and contents. */
function digestOf(paths) {
  const hash = createHash('sha256');
  const visit = (path) => {
    const full = join(root, path);
    if (!existsSync(full)) return;
    try {
      for (const entry of readdirSync(full, { withFileTypes: true }).sort((a, b) =>
        a.name < b.name ? -1 : 1,
      )) {
        visit(join(path, entry.name));
      }
    } catch {
      hash.update(path).update('\0').update(readFileSync(full)).update('\0');
    }
  };
  for (const path of paths) visit(path);
  return hash.digest('hex');
}

/** npm's packages, when they are missing or older than the lockfile. */
function packages() {
  const wanted = digest(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  if (stamp('packages') === wanted && existsSync(node24)) return;
  say('Adit: bringing packages (once; about a minute)…');
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], 'Packages');
  if (!existsSync(node24)) {
    throw new SetupError(
      'Packages: Node 24 did not arrive. The package "node" needs its install script: run "npm rebuild node" and try again.',
    );
  }
  setStamp('packages', wanted);
}

/** The sha256d add-on, where a compiler is; without one WebAssembly does its work. */
function addon() {
  const wanted = `${digestOf(['native/sha256d', 'native/build-addon.mjs'])} ${process.platform} ${process.arch}`;
  if (stamp('addon') === wanted) return;
  run(node24, ['native/build-addon.mjs'], 'Add-on');
  setStamp('addon', wanted);
}

/** The page, when its sources are newer than its build. */
function page() {
  const wanted = digestOf(['src-renderer', 'src-main/core', 'vite.config.ts', 'package-lock.json']);
  if (stamp('page') === wanted && existsSync(join(root, 'out', 'page', 'index.html'))) return;
  say('Adit: building the page…');
  run(node24, ['node_modules/vite/bin/vite.js', 'build', '--logLevel', 'error'], 'Page');
  setStamp('page', wanted);
}

/** The Electron shell, when its sources are newer than its build. Only the desktop app needs it. */
export function buildShell() {
  const wanted = digestOf(['src-main', 'src-renderer', 'electron.vite.config.ts', 'package-lock.json']);
  if (stamp('shell') === wanted && existsSync(join(root, 'out', 'main'))) return;
  say('Adit: building the desktop shell…');
  run(node24, ['node_modules/electron-vite/bin/electron-vite.js', 'build', '--logLevel', 'error'], 'Shell');
  setStamp('shell', wanted);
}

/** Packages, Node 24, add-on, page. Throws `SetupError` with one clear line. */
export function setup() {
  packages();
  addon();
  page();
}

/** What a child needs so that every `node` it starts is Node 24. */
export function environment() {
  const separator = windows ? ';' : ':';
  return {
    ...process.env,
    PATH: `${dirname(node24)}${separator}${join(root, 'node_modules', '.bin')}${separator}${process.env.PATH ?? ''}`,
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    setup();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    say(`Adit: ${error.message}`);
    process.exitCode = 1;
  }
}
