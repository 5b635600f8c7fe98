import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import { PracticeError } from './errors.ts';

/** Versions one scan may hold (`SHA256D_MAX_VERSIONS` of native/sha256d). */
export const MAX_VERSIONS = 16;
/** Hits one scan may give (`SHA256D_MAX_HITS`). */
const MAX_HITS = 1024;
/** Longest data the WebAssembly build takes in `sha256d`. */
const WASM_MAX_DATA = 4096;

export interface ScanRequest {
  /** 80 bytes. Version and nonce in it do not matter. */
  readonly header: Uint8Array;
  /** 32 bytes, little-endian: a hash in internal byte order at or below it is a hit. */
  readonly target: Uint8Array;
  /** Header versions to try with each nonce, 1 to `MAX_VERSIONS`. More of them cost less per hash. */
  readonly versions: Uint32Array;
  /** First nonce, and how many from there; never past 2^32. */
  readonly start: number;
  readonly count: number;
  /** A kernel by its name instead of the quickest; for tests and measures. */
  readonly kernel?: string;
}

export interface ScanResult {
  /** Nonces looked at, each with every version. Less than asked when there was no room for more hits. */
  readonly done: number;
  readonly hits: readonly { readonly nonce: number; readonly version: number }[];
}

export interface Kernel {
  readonly name: string;
  /** This machine can run it, and it gave right results for known blocks. */
  readonly usable: boolean;
  /** Short measurement at load; 0 where none was made. */
  readonly hashesPerSecond: number;
  readonly best: boolean;
}

/** Double SHA-256 of block headers, from native code or WebAssembly behind one face. Not to be shared between threads. */
export interface Hasher {
  readonly kind: 'addon' | 'wasm';
  /** The kernel in use, for example "avx512". */
  readonly kernel: string;
  readonly kernels: readonly Kernel[];
  /** Why the add-on is not in use; undefined when it is. */
  readonly fallbackReason: string | undefined;
  /** Searches nonces. Blocks until done. Throws TypeError on wrong sizes or an unknown kernel. */
  scan(request: ScanRequest): ScanResult;
  /** SHA-256 twice, 32 bytes in internal byte order. */
  sha256d(data: Uint8Array): Uint8Array;
  /** Puts the calling thread behind everything else on this computer, where the system lets it. */
  lowerPriority(): void;
}

export interface HasherFiles {
  /** The add-on; null: do not try. Default: native/build/sha256d.node of this repository. */
  readonly addon?: string | null;
  /** The WebAssembly build. Default: native/sha256d/sha256d.wasm. */
  readonly wasm?: string;
}

interface Addon {
  scan(
    header: Uint8Array,
    target: Uint8Array,
    versions: Uint32Array,
    start: number,
    count: number,
    hits: Uint32Array,
    kernel?: string,
  ): [done: number, found: number];
  sha256d(data: Uint8Array, digest: Uint8Array): void;
  features(): Kernel[];
  lowerPriority(): void;
}

interface Wasm {
  readonly memory: WebAssembly.Memory;
  init(): number;
  header_at(): number;
  target_at(): number;
  versions_at(): number;
  hits_at(): number;
  data_at(): number;
  digest_at(): number;
  hit_count(): number;
  scan(versionCount: number, start: number, count: number, kernel: number): number;
  sha256d(size: number): void;
}

const fromRoot = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

/**
 * Loads the quickest hasher there is: the add-on, else WebAssembly. Both prove themselves on known blocks first.
 * Throws `PracticeError` "noHasher" when neither can be loaded.
 */
export function loadHasher(files: HasherFiles = {}): Hasher {
  const addon = files.addon === undefined ? fromRoot('native/build/sha256d.node') : files.addon;
  let reason = 'not asked for';
  if (addon !== null) {
    try {
      return addonHasher(createRequire(import.meta.url)(addon) as Addon);
    } catch (error) {
      reason = (error as Error).message.split('\n')[0] ?? '';
    }
  }
  try {
    return wasmHasher(files.wasm ?? fromRoot('native/sha256d/sha256d.wasm'), reason);
  } catch (error) {
    throw new PracticeError(
      'noHasher',
      `Neither the sha256d add-on (${reason}) nor its WebAssembly build (${(error as Error).message}) can be loaded. ` +
        'Run "node native/build-addon.mjs", or install Adit again.',
      { cause: error },
    );
  }
}

function pairs(hits: Uint32Array, found: number, versions: Uint32Array): ScanResult['hits'] {
  const out = [];
  for (let i = 0; i < found; i += 1) {
    out.push({ nonce: hits[2 * i] as number, version: versions[hits[2 * i + 1] as number] as number });
  }
  return out;
}

function addonHasher(addon: Addon): Hasher {
  const hits = new Uint32Array(2 * MAX_HITS);
  const kernels = addon.features();
  return {
    kind: 'addon',
    kernel: kernels.find((kernel) => kernel.best)?.name ?? 'plain',
    kernels,
    fallbackReason: undefined,
    scan({ header, target, versions, start, count, kernel }) {
      const [done, found] = addon.scan(header, target, versions, start, count, hits, kernel);
      return { done, hits: pairs(hits, found, versions) };
    },
    sha256d(data) {
      const digest = new Uint8Array(32);
      addon.sha256d(data, digest);
      return digest;
    },
    lowerPriority: () => addon.lowerPriority(),
  };
}

function wasmHasher(path: string, fallbackReason: string): Hasher {
  const instance = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(path)));
  const wasm = instance.exports as unknown as Wasm;
  if (wasm.init() !== 1) throw new Error('its results are wrong on this machine');
  const bytes = new Uint8Array(wasm.memory.buffer);
  const hits = new Uint32Array(wasm.memory.buffer, wasm.hits_at(), 2 * MAX_HITS);
  const kernels: readonly Kernel[] = [
    { name: 'plain', usable: true, hashesPerSecond: 0, best: false },
    { name: 'simd128', usable: true, hashesPerSecond: 0, best: true },
  ];
  return {
    kind: 'wasm',
    kernel: 'simd128',
    kernels,
    fallbackReason,
    scan({ header, target, versions, start, count, kernel = 'simd128' }) {
      const place = kernels.findIndex(({ name }) => name === kernel);
      if (header.length !== 80) throw new TypeError('header is a Uint8Array of 80 bytes');
      if (target.length !== 32) throw new TypeError('target is a Uint8Array of 32 bytes');
      if (versions.length < 1 || versions.length > MAX_VERSIONS) {
        throw new TypeError('versions is a Uint32Array of 1 to 16 versions');
      }
      if (!(count >= 0 && count <= 2 ** 32)) throw new TypeError('count is a number from 0 to 2^32');
      if (place === -1) throw new TypeError('this kernel does not run here');
      bytes.set(header, wasm.header_at());
      bytes.set(target, wasm.target_at());
      new Uint32Array(wasm.memory.buffer, wasm.versions_at(), MAX_VERSIONS).set(versions);
      const done = wasm.scan(versions.length, start, count, place);
      return { done, hits: pairs(hits, wasm.hit_count(), versions) };
    },
    sha256d(data) {
      if (data.length > WASM_MAX_DATA) throw new TypeError(`data has at most ${WASM_MAX_DATA} bytes here`);
      bytes.set(data, wasm.data_at());
      wasm.sha256d(data.length);
      return bytes.slice(wasm.digest_at(), wasm.digest_at() + 32);
    },
    lowerPriority() {
      // On Linux this is the thread's own; elsewhere it would be the whole program's.
      if (process.platform === 'linux') setPriority(19);
    },
  };
}
