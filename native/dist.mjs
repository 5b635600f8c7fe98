// `npm run dist`: packs the installers. Says in plain lines what it lacks and how to get it, and then ends with 1.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { run } from './electron.mjs';
import { setupOrExplain } from './run.mjs';
import { buildShell, environment, node24, root, say, SetupError } from './setup.mjs';

const HELP = `Packs Adit for this system, or for another one.

Usage: npm run dist -- [options]

  --platform NAME   linux, darwin or win32; may be repeated (default: this one)
  --arch NAME       x64 or arm64; may be repeated (default: this one)
  --dir             only the unpacked app, no installer
  --help

The result is in dist/. Needs the network once: Electron's program, the node's release, and the installer tools.
`;

/** How electron-builder and Adit's own folders name the systems. */
const SYSTEMS = {
  linux: { flag: '--linux', os: 'linux', words: 'Linux' },
  darwin: { flag: '--mac', os: 'mac', words: 'macOS' },
  win32: { flag: '--win', os: 'win', words: 'Windows' },
};
const ARCHITECTURES = ['x64', 'arm64'];
const DOWNLOAD_WITHIN = 300_000;

/**
 * @typedef {keyof typeof SYSTEMS} Platform
 * @typedef {{ platforms: Platform[], archs: string[], dir: boolean, help: boolean }} Wish
 * @typedef {{ what: string, how: string }} Lack
 */

/**
 * Reads the command line. Throws an `Error` that says what is right.
 * @param {string[]} args
 * @returns {Wish}
 */
