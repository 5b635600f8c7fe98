/** Brings the peers: programs built by cargo from published crates, kept in the cache outside the clone. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defaultCacheFolder } from '../../../native/cache.mjs';

export const cacheFolder = join(defaultCacheFolder(), 'interop');
const vectorsFolder = fileURLToPath(new URL('../vectors/', import.meta.url));

/** A program of the reference implementation. */
export interface Application {
  /** What is started. */
  readonly program: string;
  readonly crate: string;
  readonly version: string;
}

/** The newest published versions at the time of writing. */
export const APPLICATIONS = {
  miningDevice: { program: 'mining_device', crate: 'integration_tests_sv2', version: '0.6.0' },
  translator: { program: 'translator_sv2', crate: 'translator_sv2', version: '0.6.0' },
  pool: { program: 'pool_sv2', crate: 'pool_sv2', version: '0.7.0' },
} as const satisfies Record<string, Application>;

/** A program that is there, or why it is not and how to get it. */
export type Brought =
  { readonly ok: true; readonly path: string } | { readonly ok: false; readonly reason: string };

function runs(command: string): boolean {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;
}

/** Runs cargo with its words on stderr, at the lowest priority where that can be said. One job: builds are not in a hurry. */
function cargo(args: readonly string[], environment: Readonly<Record<string, string>>): boolean {
  const nice = process.platform === 'win32' ? [] : ['nice', '-n', '19'];
  const [command = 'cargo', ...rest] = [...nice, 'cargo', ...args];
  const done = spawnSync(command, rest, {
    stdio: ['ignore', 2, 2],
    env: { ...process.env, ...environment },
  });
  return done.status === 0;
}

const executable = (name: string): string => (process.platform === 'win32' ? `${name}.exe` : name);

/** Names the sources of our own peer: it is built again when they change. */
function sourcesDigest(): string {
  const hash = createHash('sha256');
  const files = ['Cargo.toml', ...readdirSync(join(vectorsFolder, 'src')).map((f) => join('src', f))];
  for (const file of files.sort()) hash.update(file).update(readFileSync(join(vectorsFolder, file)));
  return hash.digest('hex');
}

/** Our own peer, made of the protocol crates. Takes about a minute and a half to build. */
export function bringPeer(build: boolean): Brought {
  const target = join(cacheFolder, 'target');
  const path = join(target, 'release', executable('adit-interop-peer'));
  const stamp = join(cacheFolder, 'peer.sources');
  const digest = sourcesDigest();
  if (existsSync(path) && existsSync(stamp) && readFileSync(stamp, 'utf8') === digest)
    return { ok: true, path };
  if (!build)
    return { ok: false, reason: 'the reference crates are not built: npm run test:interop builds them' };
  if (!runs('cargo')) return { ok: false, reason: 'no cargo: install Rust (https://rustup.rs)' };
  mkdirSync(cacheFolder, { recursive: true });
  console.error('building the reference crates (once, about 2 minutes) …');
  const args = ['build', '--release', '-j1', '--manifest-path', join(vectorsFolder, 'Cargo.toml')];
  if (!cargo(args, { CARGO_TARGET_DIR: target }))
    return { ok: false, reason: 'the reference crates could not be built: see the words of cargo above' };
  writeFileSync(stamp, digest);
  return { ok: true, path };
}

/** What the peer prints when it is asked for golden data: "messages" or "noise". */
export function goldenData(path: string, kind: string): string {
  const done = spawnSync(path, [kind], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  if (done.status !== 0) throw new Error(`the peer gave no golden data: ${done.stderr}`);
  return done.stdout;
}

/** An application of the reference implementation. Takes many minutes to build, and needs `capnp`. */
export function bringApplication(application: Application, build: boolean): Brought {
  const { crate, program, version } = application;
  const folder = join(cacheFolder, `${crate}-${version}`);
  const path = join(folder, 'bin', executable(program));
  if (existsSync(path)) return { ok: true, path };
  const title = `${program} (${crate} ${version})`;
  if (!build) return { ok: false, reason: `${title} is not built: npm run test:interop builds it` };
  if (!runs('cargo')) return { ok: false, reason: `${title}: no cargo: install Rust (https://rustup.rs)` };
  if (!runs('capnp'))
    return { ok: false, reason: `${title}: no capnp: install the packages capnproto and libcapnp-dev` };
  console.error(`building ${title} (once, about 10 minutes) …`);
  const args = [
    'install',
    crate,
    '--version',
    `=${version}`,
    '--locked',
    '--bin',
    program,
    '-j1',
    '--root',
    folder,
  ];
  // They are here to talk, not to be fast.
  const done = cargo(args, {
    CARGO_TARGET_DIR: join(cacheFolder, 'target-applications'),
    CARGO_PROFILE_RELEASE_LTO: 'off',
    CARGO_PROFILE_RELEASE_OPT_LEVEL: '1',
    CARGO_PROFILE_RELEASE_CODEGEN_UNITS: '16',
  });
  if (!done) return { ok: false, reason: `${title} could not be built: see the words of cargo above` };
  return { ok: true, path };
}
