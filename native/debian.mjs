// Brings the Bitcoin node of Debian's own archive, for tests and practice on regtest only.
//
// apt is run on a state folder of ours, with the machine's own mirror and keys: nothing is installed, no root is needed,
// and apt checks signatures and hashes as always. Debian's stable releases have no node, so the suite is `sid`; its
// programs want newer libraries than a stable system has, so those come along and the node is started with their loader.
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';

import { BringError, defaultCacheFolder } from './cache.mjs';
import { runBounded } from './child.mjs';
import { withLock } from './lock.mjs';

const PACKAGE = 'bitcoin-knots';
const SUITE = 'sid';
const SUITES = [
  'oldstable',
  'stable',
  'testing',
  'unstable',
  'sid',
  'bullseye',
  'bookworm',
  'trixie',
  'forky',
  'duke',
];
/** Only what a program loads at run time is followed; tools for maintainer scripts (debconf, systemd) are not needed. */
const FOLLOWED_SECTION = 'libs';
/** Character set tables for iconv: large, and the node never loads them. */
const SKIPPED = new Set(['libc-gconv-modules-extra']);
const MAX_PACKAGES = 60;
const MAX_DOWNLOAD_BYTES = 150_000_000;
const MAX_SOURCES_BYTES = 1_000_000;
const MANIFEST = 'adit-node.json';
const STAGING = 'debian-new-';
const MAX_WAIT_MS = 900_000;
const DISK_ADVICE = 'Make room or choose another folder, then try again.';
const ADVICE =
  'Install Bitcoin Core 30.2 or newer and put it on the PATH, or name the program in the settings.';

/**
 * @typedef {{ uris: string[], suites: string[], components: string[], signedBy: string | undefined, trusted: string | undefined }} AptSource
 * @typedef {{ path: string, launcher: string[], cli: string[], package: string, version: string }} DebianNode
 *   `launcher` are the words to put before the node's own arguments: loader, library path, program. `cli` likewise for bitcoin-cli.
 */

/**
 * Reads a classic one-line-per-source file (sources.list(5), "ONE-LINE-STYLE FORMAT").
 *
 * @param {string} text
 * @returns {AptSource[]} its enabled binary sources, in order
 */
export function parseSourcesList(text) {
  const found = [];
  for (const raw of text.split('\n')) {
    const line = raw.replace(/#.*/, '').trim();
    const match = /^deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)((?:\s+\S+)*)$/.exec(line);
    if (!match) continue;
    /** @type {Record<string, string>} */
    const options = {};
    for (const word of (match[1] ?? '').split(/\s+/)) {
      const at = word.indexOf('=');
      if (at > 0) options[word.slice(0, at).toLowerCase()] = word.slice(at + 1);
    }
    found.push({
      uris: [match[2]],
      suites: [match[3]],
      components: (match[4] ?? '').split(/\s+/).filter(Boolean),
      signedBy: options['signed-by']?.replaceAll(',', ' '),
      trusted: options['trusted'],
    });
  }
  return found;
}

/**
 * Reads a deb822 file (sources.list(5), "DEB822-STYLE FORMAT"). A key given in place, as lines of its own, is kept as it stands.
 *
 * @param {string} text
 * @returns {AptSource[]} its enabled binary sources, in order
 */
export function parseDeb822(text) {
  const found = [];
  for (const stanza of text.replaceAll('\r', '').split(/\n[ \t]*\n/)) {
    /** @type {Record<string, string>} */
    const fields = {};
    let name = '';
    for (const line of stanza.split('\n')) {
      if (line.startsWith('#')) continue;
      const field = /^([A-Za-z0-9-]+):\s*(.*)$/.exec(line);
      if (field) {
        name = field[1].toLowerCase();
        fields[name] = field[2].trimEnd();
      } else if (/^[ \t]/.test(line) && name !== '') fields[name] += `\n${line}`;
    }
    const words = (/** @type {string} */ key) => (fields[key] ?? '').split(/\s+/).filter(Boolean);
    if (
      !words('types').includes('deb') ||
      /^(no|false|off|0|without|disable)$/i.test(fields['enabled'] ?? 'yes')
    )
      continue;
    found.push({
      uris: words('uris'),
      suites: words('suites'),
      components: words('components'),
      signedBy: fields['signed-by'] || undefined,
      trusted: fields['trusted'],
    });
  }
  return found;
}

