import { sha256d } from '../bitcoin/hash.ts';
import { rootFromPath } from '../bitcoin/merkle.ts';
import { difficultyOfTarget, hashToBigint } from '../bitcoin/target.ts';
import { assembleHeader, coinbaseOf, withWitness } from './job.ts';
import { VERSION_ROLLING_MASK } from './types.ts';
import type { Job, RejectReason, ShareOutcome, Solution } from './types.ts';

/** How far ahead of the clock a header's time may be, in seconds (Core's `MAX_FUTURE_BLOCK_TIME`). */
export const MAX_FUTURE_SECONDS = 7_200;

/**
 * Remembers which shares were counted, so that none counts twice. Held per connection or for all; grouped by job, because
 * a share of a job that is gone can't come again. Bounded: beyond `maxEntries` the oldest of the oldest job are forgotten.
 */
export class DuplicateSet {
  readonly #jobs = new Map<number, Set<string>>();
  readonly #maxEntries: number;
  #size = 0;

  constructor(maxEntries = 100_000) {
    this.#maxEntries = maxEntries;
  }

  get size(): number {
    return this.#size;
  }

  has(jobId: number, hash: Uint8Array): boolean {
    return this.#jobs.get(jobId)?.has(key(hash)) ?? false;
  }

  /** True when it was not there before. */
  add(jobId: number, hash: Uint8Array): boolean {
    let keys = this.#jobs.get(jobId);
    if (keys === undefined) {
      keys = new Set();
      this.#jobs.set(jobId, keys);
    }
    const before = keys.size;
    keys.add(key(hash));
    if (keys.size === before) return false;
    this.#size += 1;
    if (this.#size > this.#maxEntries) this.#forgetOldest();
    return true;
  }

  #forgetOldest(): void {
    for (const [jobId, keys] of this.#jobs) {
      for (const oldest of keys) {
        keys.delete(oldest);
        this.#size -= 1;
        return;
      }
      this.#jobs.delete(jobId);
    }
  }

  /** Forgets a job whose shares are refused as unknown from now on. */
  drop(jobId: number): void {
    this.#size -= this.#jobs.get(jobId)?.size ?? 0;
    this.#jobs.delete(jobId);
  }

  clear(): void {
    this.#jobs.clear();
    this.#size = 0;
  }
}

/** The first 12 bytes of the hash, as six UTF-16 units: a short string is the cheapest exact key a Set has for 96 bits. */
function key(hash: Uint8Array): string {
  const at = (i: number): number => (hash[i] as number) | ((hash[i + 1] as number) << 8);
  return String.fromCharCode(at(0), at(2), at(4), at(6), at(8), at(10));
}

export interface ShareContext {
  /** The target the share is judged by. */
  readonly assignedTarget: bigint;
  /** The target of a block; the job's when left out. */
  readonly networkTarget?: bigint;
  /** True while the job builds on the tip. */
  readonly current: boolean;
  readonly seen: DuplicateSet;
  /** Clock in seconds since 1970, for the upper bound of ntime. */
  readonly now: number;
  /** Bits of the version this connection may change; all of BIP320's when left out, 0 for none. */
  readonly versionMask?: number;
}

function rejected(reason: RejectReason, detail: string): ShareOutcome {
  return { kind: 'rejected', reason, detail };
}

const isU32 = (n: number): boolean => Number.isInteger(n) && n >= 0 && n <= 0xffffffff;

/**
 * Judges a share. The hash comes first: one that meets the network's target is `blockFound` whatever else is wrong with
 * it (stale, odd time, odd version bits), because only the network may throw away a block. Only what was counted before is
 * a duplicate all the same. After that: malformed, stale, duplicate, lowDifficulty, in this order.
 * Adds counted shares and blocks to `seen`. Never throws for anything a miner can send.
 */
export function checkShare(job: Job, solution: Solution, context: ShareContext): ShareOutcome {
  const version = solution.version >>> 0;
  if (solution.extranonce.length !== job.extranonceSize) {
    return rejected(
      'malformed',
      `extranonce has ${solution.extranonce.length} bytes instead of ${job.extranonceSize}`,
    );
  }
  if (!Number.isInteger(solution.version) || !isU32(solution.ntime) || !isU32(solution.nonce)) {
    return rejected('malformed', 'version, ntime and nonce are numbers of 32 bits');
  }
  const coinbase = coinbaseOf(job, solution.extranonce);
  const header = assembleHeader(job, rootFromPath(sha256d(coinbase), job.merklePath), solution);
  const hash = sha256d(header);
  const value = hashToBigint(hash);

  if (value <= (context.networkTarget ?? job.target)) {
    if (!context.seen.add(job.id, hash)) return rejected('duplicate', 'this block was sent before');
    return {
      kind: 'blockFound',
      hash,
      difficulty: difficultyOfTarget(value),
      header,
      coinbase: withWitness(job, coinbase),
    };
  }
  if (solution.ntime < job.minTime)
    return rejected(
      'malformed',
      `ntime ${solution.ntime} is before ${job.minTime}, the least the chain allows`,
    );
  if (solution.ntime > context.now + MAX_FUTURE_SECONDS)
    return rejected('malformed', `ntime ${solution.ntime} is more than two hours ahead`);
  const mask = context.versionMask ?? VERSION_ROLLING_MASK;
  if (((version ^ job.version) & ~mask) !== 0) {
    return rejected(
      'malformed',
      `version ${version.toString(16)} changes bits outside the mask ${mask.toString(16).padStart(8, '0')}`,
    );
  }
  if (!context.current) return rejected('stale', 'the chain has moved on since this job');
  if (context.seen.has(job.id, hash)) return rejected('duplicate', 'this share was sent before');
  const difficulty = difficultyOfTarget(value);
  if (value > context.assignedTarget)
    return rejected('lowDifficulty', `the hash has difficulty ${difficulty}, less than assigned`);
  context.seen.add(job.id, hash);
  return { kind: 'valid', hash, difficulty };
}
