// The official Bitcoin Core release that Adit pins: brings it, verifies it, unpacks what is needed of it.
// Plain JavaScript that also runs on Node 18 and 20: the set-up and the packaging use it.
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import { BringError, defaultCacheFolder } from './cache.mjs';
import { fetchFile, verifyFile } from './fetch-file.mjs';
import { withLock } from './lock.mjs';
import { unpack, UnpackError } from './unpack.mjs';

const MANIFEST = 'adit-node.json';
const MAX_WAIT_MS = 3_600_000;
const DISK_ADVICE = 'Make room or choose another folder, then try again.';
const NAME_ONE = 'name a Bitcoin Core 30.2 or newer in the settings, put it on the PATH';

/** The licence that goes with the programs (MIT, the COPYING file of Bitcoin Core). */
const COPYING = `The MIT License (MIT)

Copyright (c) 2009-2026 The Bitcoin Core developers
Copyright (c) 2009-2026 Bitcoin Developers

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in
all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN
THE SOFTWARE.
`;

/**
 * @typedef {{ file: string, size?: number, sha256: string, urls: string[], node?: string, daemon: string, cli: string }} Pin
 * @typedef {{ version: string, folder: string, maxBytes: number, platforms: Record<string, Pin> }} Releases
 * @typedef {{ folder: string, path: string, cli: string, version: string }} ReleaseNode
 *   `path` is bitcoin-node where the release has one, else bitcoind
 */

/**
 * The pins of this copy of Adit (releases.json).
 *
 * @returns {Promise<Releases>}
 */
export async function readReleases() {
  return JSON.parse(await readFile(new URL('./releases.json', import.meta.url), 'utf8'));
}

/**
 * The pin for a platform.
 *
 * @param {Releases} releases
 * @param {string} [platform] as `process.platform` names it
 * @param {string} [arch] as `process.arch` names it
 * @returns {Pin}
 * @throws {BringError} `no-release`
 */
export function pinFor(releases, platform = process.platform, arch = process.arch) {
  const pin = releases.platforms[`${platform}-${arch}`];
  if (pin) return pin;
  throw new BringError(
    'no-release',
    `There is no pinned Bitcoin Core release for ${platform} on ${arch}.`,
    'Build Bitcoin Core 30.2 or newer yourself and name it in the settings.',
  );
}

/** @param {string} cacheFolder @param {Releases} releases @param {string} platform @param {string} arch */
const placeOf = (cacheFolder, releases, platform, arch) =>
  join(cacheFolder, 'releases', `bitcoin-${releases.version}-${platform}-${arch}`);

/** @param {string} folder @param {Pin} pin @param {string} version @returns {ReleaseNode} */
function describe(folder, pin, version) {
  const node = pin.node === undefined ? undefined : join(folder, pin.node);
  return {
    folder,
    path: node !== undefined && existsSync(node) ? node : join(folder, pin.daemon),
    cli: join(folder, pin.cli),
    version,
  };
}

/**
 * The release as brought before, when it is the pinned one.
 *
 * @param {Releases} releases
 * @param {{ cacheFolder?: string, platform?: string, arch?: string, folder?: string }} [options]
 *   `folder` looks there instead of in the cache
 * @returns {Promise<ReleaseNode | undefined>}
 */
export async function cachedRelease(releases, options = {}) {
  const { cacheFolder = defaultCacheFolder(), platform = process.platform, arch = process.arch } = options;
  const pin = releases.platforms[`${platform}-${arch}`];
  if (!pin) return undefined;
  const folder = options.folder ?? placeOf(cacheFolder, releases, platform, arch);
  try {
    const manifest = JSON.parse(await readFile(join(folder, MANIFEST), 'utf8'));
    if (manifest.sha256 !== pin.sha256) return undefined;
  } catch {
    // Not there, or cut short: as good as absent, it is brought again.
    return undefined;
  }
  return existsSync(join(folder, pin.daemon)) ? describe(folder, pin, releases.version) : undefined;
}

/** @param {string} archive @param {Pin} pin @param {Releases} releases @param {string} staging */
async function unpackInto(archive, pin, releases, staging) {
  await mkdir(staging, { recursive: true });
  const programs = [pin.node, pin.daemon, pin.cli].filter((name) => name !== undefined);
  const wanted = new Map(
    [...programs, 'COPYING'].map((name) => [`${releases.folder}/${name}`, join(staging, name)]),
  );
  let found;
  try {
    found = await unpack(archive, wanted);
  } catch (error) {
    if (!(error instanceof UnpackError)) throw error;
    throw new BringError(
      'unpack',
      `${archive} can't be unpacked: ${error.message}.`,
      `Delete ${archive} and try again.`,
    );
  }
  const missing = [pin.daemon, pin.cli].filter((name) => !found.has(`${releases.folder}/${name}`));
  if (missing.length > 0) {
    throw new BringError(
      'unpack',
      `${archive} holds no ${missing.join(' and no ')}.`,
      `Delete ${archive} and try again.`,
    );
  }
  for (const name of programs)
    if (found.has(`${releases.folder}/${name}`)) await chmod(join(staging, name), 0o755);
  if (!found.has(`${releases.folder}/COPYING`)) await writeFile(join(staging, 'COPYING'), COPYING);
  await writeFile(
    join(staging, MANIFEST),
    `${JSON.stringify({ version: releases.version, file: pin.file, sha256: pin.sha256 }, undefined, 2)}\n`,
  );
}

