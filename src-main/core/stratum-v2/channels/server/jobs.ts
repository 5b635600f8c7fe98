/** The jobs a server's channel has sent, and the messages that carry them (SV2 5.3.15 to 5.3.17). */
import { equalBytes } from '../../../bitcoin/bytes.ts';
import type { Job } from '../../../mining/types.ts';
import { workMerkleRoot } from '../../../mining/job.ts';
import { NewExtendedMiningJob, NewMiningJob, SetNewPrevHash } from '../../messages/mining.ts';
import { messageOf, type ServerMessage } from '../messages.ts';

/**
 * Jobs a channel remembers, those of the tip before included. A machine works on the newest and a few it has queued; with a
 * new job every half minute this is a quarter of an hour, and it bounds what a channel costs.
 */
export const MAX_CHANNEL_JOBS = 32;
/** Jobs of them that may wait for a block hash. */
export const MAX_FUTURE_JOBS = 4;

/** One job as a channel sent it. */
export interface ChannelJob {
  /** On the wire. */
  readonly id: number;
  readonly job: Job;
  /** The channel's prefix when the job was sent: `SetExtranoncePrefix` counts only for jobs sent after it (5.3.10). */
  readonly extranoncePrefix: Uint8Array;
  /** The extranonce it is really hashed with, up to what the client rolls: the prefix, or a standard channel's variation of it. */
  readonly work: Uint8Array;
  /** What shares of it are judged by: the channel's when it was sent or, of a future job, activated (5.3.21). */
  readonly target: bigint;
  readonly difficulty: number;
  /** Sent without `min_ntime` and not activated yet: no share can name it. */
  readonly future: boolean;
}

/** The jobs of one channel by their id on the wire, oldest first. */
export class JobStore {
  readonly #jobs = new Map<number, ChannelJob>();
  #tip: Uint8Array | undefined;

  get size(): number {
    return this.#jobs.size;
  }

  /** The previous hash of the last `SetNewPrevHash`, internal order. */
  get tip(): Uint8Array | undefined {
    return this.#tip;
  }

  get(id: number): ChannelJob | undefined {
    return this.#jobs.get(id);
  }

  /** True when the job builds on what the last `SetNewPrevHash` said. */
  onTip(job: Job): boolean {
    return this.#tip !== undefined && equalBytes(this.#tip, job.previousHash);
  }

  /** Remembers a job that is sent; the oldest go when there are too many. */
  add(entry: ChannelJob): void {
    this.#jobs.delete(entry.id);
    this.#jobs.set(entry.id, entry);
    if (entry.future) {
      const futures = [...this.#jobs.values()].filter(({ future }) => future);
      const [oldest] = futures;
      if (oldest && futures.length > MAX_FUTURE_JOBS) this.#jobs.delete(oldest.id);
    }
    for (const id of this.#jobs.keys()) {
      if (this.#jobs.size <= MAX_CHANNEL_JOBS) return;
      this.#jobs.delete(id);
    }
  }

  /**
   * A `SetNewPrevHash`: its job becomes active with what the block hash brought, other future jobs are void, jobs of the
   * tip that was stay to be told stale (and for a block found late), those before it go.
   */
  activate(entry: ChannelJob): void {
    const before = this.#tip;
    this.#tip = entry.job.previousHash;
    for (const [id, { job, future }] of this.#jobs) {
      const keep =
        !future && (this.onTip(job) || (before !== undefined && equalBytes(before, job.previousHash)));
      if (!keep) this.#jobs.delete(id);
    }
    this.add({ ...entry, future: false });
  }

  /** The future job that becomes `job` with its `SetNewPrevHash`: the same id, and the same in all that was sent. */
  futureOf(job: Job): ChannelJob | undefined {
    for (const entry of this.#jobs.values())
      if (entry.future && entry.job.id === job.id && sameWork(entry.job, job)) return entry;
    return undefined;
  }

  /** True when a job sent under this prefix may still be named by a share. */
  usesPrefix(prefix: Uint8Array): boolean {
    for (const entry of this.#jobs.values()) if (equalBytes(entry.extranoncePrefix, prefix)) return true;
    return false;
  }
}

/** True when both jobs look the same to a miner that does not know the previous hash yet. */
function sameWork(a: Job, b: Job): boolean {
  return (
    a.version === b.version &&
    equalBytes(a.coinbasePrefix, b.coinbasePrefix) &&
    equalBytes(a.coinbaseSuffix, b.coinbaseSuffix) &&
    a.merklePath.length === b.merklePath.length &&
    a.merklePath.every((hash, i) => equalBytes(hash, b.merklePath[i] as Uint8Array))
  );
}

/** `NewExtendedMiningJob` for an extended or a group channel. `minNtime` in seconds; undefined for a future job. */
export function extendedJobMessage(
  channelId: number,
  id: number,
  job: Job,
  minNtime: number | undefined,
  versionRolling: boolean,
): ServerMessage {
  return messageOf(NewExtendedMiningJob, {
    channelId,
    jobId: id,
    minNtime,
    version: job.version >>> 0,
    versionRollingAllowed: versionRolling,
    merklePath: [...job.merklePath],
    coinbaseTxPrefix: job.coinbasePrefix,
    coinbaseTxSuffix: job.coinbaseSuffix,
  });
}

/** `NewMiningJob` for a standard channel, whose whole extranonce is given. */
export function standardJobMessage(
  channelId: number,
  id: number,
  job: Job,
  minNtime: number | undefined,
  extranonce: Uint8Array,
): ServerMessage {
  return messageOf(NewMiningJob, {
    channelId,
    jobId: id,
    minNtime,
    version: job.version >>> 0,
    merkleRoot: workMerkleRoot(job, extranonce),
  });
}

/** `SetNewPrevHash` that activates the future job `id`. */
export function newPrevHashMessage(channelId: number, id: number, job: Job): ServerMessage {
  return messageOf(SetNewPrevHash, {
    channelId,
    jobId: id,
    prevHash: job.previousHash,
    minNtime: startNtime(job),
    nbits: job.bits,
  });
}

/**
 * Where a miner's header time begins, in seconds: the node's time for the block. Shares may go back as far as the chain lets
 * them, but work should not begin an hour in the past.
 */
export function startNtime(job: Job): number {
  return Math.max(job.time, job.minTime);
}
