import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { monotonicMs, wallOffsetMs } from './clock.ts';
import { Histogram } from './histogram.ts';
import type { FromWorker, ToWorker, WorkerSetup } from './load-messages.ts';
import { addCounts, quantile } from './statistics.ts';

/** Miners one thread can carry without being what is measured. */
const MINERS_PER_WORKER = 500;
const OPEN_MS = 90_000;
const TIP_MS = 20_000;
const PREPARE_MS = 180_000;
/** After opening, before anything is measured: greeting so many miners keeps a server busy for a moment longer. */
const SETTLE_MS = 1_500;
/** Answers still under way at the end. */
const LAST_ANSWERS_MS = 500;

export type LoadPhase = 'open' | 'steady' | 'burst';

export interface LoadOptions {
  /** An IP address that may be used so: see `checkTarget`. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password?: string;
  readonly miners: number;
  readonly seconds: number;
  readonly sharesPerMinute: number;
  readonly suggestDifficulty?: number | undefined;
  readonly burst?: { readonly seconds: number; readonly shares: number; readonly window: number } | undefined;
  readonly workers?: number | undefined;
  /** Moves the tip; resolves with when that was, ms since 1970. */
  readonly moveTip?: (() => Promise<number>) | undefined;
  readonly tipEveryMs?: number;
  /** All miners have a job; or a phase begins or is over. */
  readonly onPhase?: (phase: LoadPhase, edge: 'begin' | 'end') => void | Promise<void>;
}

export interface ShareFigures {
  readonly sent: number;
  readonly accepted: number;
  readonly acceptedPerSecond: number;
  /** ms from sending to the answer. Null without shares. */
  readonly p50: number | null;
  readonly p99: number | null;
  readonly errors: Readonly<Record<string, number>>;
}

export interface LoadResult {
  readonly miners: {
    readonly asked: number;
    readonly ready: number;
    readonly failures: Readonly<Record<string, number>>;
  };
  readonly openMs: number;
  readonly tipToLastNotify: {
    readonly tips: number;
    /** Tips of which some miner heard nothing in time. */
    readonly missed: number;
    readonly p50: number | null;
    readonly p99: number | null;
    readonly max: number | null;
    readonly all: readonly number[];
  };
  readonly steady: ShareFigures;
  readonly burst: ShareFigures | null;
  readonly notFound: number;
  readonly unanswered: number;
  readonly disconnects: Readonly<Record<string, number>>;
  readonly generator: {
    readonly workers: number;
    /** 0 to 1: the busiest thread's event loop. */
    readonly busy: number;
    readonly loopDelayP99Ms: number;
    readonly hasher: string;
  };
}

/** A thread, and the way to wait for what it says. */
class Thread {
  readonly #worker: Worker;
  readonly #waiting: {
    readonly fits: (message: FromWorker) => boolean;
    readonly resolve: (message: FromWorker) => void;
    readonly reject: (error: Error) => void;
  }[] = [];
  #failed: Error | undefined;

  constructor(setup: WorkerSetup, onMessage: (message: FromWorker) => void) {
    this.#worker = new Worker(new URL('./load-worker.ts', import.meta.url), { workerData: setup });
    this.#worker.on('message', (message: FromWorker) => {
      onMessage(message);
      for (const waiting of this.#waiting.filter(({ fits }) => fits(message))) {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        waiting.resolve(message);
      }
    });
    this.#worker.on('error', (error: Error) => {
      this.#failed = error;
      for (const { reject } of this.#waiting.splice(0)) reject(error);
    });
  }

  say(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  async answer<K extends FromWorker['kind']>(kind: K, ms: number): Promise<Extract<FromWorker, { kind: K }>> {
    if (this.#failed !== undefined) throw this.#failed;
    const { promise, resolve, reject } = Promise.withResolvers<FromWorker>();
    this.#waiting.push({ fits: (message) => message.kind === kind, resolve, reject });
    const timer = setTimeout(() => reject(new Error(`the load generator did not say "${kind}" in time`)), ms);
    try {
      return (await promise) as Extract<FromWorker, { kind: K }>;
    } finally {
      clearTimeout(timer);
    }
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }
}

/** Waits for a tip that every thread has seen. */
class TipWatch {
  readonly #threads: number;
  readonly #seen = new Map<string, { count: number; lastAt: number }>();
  #done: ((lastAt: number) => void) | undefined;

  constructor(threads: number) {
    this.#threads = threads;
  }

  saw(previousHash: string, lastAt: number): void {
    const tip = this.#seen.get(previousHash) ?? { count: 0, lastAt: 0 };
    tip.count += 1;
    tip.lastAt = Math.max(tip.lastAt, lastAt);
    this.#seen.set(previousHash, tip);
    if (tip.count < this.#threads) return;
    this.#seen.clear();
    this.#done?.(tip.lastAt);
  }

  /** `monotonicMs()` of the last miner's first job on the next tip. Undefined when it does not come. */
  next(ms: number): Promise<number | undefined> {
    this.#seen.clear();
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#done = undefined;
        resolve(undefined);
      }, ms);
      this.#done = (lastAt) => {
        this.#done = undefined;
        clearTimeout(timer);
        resolve(lastAt);
      };
    });
  }
}

