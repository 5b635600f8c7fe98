import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { basename, delimiter, isAbsolute, join, resolve } from 'node:path';
import { BringError, defaultCacheFolder } from '../../../native/cache.mjs';
import { probeNode } from '../../../native/probe.mjs';
import type { Network } from '../../core/bitcoin/network.ts';
import { debianNode } from './debian.ts';
import { downloadRelease, releaseInCache } from './download.ts';
import type { BringProgress } from './download.ts';
import type { BinaryOrigin, NodeBinary } from './types.ts';
import { judgeBinary } from './version.ts';

export interface FindOptions {
  readonly network: Network;
  /** What the user named in the settings: the program, or a folder it is in. Empty or undefined: nothing named. */
  readonly named?: string | undefined;
  /** The search path, as the system writes it. Default: the `PATH` of this process. */
  readonly path?: string | undefined;
  /** Folder with the release that came with the app (`bin/`, `libexec/` in it). */
  readonly bundled?: string | undefined;
  /** Folder for brought programs. Default: the user's cache folder for Adit. */
  readonly cacheFolder?: string | undefined;
  /** May the official release be downloaded? Default: false. */
  readonly download?: boolean;
  /** May Debian's own node be used, and brought with apt? Heeded on regtest only. Default: false. */
  readonly debian?: boolean;
  readonly progress?: BringProgress;
  readonly signal?: AbortSignal;
  /** Limit for each start of a candidate with `-version` or `-help`. Default: 10,000. */
  readonly probeTimeoutMs?: number;
}

/** One candidate that was looked at and not taken, and why. */
export interface Tried {
  readonly origin: BinaryOrigin;
  readonly path: string | undefined;
  readonly code: string;
  readonly message: string;
}

export type FoundBinary =
  | { readonly ok: true; readonly binary: NodeBinary; readonly tried: readonly Tried[] }
  | {
      readonly ok: false;
      /** Stable: `named-missing`, `named-unusable`, `cancelled`, a code of `judgeBinary` for a named one, or `no-node`. */
      readonly code: string;
      readonly message: string;
      /** The one next step. */
      readonly advice: string;
      readonly tried: readonly Tried[];
    };

const windows = process.platform === 'win32';
const EXE = windows ? '.exe' : '';
const MAX_PATH_FOLDERS = 200;
const CHOOSE =
  'Choose a Bitcoin Core 30.2 or newer in the settings, or clear the field: Adit then finds one itself.';

/** The words to start a node with: program first, its arguments after. */
export function commandOf(
  binary: Pick<NodeBinary, 'path' | 'launcher'>,
  args: readonly string[],
): readonly [string, ...string[]] {
  const [program, ...words] = binary.launcher;
  return program === undefined ? [binary.path, ...args] : [program, ...words, ...args];
}

async function isProgram(path: string): Promise<boolean> {
  try {
    if (!(await stat(path)).isFile()) return false;
    await access(path, windows ? constants.F_OK : constants.X_OK);
    return true;
  } catch {
    // Not there or not ours to run: both mean that it is no candidate.
    return false;
  }
}

async function firstProgram(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) if (await isProgram(path)) return path;
  return undefined;
}

/** Where a node can be in a folder as releases lay it out: `bitcoin-node` before `bitcoind`, because it has IPC. */
function placesIn(folder: string): string[] {
  const nodes = windows
    ? []
    : [
        join(folder, 'bitcoin-node'),
        join(folder, 'libexec', 'bitcoin-node'),
        join(folder, 'bin', 'bitcoin-node'),
      ];
  return [...nodes, join(folder, `bitcoind${EXE}`), join(folder, 'bin', `bitcoind${EXE}`)];
}

/**
 * The nodes on a search path, best first: each `bitcoin-node` in a folder of it or in the `libexec` beside a folder that
 * has the `bitcoin` command (so releases from 30 on are laid out), then each `bitcoind`. Relative folders are passed over,
 * they would mean another program in every working directory.
 */
async function nodesOnPath(path: string): Promise<string[]> {
  const folders = path
    .split(delimiter)
    .filter((folder) => isAbsolute(folder))
    .slice(0, MAX_PATH_FOLDERS);
  const found: string[] = [];
  if (!windows) {
    for (const folder of folders) {
      if (await isProgram(join(folder, 'bitcoin-node'))) found.push(join(folder, 'bitcoin-node'));
      const libexec = join(folder, '..', 'libexec', 'bitcoin-node');
      if ((await isProgram(join(folder, 'bitcoin'))) && (await isProgram(libexec))) found.push(libexec);
    }
  }
  for (const folder of folders) {
    const daemon = join(folder, `bitcoind${EXE}`);
    if (await isProgram(daemon)) found.push(daemon);
  }
  return [...new Set(found)];
}

/** What the user's words mean: a program, or a folder with one; the `bitcoin` command stands for its `bitcoin-node`. */
async function resolveNamed(named: string): Promise<string | undefined> {
  const path = resolve(named);
  const isFolder = await stat(path).then(
    (facts) => facts.isDirectory(),
    () => false,
  );
  if (isFolder) return firstProgram(placesIn(path));
  if (/^bitcoin(\.exe)?$/.test(basename(path))) {
    const folder = join(path, '..');
    return firstProgram([join(folder, '..', 'libexec', 'bitcoin-node'), ...placesIn(folder)]);
  }
  return (await isProgram(path)) ? path : undefined;
}