export function readWish(args) {
  const { values } = parseArgs({
    args,
    options: {
      platform: { type: 'string', multiple: true },
      arch: { type: 'string', multiple: true },
      dir: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const platforms = values.platform ?? [process.platform];
  const archs = values.arch ?? [process.arch];
  for (const platform of platforms) {
    if (!Object.hasOwn(SYSTEMS, platform)) {
      throw new Error(`--platform takes linux, darwin or win32, not "${platform}"`);
    }
  }
  for (const arch of archs) {
    if (!ARCHITECTURES.includes(arch)) throw new Error(`--arch takes x64 or arm64, not "${arch}"`);
  }
  return { platforms: /** @type {Platform[]} */ (platforms), archs, dir: values.dir, help: values.help };
}

/**
 * Brings Electron's archive for a system into the download cache.
 * @param {Platform} platform
 * @param {string} arch
 * @returns {Promise<{ ok: true, folder: string } | { ok: false, lack: Lack }>}
 */
async function bringArchive(platform, arch) {
  const folder = join(root, 'node_modules', 'electron');
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const script = `
    const { downloadArtifact } = await import(${JSON.stringify(pathToFileURL(join(root, 'node_modules', '@electron', 'get', 'dist', 'index.js')).href)});
    const { readFileSync } = await import('node:fs');
    const checksums = JSON.parse(readFileSync(${JSON.stringify(join(folder, 'checksums.json'))}, 'utf8'));
    const path = await downloadArtifact({ version: ${JSON.stringify(version)}, artifactName: 'electron', platform: ${JSON.stringify(platform)}, arch: ${JSON.stringify(arch)}, checksums });
    console.log('archive=' + path);`;
  const ended = await run(node24, ['--input-type=module', '-e', script], DOWNLOAD_WITHIN);
  const path = /^archive=(.+)$/m.exec(ended.output)?.[1];
  if (path) return { ok: true, folder: dirname(path) };
  return {
    ok: false,
    lack: {
      what: `Electron ${version} for ${platform}-${arch} (${ended.timedOut ? 'the download took too long' : 'it could not be downloaded from github.com'})`,
      how: `run this where github.com can be reached, or set ELECTRON_MIRROR to a mirror of Electron's releases`,
    },
  };
}

/**
 * Brings the node's release to where electron-builder.yml takes it from.
 * @param {Platform} platform
 * @param {string} arch
 * @returns {Promise<Lack | undefined>}
 */
async function bringNode(platform, arch) {
  const to = join(root, 'native', 'bin', `${SYSTEMS[platform].os}-${arch}`);
  // There is no node for Windows on Arm; that system runs the x64 one.
  const nodeArch = platform === 'win32' ? 'x64' : arch;
  const args = ['native/bring-node.mjs', '--platform', platform, '--arch', nodeArch, '--to', to];
  const ended = await run(node24, args, DOWNLOAD_WITHIN);
  if (ended.code === 0) return undefined;
  const { version, platforms } = JSON.parse(readFileSync(join(root, 'native', 'releases.json'), 'utf8'));
  const file = platforms[`${platform}-${nodeArch}`]?.file;
  const what = `Bitcoin Core ${version} for ${platform}-${nodeArch}`;
  if (file === undefined)
    return { what, how: 'there is no such release: choose another --platform or --arch' };
  const place = /place \S+ at (\S+?):? it is verified/.exec(ended.output)?.[1];
  return {
    what: `${what} (${ended.timedOut ? 'the download took too long' : 'it could not be downloaded and verified'})`,
    how: `run this where bitcoincore.org can be reached${place ? `, or put ${file} at ${place}` : ''}`,
  };
}

/**
 * Everything that keeps this computer from packing.
 * @param {Wish} wish
 */
async function prepare(wish) {
  /** @type {Lack[]} */
  const lacks = [];
  /** @type {Map<string, string>} */
  const archives = new Map();
  for (const platform of wish.platforms) {
    if (platform === 'darwin' && process.platform !== 'darwin') {
      lacks.push({
        what: 'a Mac: macOS apps can be signed and put into a .dmg only there',
        how: 'run it on macOS',
      });
    }
    for (const arch of wish.archs) {
      say(`Adit: bringing what ${SYSTEMS[platform].words} ${arch} needs…`);
      const archive = await bringArchive(platform, arch);
      if (archive.ok) archives.set(`${platform}-${arch}`, archive.folder);
      else lacks.push(archive.lack);
      const lack = await bringNode(platform, arch);
      if (lack) lacks.push(lack);
    }
  }
  if (!existsSync(join(root, 'node_modules', 'electron-builder', 'cli.js'))) {
    lacks.push({ what: 'the package electron-builder', how: 'run: npm ci' });
  }
  return { lacks, archives };
}

/** @param {Wish} wish */
async function dist(wish) {
  const { lacks, archives } = await prepare(wish);
  if (lacks.length > 0) {
    say(`Adit: the app cannot be packed here. What is lacking:`);
    for (const { what, how } of lacks) say(`  - ${what}\n    To get it: ${how}.`);
    return 1;
  }
  buildShell();
  for (const platform of wish.platforms) {
    for (const arch of wish.archs) {
      const { flag, words } = SYSTEMS[platform];
      say(`Adit: packing for ${words} ${arch}…`);
      const args = [
        join('node_modules', 'electron-builder', 'cli.js'),
        flag,
        `--${arch}`,
        ...(wish.dir ? ['--dir'] : []),
        '--publish',
        'never',
        `-c.electronDist=${archives.get(`${platform}-${arch}`)}`,
      ];
      const done = spawnSync(node24, args, { cwd: root, stdio: ['ignore', 2, 2], env: environment() });
      if (done.status !== 0) {
        say(`Adit: packing for ${words} ${arch} failed; electron-builder's words above say why.`);
        return 1;
      }
    }
  }
  say(`Adit: packed. The result is in ${join(root, 'dist')}.`);
  return 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    const wish = readWish(process.argv.slice(2));
    if (wish.help) process.stdout.write(HELP);
    else if (setupOrExplain()) process.exitCode = await dist(wish);
  } catch (error) {
    say(`Adit: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = error instanceof SetupError ? 1 : 2;
  }
}
