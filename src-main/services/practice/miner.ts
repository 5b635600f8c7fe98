import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Network } from '../../core/bitcoin/network.ts';
import { targetOfDifficulty } from '../../core/bitcoin/target.ts';
import type { ClientShare } from '../../core/stratum-v1/client.ts';
import { silentLog, type Log } from '../log/index.ts';
import { PracticeError } from './errors.ts';
import type { HasherFiles } from './hasher.ts';
import {
  createSv1Client,
  type Assignment,
  type ClientState,
  type ServerAddress,
  type SubmitReply,
} from './sv1-client.ts';
import type { FromWorker, ToWorker, WorkOrder, WorkerSetup } from './work.ts';

/** The hashrate shown is over this time. */
const RATE_WINDOW_MS = 10_000;
/** Room between the extranonce2 of one order and those of the next, so that no work is done twice. */
const ORDER_STEP = 0x1_0000;
/** A thread that ends by itself is started again so often; after that the miner goes on without it. */
const MAX_RESTARTS = 5;
export const MAX_THREADS = 256;

/** What a practice miner has done since it was made. */
export interface PracticeStats {
  readonly state: ClientState;
  /** Why the connection ended, or a thread did; empty while all is well. */
  readonly detail: string;
  readonly threads: number;
  /** Hashes per second over the last ten seconds. */
  readonly hashrate: number;
  readonly hashes: number;
  readonly difficulty: number | undefined;
  readonly accepted: number;
  readonly rejected: number;
  /** Shares without an answer because the connection ended. */
  readonly lost: number;
  /** Shares of work that was given up before they were sent. */
  readonly stale: number;
  /** Shares not sent because the difficulty was far too low. */
  readonly withheld: number;
  readonly lastShareAt: number | undefined;
  /** What hashes: "addon/avx512", "wasm/simd128", "simulated"; empty before the first thread is ready. */
  readonly hasher: string;
}

export interface PracticeShare {
  readonly at: number;
  readonly share: ClientShare;
  readonly difficulty: number;
  readonly reply: SubmitReply;
}

export interface PracticeMiner {
  /** Connects to a gateway and mines; comes back to it whenever the connection ends. */
  start(gateway: ServerAddress): void;
  /** Ends threads and connection; resolves when all are gone. May be started again. */
  stop(): Promise<void>;
  /** Number of hashing threads, also while running; 0: half the cores. */
  setThreads(threads: number): void;
  stats(): PracticeStats;
  /** Each share with its answer. Gives the way to stop listening. */
  onShare(listener: (share: PracticeShare) => void): () => void;
  onState(listener: (state: ClientState, detail: string) => void): () => void;
}

export interface MinerOptions {
  /** Anything but "main": practice miners refuse to work on the real chain. */
  readonly network: Network;
  /** Worker name. */
  readonly worker: string;
  readonly userAgent: string;
  readonly versionMask?: number;
  readonly suggestDifficulty?: number;
  readonly log?: Log;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** 0 ≤ x < 1. */
  readonly random?: () => number;
  /** Where the native parts are, when not in this repository (a packaged app). */
  readonly files?: HasherFiles;
  /** The hashing thread's script; default: cpu-worker.ts beside this file. */
  readonly workerScript?: string | URL;
}

/** Half the cores, at least one: the rest of the computer stays usable. */
export function threadsFor(setting: number): number {
  if (!Number.isInteger(setting) || setting < 0 || setting > MAX_THREADS) {
    throw new PracticeError('range', `threads is a whole number from 0 to ${MAX_THREADS}, not ${setting}`);
  }
  return setting === 0 ? Math.max(1, Math.floor(availableParallelism() / 2)) : setting;
}

/** Throws `PracticeError` "mainnet" on the real chain: practice must never take part in it. */
export function refuseMainnet(network: Network): void {
  if (network === 'main') {
    throw new PracticeError(
      'mainnet',
      'Practice miners do not run on mainnet. Choose regtest, signet or testnet4.',
    );
  }
}

