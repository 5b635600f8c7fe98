/**
 * What a client's standard and extended channels have in common: target, jobs, sent shares. The mirror of `server/channel.ts`.
 *
 * Messages of the server come as fields. What a server must not do comes back as a `Fault`: the end of the connection,
 * since work can't be trusted after it.
 */
import { difficultyOfTarget } from '../../../bitcoin/target.ts';
import { u256ToBigint } from '../../codec.ts';
import type {
  NewExtendedMiningJob,
  SetNewPrevHash,
  SubmitSharesError,
  SubmitSharesSuccess,
} from '../../messages/mining.ts';
import type { ClientMessage } from '../messages.ts';
import { ClientAccounting, type ClientBooks } from './accounting.ts';
import {
  MAX_ACTIVE_JOBS,
  MAX_FUTURE_JOBS,
  versionMaskOf,
  type Attempt,
  type ClientJob,
  type FutureJob,
  type Work,
} from './jobs.ts';

/** What a server did that the protocol forbids. The connection is to be ended. */
export interface Fault {
  readonly kind: 'fault';
  readonly detail: string;
}

/** What a message came to: new work, nothing to do, or the end. */
export type Followed = { readonly kind: 'work'; readonly job: ClientJob } | { readonly kind: 'kept' } | Fault;

export interface OpenedChannel {
  readonly id: number;
  readonly groupId: number;
  readonly userIdentity: string;
  readonly target: bigint;
  readonly extranoncePrefix: Uint8Array;
}

/** A share to send, or why it is none. */
export type Submitted =
  | { readonly kind: 'share'; readonly message: ClientMessage; readonly sequenceNumber: number }
  | { readonly kind: 'refused'; readonly detail: string };

export abstract class ClientChannel {
  abstract readonly kind: 'standard' | 'extended';
  readonly id: number;
  readonly userIdentity: string;
  groupId: number;
  readonly #accounting = new ClientAccounting();
  readonly #future = new Map<number, FutureJob>();
  readonly #active = new Map<number, ClientJob>();
  #prefix: Uint8Array;
  #target: bigint;
  #tip: Pick<ClientJob, 'previousHash' | 'bits'> | undefined;
  #current: ClientJob | undefined;

  constructor(opened: OpenedChannel) {
    this.id = opened.id;
    this.groupId = opened.groupId;
    this.userIdentity = opened.userIdentity;
    this.#prefix = opened.extranoncePrefix;
    this.#target = opened.target;
  }

  /** Bytes of extranonce that are the client's to vary. */
  abstract readonly rollableSize: number;
  protected abstract shareMessage(sequenceNumber: number, jobId: number, attempt: Attempt): ClientMessage;

  get extranoncePrefix(): Uint8Array {
    return this.#prefix;
  }
  /** Of jobs to come. */
  get target(): bigint {
    return this.#target;
  }
  /** What to work on. */
  get current(): ClientJob | undefined {
    return this.#current;
  }
  get futureJobs(): number {
    return this.#future.size;
  }
  get books(): ClientBooks {
    return this.#accounting.books;
  }

  /** A job on which shares are still worth sending. */
  job(id: number): ClientJob | undefined {
    return this.#active.get(id);
  }

  // Messages of the server

  /** `NewExtendedMiningJob`, for this channel or its group. */
  onExtendedJob(message: NewExtendedMiningJob): Followed {
    const work: Work = {
      kind: 'coinbase',
      coinbasePrefix: message.coinbaseTxPrefix,
      coinbaseSuffix: message.coinbaseTxSuffix,
      merklePath: message.merklePath,
      extranoncePrefix: this.#prefix,
    };
    const { jobId: id, version, versionRollingAllowed: versionRolling } = message;
    return this.take({ id, version, versionRolling, work }, message.minNtime);
  }

