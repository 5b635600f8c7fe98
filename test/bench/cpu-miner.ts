/**
 * How fast one core hashes, against other CPU miners where there are any.
 * Run alone: node test/bench/cpu-miner.ts   (peers from ADIT_BENCH_CPUMINER, else `minerd` and `cpuminer` on the PATH)
 */
import { execFile, spawn } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { basename, delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { loadHasher } from '../../src-main/services/practice/index.ts';

export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly value: number;
  readonly peer: number | null;
  readonly peerName: string | null;
  readonly ratio: number | null;
}

export interface CpuMinerBenchOptions {
  /** Programs to measure beside ours; default: see `findPeers`. */
  readonly peerPaths?: readonly string[];
  /** Times everyone is measured, in turns. The median counts. Default 3. */
  readonly rounds?: number;
  /** Of ours, per round. Default 4. */
  readonly seconds?: number;
}

const run = promisify(execFile);
const HERE = fileURLToPath(import.meta.url);
/** Ours scans in slices of about this long, as the miner's threads do. */
const SLICE_MS = 4;
const PEER_TIMEOUT_MS = 30_000;
/** Linux counts processor time in hundredths of a second (USER_HZ). */
const TICKS_PER_SECOND = 100;

interface Way {
  readonly name: string;
  readonly addon: boolean;
  readonly versions: number;
}
const WAYS: readonly Way[] = [
  // As the miner works: one nonce is tried with 16 versions.
  { name: 'cpu-miner.per-core', addon: true, versions: 16 },
  // The same kernel where the version may not be rolled, which is all that the peers do.
  { name: 'cpu-miner.per-core.one-version', addon: true, versions: 1 },
  { name: 'cpu-miner.per-core.wasm', addon: false, versions: 16 },
];