/** 32 bytes, little-endian, of the target of a difficulty. */
function targetBytes(difficulty: number): Uint8Array {
  const bytes = new Uint8Array(32);
  let rest = targetOfDifficulty(difficulty);
  for (let i = 0; i < 32; i += 1) {
    bytes[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return bytes;
}

/** Listeners of one kind. */
class Listeners<Args extends unknown[]> {
  readonly #all = new Set<(...args: Args) => void>();
  add(listener: (...args: Args) => void): () => void {
    this.#all.add(listener);
    return () => this.#all.delete(listener);
  }
  tell(...args: Args): void {
    for (const listener of this.#all) listener(...args);
  }
}

/** Counting of shares and hashes, which all kinds of practice miners share. */
export class Tally {
  readonly shares = new Listeners<[PracticeShare]>();
  readonly states = new Listeners<[ClientState, string]>();
  readonly #now: () => number;
  #recent: { readonly at: number; readonly hashes: number }[] = [];
  #since: number | undefined;
  hashes = 0;
  accepted = 0;
  rejected = 0;
  lost = 0;
  stale = 0;
  withheld = 0;
  lastShareAt: number | undefined;
  detail = '';

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Work begins: the hashrate counts from here. */
  begin(): void {
    this.#since ??= this.#now();
  }

  count(hashes: number): void {
    this.hashes += hashes;
    if (this.#since === undefined) return;
    const at = this.#now();
    this.#recent.push({ at, hashes });
    while ((this.#recent[0]?.at ?? at) < at - RATE_WINDOW_MS) this.#recent.shift();
  }

  /** Work ends: there is no hashrate. */
  rest(): void {
    this.#recent = [];
    this.#since = undefined;
  }

  hashrate(): number {
    const now = this.#now();
    if (this.#since === undefined) return 0;
    const window = Math.min(RATE_WINDOW_MS, now - this.#since);
    if (window <= 0) return 0;
    let sum = 0;
    for (const { at, hashes } of this.#recent) if (at > now - RATE_WINDOW_MS) sum += hashes;
    return (sum / window) * 1_000;
  }

  answered(share: ClientShare, difficulty: number, reply: SubmitReply): void {
    const at = this.#now();
    this[reply.kind] += 1;
    if (reply.kind === 'accepted') this.lastShareAt = at;
    this.shares.tell({ at, share, difficulty, reply });
  }
}

export interface HashingOptions extends MinerOptions {
  /** 0: half the cores. */
  readonly threads: number;
  /** Hashes per second of each thread; default: as many as it can. */
  readonly limit?: number;
}

function post(worker: Worker, message: ToWorker): void {
  // A thread has no origin to name.
  // oxlint-disable-next-line unicorn/require-post-message-target-origin
  worker.postMessage(message);
}

/** A miner that really hashes: threads (`cpu-worker.ts`) behind one Stratum V1 connection. */
export function createHashingMiner(options: HashingOptions): PracticeMiner {
  refuseMainnet(options.network);
  const log = options.log ?? silentLog;
  const now = options.now ?? Date.now;
  const random = options.random ?? Math.random;
  const tally = new Tally(now);
  let wanted = threadsFor(options.threads);
  let running = false;
  let workers: Worker[] = [];
  let restarts = 0;
  let hasher = '';
  let assignment: Assignment | undefined;
  let order = 0;
  let extranonce2Start = Math.floor(random() * 2 ** 32);

  const client = createSv1Client({
    worker: options.worker,
    userAgent: options.userAgent,
    versionMask: options.versionMask,
    suggestDifficulty: options.suggestDifficulty,
    random,
    onAssignment(next) {
      assignment = next;
      hand();
    },
    onState(state, detail) {
      if (state === 'working') tally.begin();
      else {
        tally.rest();
        assignment = undefined;
        tell({ kind: 'idle' });
      }
      if (state === 'waiting')
        log.info('practice miner lost its connection', { worker: options.worker, detail });
      tally.detail = state === 'waiting' ? detail : '';
      tally.states.tell(state, detail);
    },
  });

  function tell(message: ToWorker): void {
    for (const worker of workers) post(worker, message);
  }

  /** Gives each thread its part of the nonces of the present job. */
  function hand(): void {
    if (!assignment) return;
    order += 1;
    extranonce2Start = (extranonce2Start + ORDER_STEP) % 2 ** 48;
    const share = 2 ** 32 / workers.length;
    const { job, extranonce1, extranonce2Size, difficulty, versionMask } = assignment;
    const target = targetBytes(difficulty);
    workers.forEach((worker, place) => {
      const nonceFrom = Math.floor(place * share);
      const nonceTo = Math.floor((place + 1) * share);
      const part: WorkOrder = {
        kind: 'work',
        order,
        job,
        extranonce1,
        extranonce2Size,
        extranonce2Start,
        target,
        versionMask,
        nonceFrom,
        nonceTo,
      };
      post(worker, part);
    });
  }

  function heard(message: FromWorker): void {
    switch (message.kind) {
      case 'ready':
        hasher = `${message.hasher}/${message.kernel}`;
        if (message.note) log.info('practice miner hashes with WebAssembly', { reason: message.note });
        break;
      case 'progress':
        tally.count(message.hashes);
        tally.withheld += message.withheld;
        break;
      case 'share': {
        const from = assignment;
        // Found before the thread heard of newer work: still good unless the tip moved.
        if (!from || (message.order !== order && from.job.cleanJobs && message.share.jobId !== from.job.id)) {
          tally.stale += 1;
          return;
        }
        void client
          .submit(message.share)
          .then((reply) => tally.answered(message.share, from.difficulty, reply));
        break;
      }
    }
  }

  function hire(): void {
    const setup: WorkerSetup = { files: options.files ?? {}, limit: options.limit };
    const script = options.workerScript ?? new URL('./cpu-worker.ts', import.meta.url);
    const worker = new Worker(script, { workerData: setup, name: 'adit-practice' });
    workers.push(worker);
    worker.on('message', heard);
    worker.on('error', (error) => {
      tally.detail = error instanceof Error ? error.message : String(error);
      log.error('a hashing thread failed', { worker: options.worker, detail: tally.detail });
    });
    worker.on('exit', () => {
      if (!workers.includes(worker)) return;
      workers = workers.filter((each) => each !== worker);
      if (!running || restarts >= MAX_RESTARTS) return;
      restarts += 1;
      hire();
      hand();
    });
  }

  /** Ends a thread: asked first, so that it stops between two scans. */
  async function dismiss(leaving: readonly Worker[]): Promise<void> {
    workers = workers.filter((worker) => !leaving.includes(worker));
    await Promise.all(
      leaving.map(
        (worker) =>
          new Promise<void>((resolve) => {
            worker.once('exit', () => resolve());
            post(worker, { kind: 'stop' });
          }),
      ),
    );
  }

  return {
    start(gateway) {
      if (running) return;
      running = true;
      restarts = 0;
      while (workers.length < wanted) hire();
      client.start(gateway);
    },
    async stop() {
      running = false;
      assignment = undefined;
      await Promise.all([client.stop(), dismiss(workers)]);
    },
    setThreads(threads) {
      wanted = threadsFor(threads);
      if (!running || workers.length === wanted) return;
      void dismiss(workers.slice(wanted));
      while (workers.length < wanted) hire();
      hand();
    },
    stats: () => ({
      state: client.state(),
      detail: tally.detail,
      threads: running ? workers.length : 0,
      hashrate: tally.hashrate(),
      hashes: tally.hashes,
      difficulty: assignment?.difficulty,
      accepted: tally.accepted,
      rejected: tally.rejected,
      lost: tally.lost,
      stale: tally.stale,
      withheld: tally.withheld,
      lastShareAt: tally.lastShareAt,
      hasher,
    }),
    onShare: (listener) => tally.shares.add(listener),
    onState: (listener) => tally.states.add(listener),
  };
}