type Looked =
  | { readonly ok: true; readonly binary: NodeBinary }
  | { readonly ok: false; readonly code: string; readonly message: string; readonly advice: string };

/** Starts a candidate with `-version` and judges what it says. */
async function look(
  candidate: { path: string; launcher: readonly string[]; origin: BinaryOrigin },
  options: FindOptions,
): Promise<Looked> {
  // The window version answers -version with a window.
  if (/qt|gui/i.test(basename(candidate.path))) {
    return {
      ok: false,
      code: 'not-a-node',
      message: `${candidate.path} is the version with a window; Adit needs bitcoin-node or bitcoind.`,
      advice: 'Name the bitcoin-node or bitcoind that lies near it.',
    };
  }
  const probe = await probeNode(commandOf(candidate, []), {
    timeoutMs: options.probeTimeoutMs ?? 10_000,
    ...(options.signal && { signal: options.signal }),
  });
  if (!probe.ok) {
    return {
      ok: false,
      code: 'unusable',
      message: `${candidate.path} can't be used: ${probe.reason}.`,
      advice: CHOOSE,
    };
  }
  const judgement = judgeBinary(probe, options.network);
  if (!judgement.ok) return judgement;
  const { flavour, version, versionNumber, ipc } = probe;
  return { ok: true, binary: { ...candidate, flavour, version, versionNumber, ipc } };
}

/**
 * Finds the node to run, in this order: the one the user names; on the search path; the bundled release; the cached
 * release; the download (where allowed); on regtest, where allowed, Debian's.
 *
 * A named one that is missing or refused is an answer of its own: Adit never runs another program than the one the user
 * chose. Everything else that does not do is passed over and told in `tried`.
 *
 * Never rejects for anything a machine can do wrong; the outcome says it.
 */
export async function findNodeBinary(options: FindOptions): Promise<FoundBinary> {
  const tried: Tried[] = [];
  const cacheFolder = options.cacheFolder ?? defaultCacheFolder();
  const mayUseDebian = options.debian === true && options.network === 'regtest';
  const cancelled = (): boolean => options.signal?.aborted === true;

  const named = options.named?.trim() ?? '';
  if (named !== '') {
    const path = await resolveNamed(named);
    if (path === undefined) {
      return {
        ok: false,
        code: 'named-missing',
        message: `There is no Bitcoin node to run at ${named}.`,
        advice: CHOOSE,
        tried,
      };
    }
    const looked = await look({ path, launcher: [], origin: 'named' }, options);
    if (looked.ok) return { ...looked, tried };
    const code = looked.code === 'unusable' ? 'named-unusable' : looked.code;
    return { ok: false, code, message: looked.message, advice: looked.advice, tried };
  }

  /** Looks at one candidate; what is not taken is noted. */
  const consider = async (path: string, origin: BinaryOrigin, launcher: readonly string[] = []) => {
    const looked = await look({ path, launcher, origin }, options);
    if (looked.ok) return looked.binary;
    tried.push({ origin, path, code: looked.code, message: looked.message });
    return undefined;
  };
  /** Brings one; a failure is noted and the next way is tried. */
  const bring = async <T>(origin: BinaryOrigin, way: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await way();
    } catch (error) {
      if (!(error instanceof BringError)) throw error;
      advice = error.advice;
      tried.push({ origin, path: undefined, code: error.code, message: error.message });
      return undefined;
    }
  };
  let advice = 'Install Bitcoin Core 30.2 or newer and name it in the settings.';

  for (const path of await nodesOnPath(options.path ?? process.env['PATH'] ?? '')) {
    const binary = await consider(path, 'path');
    if (binary) return { ok: true, binary, tried };
  }
  if (options.bundled !== undefined) {
    const path = await firstProgram(placesIn(options.bundled));
    const binary = path === undefined ? undefined : await consider(path, 'bundled');
    if (binary) return { ok: true, binary, tried };
  }
  const cached = await releaseInCache(cacheFolder);
  if (cached) {
    const binary = await consider(cached.path, 'cache');
    if (binary) return { ok: true, binary, tried };
    advice = `Delete ${cached.folder} and try again.`;
  } else if (!cancelled()) {
    // Without leave to download, an archive placed by hand still counts.
    const { progress, signal } = options;
    const way = {
      cacheFolder,
      network: options.download === true,
      // Practice has another way left, so a network that swallows everything must not hold it up.
      ...(mayUseDebian && { answerMs: 5_000 }),
      ...(progress && { progress }),
      ...(signal && { signal }),
    };
    const brought = await bring('downloaded', () => downloadRelease(way));
    const binary = brought && (await consider(brought.path, 'downloaded'));
    if (binary) return { ok: true, binary, tried };
  }
  if (mayUseDebian && !cancelled()) {
    const { progress, signal } = options;
    const way = { cacheFolder, network: true, ...(progress && { progress }), ...(signal && { signal }) };
    const kept = advice;
    const brought = await bring('debian', () => debianNode(way));
    const binary = brought && (await consider(brought.path, 'debian', brought.launcher));
    if (binary) return { ok: true, binary, tried };
    advice = kept;
  }
  if (cancelled()) {
    return {
      ok: false,
      code: 'cancelled',
      message: 'The search for a Bitcoin node was cancelled.',
      advice: 'Start it again.',
      tried,
    };
  }
  const refused = tried.map((one) => one.message).join(' ');
  return {
    ok: false,
    code: 'no-node',
    message: `No usable Bitcoin node was found. ${refused}`.trim(),
    advice,
    tried,
  };
}
