// A thread of the load generator: some of the miners, and the search for their shares.
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { parentPort, workerData } from 'node:worker_threads';
import { loadHasher } from '../../src-main/services/practice/index.ts';
import { monotonicMs } from './clock.ts';
import { Histogram } from './histogram.ts';
import { LoadMiner, type MinerEvents, type Phase } from './load-miner.ts';
import type { FromWorker, ToWorker, WorkerSetup } from './load-messages.ts';
import { poissonWaitMs } from './statistics.ts';

/** Connections that are being made at the same time: a server's queue of new ones is short. */
const OPENING = 50;
const OPEN_TIMEOUT_MS = 60_000;
/** Hashes between two looks at the sockets: about a millisecond. */
const SLICE = 16_384;
/** Hashes spent on one share before it is given up. */
const MOST_PER_SHARE = 2 ** 26;
/** Shares that fell due and wait for the search. */
const MOST_DUE = 10_000;
/** Shares of one burst line that are searched for at once. */
const PREPARE_SLICE = 65_536;
/** Resolution of the event loop's measurement; it is part of what is measured. */
const DELAY_RESOLUTION_MS = 2;

if (parentPort === null) throw new Error('load-worker runs as a worker thread only');
const port = parentPort;
const setup = workerData as WorkerSetup;
const hasher = loadHasher();
const loop = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
let used = performance.eventLoopUtilization();

const miners: LoadMiner[] = [];
const tips = new Map<string, number>();
const failures: Record<string, number> = {};
const disconnects: Record<string, number> = {};
const counts = {
  steady: { sent: 0, accepted: 0, errors: {} as Record<string, number>, micros: new Histogram() },
  burst: { sent: 0, accepted: 0, errors: {} as Record<string, number>, micros: new Histogram() },
};
let notFound = 0;
let opened = false;
let stopping = false;

const say = (message: FromWorker): void => port.postMessage(message);
const count = (table: Record<string, number>, key: string): void => {
  table[key] = (table[key] ?? 0) + 1;
};

// Opening

function open(): void {
  let next = 0;
  let busy = 0;
  const deadline = setTimeout(() => done(), OPEN_TIMEOUT_MS);
  function done(): void {
    if (opened) return;
    opened = true;
    clearTimeout(deadline);
    loop.enable();
    used = performance.eventLoopUtilization();
    const ready = miners.filter((miner) => miner.ready).length;
    if (ready + Object.values(failures).reduce((sum, n) => sum + n, 0) < setup.names.length)
      failures['no job in time'] = setup.names.length - ready;
    say({ kind: 'opened', ready, failures });
  }
  function more(): void {
    while (busy < OPENING && next < setup.names.length) {
      busy += 1;
      openOne(setup.names[next] as string);
      next += 1;
    }
    if (busy === 0) done();
  }
  function openOne(name: string): void {
    let settled = false;
    const settle = (): void => {
      if (settled) return;
      settled = true;
      busy -= 1;
      more();
    };
    const events: MinerEvents = {
      ready: settle,
      newTip: onTip,
      answer: onAnswer,
      closed: (reason) => {
        if (!settled) count(failures, reason);
        else if (!stopping) count(disconnects, reason);
        settle();
        // The one that went may have been all that a tip was waiting for.
        for (const tip of tips.keys()) checkTip(tip);
      },
    };
    miners.push(new LoadMiner(name, setup, events));
  }
  more();
}

// Tips

function onTip(previousHash: string, at: number): void {
  tips.set(previousHash, Math.max(at, tips.get(previousHash) ?? 0));
  if (opened) checkTip(previousHash);
}

function checkTip(previousHash: string): void {
  const lastAt = tips.get(previousHash);
  if (!opened || lastAt === undefined) return;
  if (miners.some((miner) => miner.ready && miner.tip !== previousHash)) return;
  tips.clear();
  say({ kind: 'tip', previousHash, lastAt });
}

// Steady load

let steadyTimer: NodeJS.Timeout | undefined;
const due: { readonly miner: LoadMiner; hashes: number }[] = [];
let searching = false;

/** The miners' processes together are one with the sum of their rates, each event of which is any one miner's. */
function steady(sharesPerMinute: number): void {
  clearTimeout(steadyTimer);
  const perSecond = (sharesPerMinute * miners.length) / 60;
  if (perSecond === 0) {
    due.length = 0;
    return;
  }
  let next = monotonicMs();
  const step = (): void => {
    const now = monotonicMs();
    while (next <= now) {
      const miner = miners[Math.floor(Math.random() * miners.length)];
      if (miner?.ready === true) {
        if (due.length < MOST_DUE) due.push({ miner, hashes: 0 });
        else notFound += 1;
      }
      next += poissonWaitMs(perSecond, Math.random());
    }
    search();
    steadyTimer = setTimeout(step, Math.max(1, next - monotonicMs()));
  };
  next += poissonWaitMs(perSecond, Math.random());
  step();
}