/** Puts load on a server and tells what the miners saw of it. Throws when no miner gets through. */
export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  const wanted =
    options.workers ?? Math.min(Math.ceil(options.miners / MINERS_PER_WORKER), 2 * availableParallelism());
  const workers = Math.min(wanted, options.miners);
  const tipWatch = new TipWatch(workers);
  const threads = Array.from({ length: workers }, (_, index) => {
    const names = [];
    for (let n = index; n < options.miners; n += workers) names.push(`${options.user}.${n + 1}`);
    const setup: WorkerSetup = {
      host: options.host,
      port: options.port,
      names,
      password: options.password ?? 'x',
      suggestDifficulty: options.suggestDifficulty,
    };
    return new Thread(setup, (message) => {
      if (message.kind === 'tip') tipWatch.saw(message.previousHash, message.lastAt);
    });
  });
  const all = (message: ToWorker): void => threads.forEach((thread) => thread.say(message));
  const phase = async (name: LoadPhase, edge: 'begin' | 'end'): Promise<void> =>
    options.onPhase?.(name, edge);
  try {
    const openAt = monotonicMs();
    all({ kind: 'open' });
    const opened = await Promise.all(threads.map((thread) => thread.answer('opened', OPEN_MS)));
    const openMs = monotonicMs() - openAt;
    const failures: Record<string, number> = {};
    for (const message of opened) addCounts(failures, message.failures);
    const ready = opened.reduce((sum, message) => sum + message.ready, 0);
    if (ready === 0)
      throw new Error(
        `no miner got through to ${options.host}:${options.port}: ${Object.keys(failures).join(', ')}`,
      );
    await phase('open', 'end');
    await sleep(SETTLE_MS);

    await phase('steady', 'begin');
    const beganAt = monotonicMs();
    all({ kind: 'steady', sharesPerMinute: options.sharesPerMinute });
    const tips = await steadyPhase(options, tipWatch, beganAt + options.seconds * 1_000);
    all({ kind: 'steady', sharesPerMinute: 0 });
    const steadySeconds = (monotonicMs() - beganAt) / 1_000;
    await sleep(LAST_ANSWERS_MS);
    await phase('steady', 'end');

    let burstSeconds = 0;
    const { burst } = options;
    if (burst !== undefined) {
      all({ kind: 'prepare', shares: Math.ceil(burst.shares / workers) });
      await Promise.all(threads.map((thread) => thread.answer('prepared', PREPARE_MS)));
      await phase('burst', 'begin');
      all({ kind: 'burst', window: Math.ceil(burst.window / workers), ms: burst.seconds * 1_000 });
      const over = await Promise.all(
        threads.map((thread) => thread.answer('burstOver', burst.seconds * 1_000 + 10_000)),
      );
      burstSeconds =
        (Math.max(...over.map(({ endedAt }) => endedAt)) - Math.min(...over.map((one) => one.beganAt))) /
        1_000;
      await sleep(LAST_ANSWERS_MS);
      await phase('burst', 'end');
    }

    all({ kind: 'stop' });
    const reports = await Promise.all(threads.map((thread) => thread.answer('report', 10_000)));
    const disconnects: Record<string, number> = {};
    for (const report of reports) addCounts(disconnects, report.disconnects);
    const sum = (of: (report: (typeof reports)[number]) => number): number =>
      reports.reduce((total, report) => total + of(report), 0);
    const figures = (name: 'steady' | 'burst', seconds: number): ShareFigures => {
      const micros = new Histogram();
      const errors: Record<string, number> = {};
      for (const report of reports) {
        micros.merge(name === 'steady' ? report.steadyMicros : report.burstMicros);
        addCounts(errors, report[name].errors);
      }
      const accepted = sum((report) => report[name].accepted);
      const at = (q: number): number | null => (micros.count === 0 ? null : micros.quantile(q) / 1_000);
      return {
        sent: sum((report) => report[name].sent),
        accepted,
        acceptedPerSecond: accepted / seconds,
        p50: at(0.5),
        p99: at(0.99),
        errors,
      };
    };
    return {
      miners: { asked: options.miners, ready, failures },
      openMs,
      tipToLastNotify: {
        tips: tips.times.length,
        missed: tips.missed,
        p50: tips.times.length === 0 ? null : quantile(tips.times, 0.5),
        p99: tips.times.length === 0 ? null : quantile(tips.times, 0.99),
        max: tips.times.length === 0 ? null : Math.max(...tips.times),
        all: tips.times,
      },
      steady: figures('steady', steadySeconds),
      burst: burst === undefined ? null : figures('burst', burstSeconds),
      notFound: sum((report) => report.notFound),
      unanswered: sum((report) => report.unanswered),
      disconnects,
      generator: {
        workers,
        busy: Math.max(...reports.map(({ generator }) => generator.busy)),
        loopDelayP99Ms: Math.max(...reports.map(({ generator }) => generator.loopDelayP99Ms)),
        hasher: reports[0]?.generator.hasher ?? '',
      },
    };
  } finally {
    await Promise.all(threads.map((thread) => thread.end()));
  }
}

/** Waits out the steady load and moves the tip meanwhile. */
async function steadyPhase(
  options: LoadOptions,
  watch: TipWatch,
  until: number,
): Promise<{ readonly times: readonly number[]; readonly missed: number }> {
  const { moveTip, tipEveryMs = 3_000 } = options;
  const times: number[] = [];
  let missed = 0;
  while (moveTip !== undefined && monotonicMs() + tipEveryMs < until) {
    await sleep(tipEveryMs);
    const heard = watch.next(TIP_MS);
    const tipAt = await moveTip();
    const lastAt = await heard;
    if (lastAt === undefined) missed += 1;
    else times.push(lastAt + wallOffsetMs() - tipAt);
  }
  const rest = until - monotonicMs();
  if (rest > 0) await sleep(rest);
  return { times, missed };
}