/**
 * Picks the source that is a mirror of Debian's main archive: it offers `main` of a Debian suite and is neither the
 * security archive nor another vendor's.
 *
 * @param {readonly AptSource[]} sources
 * @param {readonly string[]} suites names that mean a Debian suite
 * @returns {AptSource | undefined}
 */
export function pickDebianSource(sources, suites = SUITES) {
  return sources.find(
    (source) =>
      source.components.includes('main') &&
      source.suites.some((suite) => suites.includes(suite)) &&
      source.uris.length > 0 &&
      source.uris.every((uri) => !/security|ubuntu|snapshot/i.test(uri)),
  );
}

/** @param {AptSource} source */
function sourceFor(source) {
  const lines = [
    'Types: deb',
    `URIs: ${source.uris.join(' ')}`,
    `Suites: ${SUITE}`,
    'Components: main',
    // Only the package list: no translations, no software-centre data.
    'Targets: Packages',
    'Languages: none',
  ];
  if (source.signedBy !== undefined) lines.push(`Signed-By: ${source.signedBy}`);
  if (source.trusted !== undefined) lines.push(`Trusted: ${source.trusted}`);
  return `${lines.join('\n')}\n`;
}

/** @param {string} etc */
async function machineSources(etc) {
  /** @type {AptSource[]} */
  const found = [];
  const read = async (/** @type {string} */ path) => {
    const text = await readFile(path, 'utf8').catch(() => '');
    return text.length > MAX_SOURCES_BYTES ? '' : text;
  };
  found.push(...parseSourcesList(await read(join(etc, 'sources.list'))));
  const parts = join(etc, 'sources.list.d');
  for (const name of (await readdir(parts).catch(() => [])).sort()) {
    if (name.endsWith('.sources')) found.push(...parseDeb822(await read(join(parts, name))));
    else if (name.endsWith('.list')) found.push(...parseSourcesList(await read(join(parts, name))));
  }
  return found;
}

/**
 * Reads `apt-cache show` output.
 *
 * @param {string} text
 * @returns {Array<Record<string, string>>} one record of fields (lower-case names) for each package
 */
export function parsePackages(text) {
  return text
    .split(/\n\n+/)
    .map((stanza) => {
      /** @type {Record<string, string>} */
      const fields = {};
      for (const line of stanza.split('\n')) {
        const field = /^([A-Za-z0-9-]+): (.*)$/.exec(line);
        if (field) fields[field[1].toLowerCase()] = field[2];
      }
      return fields;
    })
    .filter((fields) => fields['package'] !== undefined);
}

/**
 * The package names of a `Depends` field: of alternatives the first, without versions and architectures.
 *
 * @param {string} depends
 * @returns {string[]}
 */
export function dependencyNames(depends) {
  return depends
    .split(',')
    .map((clause) => /^\s*([a-z0-9][a-z0-9+.-]*)/.exec(clause.split('|')[0] ?? '')?.[1])
    .filter((name) => name !== undefined);
}