/**
 * Brings the pinned release: the one brought before, else an archive the user has placed by hand, else the download.
 * An archive is unpacked only after its SHA-256 (and its size, where that is known) was found right.
 *
 * @param {Releases} releases
 * @param {{ cacheFolder?: string, platform?: string, arch?: string, to?: string, offline?: boolean, signal?: AbortSignal,
 *   progress?: (text: string, done?: number, total?: number) => void, limits?: object }} [options]
 *   `to` is the folder to unpack into instead of one in the cache; `progress` gets a line and, while downloading, bytes;
 *   `limits` shortens the waiting times of the download
 * @returns {Promise<ReleaseNode>}
 * @throws {BringError} `no-release`, `offline`, `unreachable`, `mismatch`, `cancelled`, `disk`, `unpack`,
 *   `place-taken`, `busy`
 */
export async function bringRelease(releases, options = {}) {
  const {
    cacheFolder = defaultCacheFolder(),
    platform = process.platform,
    arch = process.arch,
    signal,
  } = options;
  const progress = options.progress ?? (() => {});
  const pin = pinFor(releases, platform, arch);
  const place = options.to ?? placeOf(cacheFolder, releases, platform, arch);
  const cached = await cachedRelease(releases, { platform, arch, folder: place });
  if (cached) return cached;

  const archive = join(cacheFolder, 'releases', pin.file);
  const what = `Bitcoin Core ${releases.version}`;
  const byHand = `Either ${NAME_ONE}, or place ${pin.file} at ${archive}: it is verified the same way.`;
  if (options.offline === true && !existsSync(archive)) {
    throw new BringError('offline', `${what} is not here and downloads are switched off.`, byHand);
  }
  try {
    const onWait = () => progress(`${what}: another Adit is bringing it; waiting`);
    return await withLock(
      `${archive}.lock`,
      { waitMs: MAX_WAIT_MS, onWait, ...(signal ? { signal } : {}) },
      async () => {
        // It may have been brought while we waited.
        const brought = await cachedRelease(releases, { platform, arch, folder: place });
        if (brought) return brought;
        await checkPlace(place);
        const placed = existsSync(archive);
        const expected = {
          sha256: pin.sha256,
          maxBytes: releases.maxBytes,
          ...(pin.size === undefined ? {} : { size: pin.size }),
        };
        if (placed) await checkPlaced(archive, expected);
        else {
          progress(`${what}: downloading ${pin.file}`, 0, pin.size);
          const outcome = await fetchFile({
            urls: pin.urls,
            place: archive,
            expected,
            ...(options.limits ? { limits: options.limits } : {}),
            ...(signal ? { signal } : {}),
            progress: (done, total) => progress(`${what}: downloading`, done, total),
          });
          if (!outcome.ok) throw refusalFor(outcome, what, byHand);
        }
        progress(`${what}: unpacking`);
        await install(archive, pin, releases, place);
        if (!placed) await rm(archive, { force: true });
        return describe(place, pin, releases.version);
      },
    );
  } catch (error) {
    const fault = /** @type {NodeJS.ErrnoException} */ (error);
    if (error instanceof BringError || fault.code === undefined) throw error;
    throw new BringError('disk', `${what} could not be stored: ${fault.message}.`, DISK_ADVICE);
  }
}

/**
 * What is replaced must be ours: a folder of the user's is never deleted.
 *
 * @param {string} place
 */
async function checkPlace(place) {
  const names = await readdir(place).catch((/** @type {NodeJS.ErrnoException} */ error) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  if (names.length === 0 || names.includes(MANIFEST)) return;
  throw new BringError(
    'place-taken',
    `${place} holds something else, so nothing was unpacked there.`,
    'Choose an empty or a new folder.',
  );
}

/** @param {string} archive @param {import('./fetch-file.mjs').Expected} expected */
async function checkPlaced(archive, expected) {
  const verdict = await verifyFile(archive, expected);
  if (verdict.ok) return;
  throw new BringError(
    'mismatch',
    `${archive} has the wrong ${verdict.what}: expected ${verdict.expected}, got ${verdict.got}. It was not used.`,
    `Delete ${archive} and try again.`,
  );
}

/**
 * @param {{ code: 'unreachable' | 'mismatch' | 'cancelled' | 'disk', tried: string[] }} outcome
 * @param {string} what
 * @param {string} byHand
 */
function refusalFor({ code, tried }, what, byHand) {
  const message = {
    unreachable: `${what} could not be downloaded`,
    mismatch: `The download of ${what} is not the pinned release and was deleted`,
    cancelled: `The download of ${what} was cancelled`,
    disk: `${what} could not be stored`,
  }[code];
  const advice = {
    unreachable: byHand,
    mismatch: `Try again later. ${byHand}`,
    cancelled: 'Start it again: it continues where it ended.',
    disk: DISK_ADVICE,
  }[code];
  return new BringError(code, `${message} (${tried.join('; ')}).`, advice);
}

/**
 * Unpacks a verified archive beside the final place, so that the last step is a rename within one file system.
 *
 * @param {string} archive
 * @param {Pin} pin
 * @param {Releases} releases
 * @param {string} place
 */
async function install(archive, pin, releases, place) {
  const parent = dirname(place);
  const prefix = `${basename(place)}.new-`;
  await mkdir(parent, { recursive: true });
  // What a run that was killed has left behind.
  for (const name of await readdir(parent)) {
    if (name.startsWith(prefix)) await rm(join(parent, name), { recursive: true, force: true });
  }
  const staging = await mkdtemp(join(parent, prefix));
  try {
    await unpackInto(archive, pin, releases, join(staging, 'ready'));
    if (existsSync(place)) await rename(place, join(staging, 'replaced'));
    await rename(join(staging, 'ready'), place);
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}