  protected take(job: FutureJob, minNtime: number | undefined): Followed {
    if (this.#active.has(job.id) || this.#future.has(job.id))
      return { kind: 'fault', detail: `job ${job.id} was sent twice on channel ${this.id}` };
    if (minNtime === undefined) {
      this.#future.set(job.id, job);
      forgetOldest(this.#future, MAX_FUTURE_JOBS);
      return { kind: 'kept' };
    }
    if (!this.#tip)
      return { kind: 'fault', detail: `an active job before the first SetNewPrevHash on channel ${this.id}` };
    return this.#begin({ ...job, ...this.#tip, minNtime, target: this.#target });
  }

  #begin(job: ClientJob): Followed {
    this.#active.set(job.id, job);
    forgetOldest(this.#active, MAX_ACTIVE_JOBS);
    this.#current = job;
    return { kind: 'work', job };
  }

  /** `SetNewPrevHash`, for this channel or its group: only the job it names stays valid (5.3.17). */
  onNewPrevHash(message: SetNewPrevHash): Followed {
    const job = this.#future.get(message.jobId);
    if (!job)
      return {
        kind: 'fault',
        detail: `SetNewPrevHash names job ${message.jobId}, which is no future job of channel ${this.id}`,
      };
    this.#future.clear();
    this.#active.clear();
    this.#tip = { previousHash: message.prevHash, bits: message.nbits };
    return this.#begin({ ...job, ...this.#tip, minNtime: message.minNtime, target: this.#target });
  }

  hasFutureJob(id: number): boolean {
    return this.#future.has(id);
  }

  /** A new tip without a job for it: all work so far is void. */
  onTipAlone({ prevHash, nbits }: SetNewPrevHash): Followed {
    this.#future.clear();
    this.#active.clear();
    this.#current = undefined;
    this.#tip = { previousHash: prevHash, bits: nbits };
    return { kind: 'kept' };
  }

  /** `SetTarget`: for jobs to come and future jobs (5.3.21). */
  onTarget(maximumTarget: Uint8Array): void {
    this.#target = u256ToBigint(maximumTarget);
  }

  /** `SetExtranoncePrefix`: for jobs to come (5.3.10). */
  onExtranoncePrefix(prefix: Uint8Array): Followed {
    if (prefix.length !== this.#prefix.length)
      return {
        kind: 'fault',
        detail: `an extranonce prefix of ${prefix.length} bytes in place of ${this.#prefix.length} on channel ${this.id}`,
      };
    this.#prefix = prefix;
    return { kind: 'kept' };
  }

  onSharesSuccess(message: SubmitSharesSuccess): void {
    this.#accounting.success(message);
  }

  /** False when it answers no share of ours. */
  onSharesError(message: SubmitSharesError): boolean {
    return this.#accounting.error(message.sequenceNumber, message.errorCode);
  }

  // Shares

  /** Makes the message for a share and books it. Only looks at what would be refused without a hash; see `weigh` for the rest. */
  submit(jobId: number, attempt: Attempt): Submitted {
    const job = this.#active.get(jobId);
    const refuse = (detail: string): Submitted => ({ kind: 'refused', detail });
    if (!job) return refuse(`job ${jobId} is not valid any more`);
    if (attempt.extranonce.length !== this.rollableSize)
      return refuse(`the extranonce has ${attempt.extranonce.length} bytes instead of ${this.rollableSize}`);
    if (((attempt.version ^ job.version) & ~versionMaskOf(job)) !== 0)
      return refuse('the version differs in bits that may not be rolled');
    if (attempt.ntime < job.minNtime) return refuse(`the time is before ${job.minNtime}`);
    const sequenceNumber = this.#accounting.submit(difficultyOfTarget(job.target));
    return { kind: 'share', message: this.shareMessage(sequenceNumber, jobId, attempt), sequenceNumber };
  }
}

function forgetOldest(map: Map<number, unknown>, most: number): void {
  for (const key of map.keys()) {
    if (map.size <= most) return;
    map.delete(key);
  }
}