/** apt.conf(5) has no escape for a quote inside a quoted value. @param {string} value */
function quoted(value) {
  if (/["\n]/.test(value))
    throw new BringError('debian-path', `apt can't use a path with a quote in it: ${value}`, ADVICE);
  return `"${value}"`;
}

/** @param {string} folder @param {string} architecture */
function aptConfig(folder, architecture) {
  return [
    // The machine's hooks clean its own caches and tell its desktop: they are none of our business.
    '#clear APT::Update::Pre-Invoke;',
    '#clear APT::Update::Post-Invoke;',
    '#clear APT::Update::Post-Invoke-Success;',
    `Dir::State ${quoted(join(folder, 'state'))};`,
    `Dir::State::lists ${quoted(join(folder, 'state', 'lists'))};`,
    `Dir::State::status ${quoted(join(folder, 'state', 'status'))};`,
    `Dir::Cache ${quoted(join(folder, 'cache'))};`,
    `Dir::Log ${quoted(join(folder, 'log'))};`,
    `Dir::Etc::SourceList "/dev/null";`,
    `Dir::Etc::SourceParts ${quoted(join(folder, 'sources'))};`,
    `Dir::Etc::Preferences "/dev/null";`,
    `Dir::Etc::PreferencesParts "/dev/null";`,
    `APT::Architecture ${quoted(architecture)};`,
    '#clear APT::Architectures;',
    `APT::Architectures { ${quoted(architecture)}; };`,
    // Run by root, apt would download as the user _apt, who can't write here.
    'APT::Sandbox::User "root";',
    'APT::Update::Error-Mode "any";',
    'Acquire::Retries "2";',
    'Acquire::http::Timeout "20";',
    'Acquire::https::Timeout "20";',
    '',
  ].join('\n');
}

/** The last line apt printed that tells an error. @param {{ stderr: string, fault: string | undefined }} result */
function reason(result) {
  const lines = result.stderr.split('\n').filter((line) => /^[EW]:/.test(line));
  return (
    result.fault ??
    lines.find((line) => line.startsWith('E:')) ??
    lines[0] ??
    result.stderr.trim().split('\n').at(-1) ??
    ''
  ).slice(0, 300);
}

/** @param {string} folder @returns {Promise<string[]>} all files below it, no links followed */
async function filesBelow(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}

/** @param {string} folder @param {{ program: string, cli: string, loader: string, libraries: string[], package: string, version: string }} manifest */
function describe(folder, manifest) {
  const at = (/** @type {string} */ path) => join(folder, path);
  const loader = [at(manifest.loader), '--library-path', manifest.libraries.map(at).join(':')];
  return {
    path: at(manifest.program),
    launcher: [...loader, at(manifest.program)],
    cli: [...loader, at(manifest.cli)],
    package: manifest.package,
    version: manifest.version,
  };
}

/**
 * The node brought before, if there is one.
 *
 * @param {string} [cacheFolder] default: `defaultCacheFolder()`
 * @returns {Promise<DebianNode | undefined>}
 */
export async function cachedDebianNode(cacheFolder = defaultCacheFolder()) {
  const folder = join(cacheFolder, 'debian');
  const text = await readFile(join(folder, MANIFEST), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    const node = describe(folder, JSON.parse(text));
    return [node.path, ...node.launcher.slice(0, 1)].every((path) => existsSync(path)) ? node : undefined;
  } catch {
    // Written by another version or cut short: as good as absent, it is brought again.
    return undefined;
  }
}

/**
 * Brings Debian's node and the libraries it needs into `cacheFolder/debian`, or gives the one brought before.
 *
 * About 27 MB go over the network. Nothing outside the cache folder changes, also when run by root.
 *
 * @param {{ cacheFolder?: string, refresh?: boolean, offline?: boolean, progress?: (line: string) => void,
 *   signal?: AbortSignal, etcApt?: string, env?: NodeJS.ProcessEnv }} [options]
 *   `refresh` brings it again though there is one; `etcApt` is where the machine's sources are (default /etc/apt)
 * @returns {Promise<DebianNode>}
 * @throws {BringError} `debian-not-here` (no apt or no Debian mirror set up), `debian-unreachable` (the mirror did not
 *   answer, or has no such package), `debian-unpack`, `debian-incomplete` (a library is missing), `debian-path`, `offline`, `disk`, `busy`, `cancelled`
 */
export async function bringDebianNode(options = {}) {
  const { cacheFolder = defaultCacheFolder(), progress, signal } = options;
  if (options.refresh !== true) {
    const cached = await cachedDebianNode(cacheFolder);
    if (cached) return cached;
  }
  if (options.offline === true) {
    throw new BringError(
      'offline',
      "Debian's node is not in the cache and downloads are switched off.",
      ADVICE,
    );
  }
  try {
    const onWait = () => progress?.('Debian: another Adit is bringing it; waiting');
    return await withLock(
      join(cacheFolder, 'debian.lock'),
      { waitMs: MAX_WAIT_MS, onWait, ...(signal ? { signal } : {}) },
      async () => {
        // It may have been brought while we waited.
        const brought = options.refresh === true ? undefined : await cachedDebianNode(cacheFolder);
        return brought ?? (await bringAlone(cacheFolder, options));
      },
    );
  } catch (error) {
    const fault = /** @type {NodeJS.ErrnoException} */ (error);
    if (error instanceof BringError || fault.code === undefined) throw error;
    throw new BringError('disk', `Debian's node could not be stored: ${fault.message}.`, DISK_ADVICE);
  }
}

/**
 * Brings it while no other process does.
 *
 * @param {string} cacheFolder
 * @param {NonNullable<Parameters<typeof bringDebianNode>[0]>} options
 * @returns {Promise<DebianNode>}
 */
async function bringAlone(
  cacheFolder,
  { progress = () => {}, signal, etcApt = '/etc/apt', env = process.env },
) {
  const quiet = { ...env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' };
  const call = async (
    /** @type {string} */ command,
    /** @type {string[]} */ args,
    timeoutMs = 30_000,
    cwd = cacheFolder,
  ) => {
    const limits = { timeoutMs, cwd, env: quiet, maxBytes: 8 * 1024 * 1024, ...(signal ? { signal } : {}) };
    const result = await runBounded(command, args, limits);
    if (signal?.aborted)
      throw new BringError('cancelled', "Bringing Debian's node was cancelled.", 'Start it again.');
    return result;
  };

  const architecture = (await call('dpkg', ['--print-architecture'])).stdout.trim();
  if (!/^[a-z0-9-]+$/.test(architecture)) {
    throw new BringError(
      'debian-not-here',
      "This machine has no apt and dpkg, so Debian's node can't be used here.",
      ADVICE,
    );
  }
  const source = pickDebianSource(await machineSources(etcApt));
  if (!source) {
    throw new BringError('debian-not-here', 'No Debian package mirror is set up on this machine.', ADVICE);
  }

  // What a run that was killed has left behind.
  for (const name of await readdir(cacheFolder)) {
    if (name.startsWith(STAGING)) await rm(join(cacheFolder, name), { recursive: true, force: true });
  }
  const staging = await mkdtemp(join(cacheFolder, STAGING));
  try {
    const work = join(staging, 'apt');
    for (const part of ['state/lists/partial', 'cache/archives/partial', 'log', 'sources', 'debs']) {
      await mkdir(join(work, part), { recursive: true });
    }
    await writeFile(join(work, 'state', 'status'), '');
    await writeFile(join(work, 'sources', 'debian.sources'), sourceFor(source));
    await writeFile(join(work, 'apt.conf'), aptConfig(work, architecture));
    const apt = ['-c', join(work, 'apt.conf')];

    progress(`Debian: reading the package list of ${SUITE}`);
    const update = await call('apt-get', [...apt, '-q', 'update'], 180_000);
    if (update.code !== 0) {
      throw new BringError(
        'debian-unreachable',
        `The Debian mirror of this machine can't be used: ${reason(update)}`,
        ADVICE,
      );
    }
    const packages = await closure(async (names) => {
      const shown = await call('apt-cache', [...apt, 'show', '--no-all-versions', ...names]);
      return parsePackages(shown.stdout);
    });
    const bytes = [...packages.values()].reduce((sum, fields) => sum + Number(fields['size'] ?? 0), 0);
    if (!(bytes <= MAX_DOWNLOAD_BYTES)) {
      throw new BringError(
        'debian-unreachable',
        `Debian's node and its libraries are larger than expected (${bytes} bytes).`,
        ADVICE,
      );
    }
    const version = String(packages.get(PACKAGE)?.['version']);
    progress(
      `Debian: downloading ${PACKAGE} ${version} and ${packages.size - 1} libraries, ${(bytes / 1e6).toFixed(1)} MB`,
    );
    const debs = join(work, 'debs');
    const download = await call('apt-get', [...apt, '-q', 'download', ...packages.keys()], 600_000, debs);
    if (download.code !== 0) {
      throw new BringError(
        'debian-unreachable',
        `The Debian mirror did not deliver: ${reason(download)}`,
        ADVICE,
      );
    }
    const ready = join(staging, 'ready');
    const root = join(ready, 'root');
    await mkdir(root, { recursive: true });
    for (const deb of await readdir(debs)) {
      const unpack = await call('dpkg-deb', ['-x', join(debs, deb), root], 60_000);
      if (unpack.code !== 0)
        throw new BringError('debian-unpack', `${deb} can't be unpacked: ${reason(unpack)}`, ADVICE);
    }
    const manifest = await survey(ready, version);
    await writeFile(join(ready, MANIFEST), `${JSON.stringify(manifest, undefined, 2)}\n`);
    const node = describe(ready, manifest);
    for (const program of [node.launcher, node.cli]) {
      const list = await call(String(program[0]), ['--list', ...program.slice(1)], 10_000);
      const missing = [...list.stdout.matchAll(/^\s*(\S+) => not found/gm)].map((match) => match[1]);
      if (list.code !== 0 || missing.length > 0) {
        const what = missing.length > 0 ? `${missing.join(', ')} missing` : reason(list);
        throw new BringError('debian-incomplete', `Debian's node can't be started here: ${what}.`, ADVICE);
      }
    }
    const place = join(cacheFolder, 'debian');
    // A folder can't be replaced in one step: the old one steps aside.
    if (existsSync(place)) await rename(place, join(staging, 'old'));
    await rename(ready, place);
    progress(`Debian: ${PACKAGE} ${version} is ready`);
    return describe(place, manifest);
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

/**
 * The package and the libraries it needs, found level by level.
 *
 * @param {(names: string[]) => Promise<Array<Record<string, string>>>} show
 */
async function closure(show) {
  /** @type {Map<string, Record<string, string>>} */
  const packages = new Map();
  const seen = new Set([PACKAGE]);
  let next = [PACKAGE];
  while (next.length > 0) {
    const found = (await show(next)).filter(
      (fields) => fields['package'] === PACKAGE || (fields['section'] ?? '').endsWith(FOLLOWED_SECTION),
    );
    next = [];
    for (const fields of found) {
      packages.set(fields['package'], fields);
      for (const name of dependencyNames(
        [fields['pre-depends'], fields['depends']].filter(Boolean).join(','),
      )) {
        if (seen.has(name) || SKIPPED.has(name)) continue;
        seen.add(name);
        next.push(name);
      }
    }
    if (packages.size > MAX_PACKAGES) {
      throw new BringError(
        'debian-unreachable',
        `Debian's node wants more than ${MAX_PACKAGES} packages.`,
        ADVICE,
      );
    }
  }
  if (!packages.has(PACKAGE)) {
    throw new BringError(
      'debian-unreachable',
      `The Debian mirror has no package ${PACKAGE} in ${SUITE} for this machine.`,
      ADVICE,
    );
  }
  return packages;
}

/** Finds program, loader and library folders in what was unpacked. @param {string} ready @param {string} version */
async function survey(ready, version) {
  const files = await filesBelow(ready);
  const find = (/** @type {RegExp} */ pattern, /** @type {string} */ what) => {
    const path = files.find((file) => pattern.test(file));
    if (path === undefined)
      throw new BringError('debian-incomplete', `Debian's packages hold no ${what}.`, ADVICE);
    return path;
  };
  const loader = await realpath(find(/\/ld(-linux[^/]*|64)\.so\.\d+$/, 'loader'));
  if (relative(await realpath(ready), loader).startsWith('..')) {
    throw new BringError('debian-incomplete', "Debian's loader leads out of its package.", ADVICE);
  }
  const libraries = new Set(
    files.filter((file) => /\/lib[^/]*\.so(\.[0-9]+)+$/.test(file)).map((file) => dirname(file)),
  );
  const inside = (/** @type {string} */ path) => relative(ready, path);
  return {
    package: PACKAGE,
    version,
    program: inside(find(/\/s?bin\/bitcoind$/, 'bitcoind')),
    cli: inside(find(/\/s?bin\/bitcoin-cli$/, 'bitcoin-cli')),
    loader: inside(loader),
    libraries: [...libraries].map(inside).filter((path) => !path.includes('gconv')),
  };
}