function search(): void {
  if (searching) return;
  searching = true;
  const slice = (): void => {
    const first = due[0];
    if (first === undefined) {
      searching = false;
      return;
    }
    if (first.miner.search(hasher, SLICE)) {
      due.shift();
      submit(first.miner, 'steady');
    } else {
      first.hashes += SLICE;
      if (first.hashes >= MOST_PER_SHARE || !first.miner.ready) {
        due.shift();
        notFound += 1;
      }
    }
    setImmediate(slice);
  };
  slice();
}

function submit(miner: LoadMiner, phase: Phase): boolean {
  if (!miner.submit(phase)) return false;
  counts[phase].sent += 1;
  return true;
}

function onAnswer(phase: Phase, micros: number, error: string | undefined): void {
  const table = counts[phase];
  table.micros.add(micros);
  if (error === undefined) table.accepted += 1;
  else count(table.errors, error);
  if (phase === 'burst') sendBurst();
}

// Burst

/** Shares for the burst, by miner in turns so that all take part. */
let prepared: LoadMiner[] = [];
let burst:
  { readonly beganAt: number; readonly until: number; readonly window: number; waiting: number } | undefined;

function prepare(shares: number): void {
  prepared = [];
  const each = Math.ceil(shares / Math.max(1, miners.length));
  const left = miners.filter((miner) => miner.ready);
  const hashed = new Map<LoadMiner, number>();
  let total = 0;
  const slice = (): void => {
    const miner = left.at(-1);
    if (miner === undefined || total >= shares) {
      // In turns: the first share of every miner, then the second …
      for (let turn = 0; turn < each && prepared.length < shares; turn += 1) {
        for (const one of miners) if (one.stock > turn && prepared.length < shares) prepared.push(one);
      }
      say({ kind: 'prepared', shares: prepared.length });
      return;
    }
    const before = miner.stock;
    const spent = (hashed.get(miner) ?? 0) + PREPARE_SLICE;
    hashed.set(miner, spent);
    miner.searchMore(hasher, PREPARE_SLICE);
    total += Math.min(each, miner.stock) - Math.min(each, before);
    if (miner.stock >= each || spent >= MOST_PER_SHARE || !miner.ready) left.pop();
    setImmediate(slice);
  };
  slice();
}

function sendBurst(): void {
  if (burst === undefined) return;
  burst.waiting -= 1;
  fillBurst();
}

function fillBurst(): void {
  if (burst === undefined) return;
  const late = monotonicMs() >= burst.until;
  while (!late && burst.waiting < burst.window) {
    const miner = prepared.pop();
    if (miner === undefined) break;
    if (submit(miner, 'burst')) burst.waiting += 1;
  }
  if (burst.waiting > 0 && !late) return;
  const { beganAt } = burst;
  burst = undefined;
  say({ kind: 'burstOver', beganAt, endedAt: monotonicMs() });
}

function startBurst(window: number, ms: number): void {
  const beganAt = monotonicMs();
  prepared.reverse();
  burst = { beganAt, until: beganAt + ms, window, waiting: 0 };
  const mine = burst;
  fillBurst();
  // Answers may cease to come altogether.
  setTimeout(() => {
    if (burst === mine) fillBurst();
  }, ms);
}

function stop(): void {
  stopping = true;
  steady(0);
  loop.disable();
  const { utilization } = performance.eventLoopUtilization(used);
  const unanswered = miners.reduce((sum, miner) => sum + miner.unanswered, 0);
  for (const miner of miners) miner.stop();
  const shares = ({ sent, accepted, errors }: typeof counts.steady) => ({ sent, accepted, errors });
  say({
    kind: 'report',
    steady: shares(counts.steady),
    burst: shares(counts.burst),
    notFound,
    unanswered,
    disconnects,
    steadyMicros: counts.steady.micros.entries(),
    burstMicros: counts.burst.micros.entries(),
    generator: {
      busy: utilization,
      loopDelayP99Ms: Math.max(0, loop.percentile(99) / 1e6 - DELAY_RESOLUTION_MS),
      hasher: `${hasher.kind} ${hasher.kernel}`,
    },
  });
  port.close();
}

port.on('message', (message: ToWorker) => {
  switch (message.kind) {
    case 'open':
      open();
      return;
    case 'steady':
      steady(message.sharesPerMinute);
      return;
    case 'prepare':
      prepare(message.shares);
      return;
    case 'burst':
      startBurst(message.window, message.ms);
      return;
    case 'stop':
      stop();
  }
});
