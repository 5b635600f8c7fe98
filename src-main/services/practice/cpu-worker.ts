/** A hashing thread: the entry file of a `node:worker_threads` worker (`WorkerSetup` is its data, `work.ts` its language). */
import { parentPort, workerData } from 'node:worker_threads';
import { buildHeader, rolledVersions } from '../../core/stratum-v1/client.ts';
import { MAX_VERSIONS, loadHasher } from './hasher.ts';
import type { FromWorker, ToWorker, WorkOrder, WorkerSetup } from './work.ts';

/** A scan is not interrupted: this is how long a new job waits for the old one at most. */
const SLICE_MS = 4;
/** With a limit, how often the thread wakes to do its part. */
const LIMITED_SLICE_MS = 100;
const PROGRESS_MS = 250;
/** Shares one thread sends per second; more come only while the difficulty is far too low for it. */
const MAX_SHARES_PER_SECOND = 50;
const FIRST_SLICE = 1_024;

const port = parentPort;
if (!port) throw new Error('cpu-worker.ts runs only as a worker thread');

const setup = workerData as WorkerSetup;
const hasher = loadHasher(setup.files);
hasher.lowerPriority();

interface Place {
  readonly order: WorkOrder;
  readonly versions: Uint32Array;
  readonly since: number;
  readonly extranonce2: Uint8Array;
  /** Seconds the header's time is ahead of the job's. */
  roll: number;
  header: Uint8Array;
  nonce: number;
}

let place: Place | undefined;
let timer: NodeJS.Immediate | NodeJS.Timeout | undefined;
let slice = FIRST_SLICE;
let hashes = 0;
let withheld = 0;
let lastProgress = performance.now();
let allowance = MAX_SHARES_PER_SECOND;
let allowanceAt = performance.now();

function send(message: FromWorker): void {
  port?.postMessage(message);
}

function cancel(): void {
  // Clearing the wrong kind of timer does nothing.
  clearImmediate(timer as NodeJS.Immediate);
  clearTimeout(timer as NodeJS.Timeout);
  timer = undefined;
}

function begin(order: WorkOrder): void {
  const extranonce2 = new Uint8Array(order.extranonce2Size);
  let rest = order.extranonce2Start;
  for (let i = extranonce2.length - 1; i >= 0; i -= 1) {
    extranonce2[i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  const versions = rolledVersions(order.job.version, order.versionMask, MAX_VERSIONS);
  const header = buildHeader(
    order.job,
    order.extranonce1,
    extranonce2,
    order.job.ntime,
    order.job.version,
    0,
  );
  place = { order, versions, since: performance.now(), extranonce2, roll: 0, header, nonce: order.nonceFrom };
  cancel();
  turn();
}

/** The next extranonce2. False when there is none: then only time gives new headers. */
function nextExtranonce2(at: Place): boolean {
  let i = at.extranonce2.length - 1;
  if (i < 0) return false;
  for (; i >= 0; i -= 1) {
    const byte = ((at.extranonce2[i] as number) + 1) & 0xff;
    at.extranonce2[i] = byte;
    if (byte !== 0) break;
  }
  const { job, extranonce1 } = at.order;
  at.header = buildHeader(job, extranonce1, at.extranonce2, job.ntime + at.roll, job.version, 0);
  return true;
}

/** Moves the header's time on with the clock: each second is fresh work. */
function rollTime(at: Place, now: number): void {
  const roll = Math.floor((now - at.since) / 1_000);
  if (roll === at.roll) return;
  at.roll = roll;
  new DataView(at.header.buffer).setUint32(68, at.order.job.ntime + roll, true);
  at.nonce = at.order.nonceFrom;
}

function turn(): void {
  const at = place;
  if (!at) return;
  const now = performance.now();
  rollTime(at, now);
  if (at.nonce >= at.order.nonceTo) {
    if (!nextExtranonce2(at)) {
      timer = setTimeout(turn, 50);
      return;
    }
    at.nonce = at.order.nonceFrom;
  }
  const limited =
    setup.limit === undefined
      ? slice
      : Math.min(
          slice,
          Math.max(1, Math.round((setup.limit * LIMITED_SLICE_MS) / 1_000 / at.versions.length)),
        );
  const { target } = at.order;
  const request = { header: at.header, target, versions: at.versions, start: at.nonce };
  const { done, hits } = hasher.scan({ ...request, count: Math.min(limited, at.order.nonceTo - at.nonce) });
  const took = performance.now() - now;
  at.nonce += done;
  hashes += done * at.versions.length;
  for (const hit of hits) found(at, hit.nonce, hit.version, now);
  if (done >= limited)
    slice = Math.max(64, Math.min(2 ** 24, Math.round(slice * Math.min(4, SLICE_MS / Math.max(took, 0.1)))));
  if (now - lastProgress >= PROGRESS_MS) progress(now);
  if (setup.limit === undefined) timer = setImmediate(turn);
  else timer = setTimeout(turn, Math.max(1, ((done * at.versions.length) / setup.limit) * 1_000 - took));
}

function found(at: Place, nonce: number, version: number, now: number): void {
  allowance = Math.min(
    MAX_SHARES_PER_SECOND,
    allowance + ((now - allowanceAt) / 1_000) * MAX_SHARES_PER_SECOND,
  );
  allowanceAt = now;
  if (allowance < 1) {
    withheld += 1;
    return;
  }
  allowance -= 1;
  const { order, job, versionMask } = { ...at.order };
  const share = {
    jobId: job.id,
    extranonce2: at.extranonce2.slice(),
    ntime: job.ntime + at.roll,
    nonce,
    versionBits: versionMask === 0 ? undefined : (version & versionMask) >>> 0,
  };
  send({ kind: 'share', order, share });
}

function progress(now: number): void {
  send({ kind: 'progress', hashes, withheld });
  hashes = 0;
  withheld = 0;
  lastProgress = now;
}

port.on('message', (message: ToWorker) => {
  switch (message.kind) {
    case 'work':
      begin(message);
      break;
    case 'idle':
      place = undefined;
      cancel();
      progress(performance.now());
      break;
    case 'stop':
      place = undefined;
      cancel();
      port.close();
      break;
  }
});
send({ kind: 'ready', hasher: hasher.kind, kernel: hasher.kernel, note: hasher.fallbackReason });