/** Peers named in ADIT_BENCH_CPUMINER (separated as in PATH), else `minerd` and `cpuminer` on the PATH. */
export function findPeers(environment: NodeJS.ProcessEnv = process.env): string[] {
  const named = environment['ADIT_BENCH_CPUMINER'];
  const folders = (environment['PATH'] ?? '').split(delimiter);
  const candidates = named
    ? named.split(delimiter)
    : folders.flatMap((folder) => [join(folder, 'minerd'), join(folder, 'cpuminer')]);
  return candidates.filter((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Command and arguments that hold a program on core 0 where the system can. */
async function pinned(command: string, args: readonly string[]): Promise<[string, string[]]> {
  try {
    await run('taskset', ['--version']);
    return ['taskset', ['-c', '0', command, ...args]];
  } catch {
    return [command, [...args]];
  }
}

/** Seconds of processor time a process has used; undefined where the system does not tell. */
function processorSeconds(pid: number): number | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  } catch {
    return undefined;
  }
}

/** Our MH per second of processor time, in a process of its own. */
async function measureOurs(way: Way, seconds: number): Promise<number> {
  const [command, args] = await pinned(process.execPath, [
    HERE,
    '--measure',
    JSON.stringify({ ...way, seconds }),
  ]);
  const { stdout } = await run(command, args);
  return Number(stdout);
}

function hashFor({ addon, versions, seconds }: Way & { seconds: number }): number {
  const hasher = loadHasher(addon ? {} : { addon: null });
  const request = {
    header: Uint8Array.from({ length: 80 }, (_, i) => i),
    target: new Uint8Array(32),
    versions: Uint32Array.from({ length: versions }, (_, i) => 0x20000000 + (i << 13)),
  };
  let slice = 4_096;
  let start = 0;
  let hashes = 0;
  let began = process.cpuUsage();
  const scan = (until: number): void => {
    while (performance.now() < until) {
      const from = performance.now();
      const { done } = hasher.scan({ ...request, start, count: slice });
      const took = performance.now() - from;
      start = (start + done) % 2 ** 31;
      hashes += done * versions;
      slice = Math.max(64, Math.round(slice * Math.min(4, SLICE_MS / took)));
    }
  };
  // WebAssembly is compiled better once it has run for a while.
  scan(performance.now() + 500);
  hashes = 0;
  began = process.cpuUsage();
  scan(performance.now() + seconds * 1_000);
  const { user, system } = process.cpuUsage(began);
  return hashes / (user + system);
}

/**
 * A peer's MH per second of processor time on one thread, from what it says of itself in its own benchmark mode: the second
 * "Total: … khash/s" (the first may be of a very short run), corrected by the share of the core it had meanwhile.
 */
async function measurePeer(path: string): Promise<number> {
  const [command, args] = await pinned(path, ['--benchmark', '-a', 'sha256d', '-t', '1']);
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<never>((_, reject) => {
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`${path} ended before it gave a figure`)));
  });
  const spoken = new Promise<number>((resolve) => {
    let before: { readonly wall: number; readonly cpu: number | undefined } | undefined;
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        const match = /Total: ([0-9.]+) ([kMG]?)(?:hash|H)\/s/.exec(line);
        if (!match) return;
        const now = { wall: performance.now() / 1_000, cpu: processorSeconds(child.pid ?? 0) };
        if (before && now.wall - before.wall > 1) {
          const rate = Number(match[1]) * ({ '': 1e-6, k: 1e-3, M: 1, G: 1e3 }[match[2] ?? ''] ?? 1);
          const had = before.cpu === undefined || now.cpu === undefined ? undefined : now.cpu - before.cpu;
          resolve(had ? (rate * (now.wall - before.wall)) / had : rate);
        }
        before = now;
      });
    }
  });
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${path} gave no figure in time`)), PEER_TIMEOUT_MS);
  });
  try {
    return await Promise.race([spoken, ended, late]);
  } finally {
    clearTimeout(timer);
    ended.catch(() => {});
    child.kill('SIGKILL');
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const high = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] ?? high) + high) / 2;
}

async function nameOf(path: string): Promise<string> {
  try {
    const { stdout } = await run(path, ['--version']);
    const version = /([\w-]*miner[\w-]*) v?(\d[\w.]*)/i.exec(stdout);
    return version ? `${version[1]} ${version[2]}` : basename(path);
  } catch {
    return basename(path);
  }
}

/** Measures ours and each peer in turns on one core. Figures are MH per second of processor time; the fastest peer counts. */
export async function benchCpuMiner(options: CpuMinerBenchOptions = {}): Promise<Figure[]> {
  const { rounds = 3, seconds = 4, peerPaths = findPeers() } = options;
  const peers = await Promise.all(
    peerPaths.map(async (path) => ({ path, name: await nameOf(path), rates: [] as number[] })),
  );
  const withAddon = loadHasher().kind === 'addon';
  const ours = WAYS.filter((way) => withAddon || !way.addon).map((way) => ({ way, rates: [] as number[] }));
  for (let round = 0; round < rounds; round += 1) {
    for (const { way, rates } of ours) rates.push(await measureOurs(way, seconds));
    for (const peer of peers) {
      try {
        peer.rates.push(await measurePeer(peer.path));
      } catch (error) {
        console.error(`cpu-miner: ${(error as Error).message}`);
      }
    }
  }
  const fastest = peers
    .filter(({ rates }) => rates.length > 0)
    .map(({ name, rates }) => ({ name, rate: median(rates) }))
    .toSorted((a, b) => b.rate - a.rate)[0];
  return ours.map(({ way, rates }) => {
    const value = median(rates);
    const peer = way.addon ? fastest : undefined;
    return {
      name: way.name,
      unit: 'MH/s',
      value,
      peer: peer?.rate ?? null,
      peerName: peer?.name ?? null,
      ratio: peer ? value / peer.rate : null,
    };
  });
}

if (process.argv[1] === HERE) {
  const measure = process.argv.indexOf('--measure');
  if (measure === -1) console.log(JSON.stringify(await benchCpuMiner(), null, 2));
  else console.log(hashFor(JSON.parse(process.argv[measure + 1] ?? '') as Way & { seconds: number }));
}
