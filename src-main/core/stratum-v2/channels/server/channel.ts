/**
 * What a server's standard and extended channels have in common: target, jobs, shares. No sockets, no clock: times are given.
 *
 * Methods give the messages to send, in order. What a client asked for and can't have comes back as the error code to send;
 * nothing a client can send makes a method throw.
 */
import { concatBytes } from '../../../bitcoin/bytes.ts';
import { MAX_TARGET, difficultyOfTarget, hashToBigint, targetOfDifficulty } from '../../../bitcoin/target.ts';
import { checkShare, type DuplicateSet } from '../../../mining/share.ts';
import type { Job, RejectReason, ShareOutcome } from '../../../mining/types.ts';
import {
  MOST_DIFFICULTY,
  Vardiff,
  difficultyOfHashrate,
  initialDifficulty,
  leastDifficulty,
} from '../../../mining/vardiff.ts';
import { bigintToU256 } from '../../codec.ts';
import { SUBMIT_SHARES_ERROR, SetExtranoncePrefix, SetTarget } from '../../messages/mining.ts';
import { SV2_VERSION_MASK, messageOf, type ServerMessage } from '../messages.ts';
import { ShareAccounting, type ChannelBooks } from './accounting.ts';
import { JobStore, newPrevHashMessage, startNtime, type ChannelJob } from './jobs.ts';

/** The hardest `max_target` that is accepted; beyond it no share would ever come. */
const LEAST_MAX_TARGET = targetOfDifficulty(MOST_DIFFICULTY);

/** What all channels of a connection share. */
export interface ChannelSettings {
  readonly sharesPerMinute: number;
  /** Difficulty to begin with; 0: from the hashrate the client names, else from what it says it is. */
  readonly startDifficulty: number;
  /** Vendor, hardware and firmware of `SetupConnection`. */
  readonly userAgent: string;
  /** Whether miners may change the version's general purpose bits. */
  readonly versionRolling: boolean;
}

export interface ChannelRequest {
  readonly id: number;
  /** As the client wrote it, hostile text. */
  readonly userIdentity: string;
  /** Checked by `checkDemands`. H/s; 0 when nothing is known. */
  readonly nominalHashRate: number;
  readonly maxTarget: bigint;
  /** Milliseconds since 1970. */
  readonly now: number;
}

export interface Submission {
  readonly sequenceNumber: number;
  readonly jobId: number;
  readonly nonce: number;
  readonly ntime: number;
  readonly version: number;
  /** Empty on standard channels. */
  readonly extranonce: Uint8Array;
}

export interface JudgeContext {
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly seen: DuplicateSet;
  /** Whether shares on this job still count; when left out, what the channel's last `SetNewPrevHash` says. */
  readonly isCurrent?: ((job: Job) => boolean) | undefined;
}

/** A judged share: the outcome, and the code to send back with a rejection. */
export interface Judgement {
  readonly outcome: ShareOutcome;
  /** The share's job, when it named one. */
  readonly job: Job | undefined;
  /** The difficulty it was judged by: its worth as work. 0 when that is unknown. */
  readonly assignedDifficulty: number;
  /** For `SubmitShares.Error`; undefined for an accepted share. */
  readonly errorCode: string | undefined;
}

/** What is wrong with what a client asks for in `Open…MiningChannel` or `UpdateChannel`, or undefined. */
export function checkDemands(
  nominalHashRate: number,
  maxTarget: bigint,
): 'nominalHashRate' | 'maxTarget' | undefined {
  // 0 is what a proxy without machines must send (SV2 5.3.2).
  if (!(nominalHashRate >= 0) || !Number.isFinite(nominalHashRate)) return 'nominalHashRate';
  return maxTarget < LEAST_MAX_TARGET || maxTarget > MAX_TARGET ? 'maxTarget' : undefined;
}

export abstract class ServerChannel {
  abstract readonly kind: 'standard' | 'extended';
  readonly id: number;
  readonly userIdentity: string;
  readonly #settings: ChannelSettings;
  readonly #accounting = new ShareAccounting();
  readonly #vardiff: Vardiff;
  readonly #jobs = new JobStore();
  #replaced: Uint8Array[] = [];
  #prefix: Uint8Array;
  #nominalHashRate: number;
  #maxTarget: bigint;
  #target: bigint;
  #current: Job | undefined;
  /** `min_ntime` of the newest job, so that the same work sent again does not begin where it began before. */
  #lastNtime = 0;
  #lastShareAt: number | undefined;

  constructor(request: ChannelRequest, settings: ChannelSettings, extranoncePrefix: Uint8Array) {
    this.id = request.id;
    this.userIdentity = request.userIdentity;
    this.#settings = settings;
    this.#prefix = extranoncePrefix;
    this.#nominalHashRate = request.nominalHashRate;
    this.#maxTarget = request.maxTarget;
    const { sharesPerMinute, startDifficulty, userAgent } = settings;
    let initial = startDifficulty;
    if (!(initial > 0)) {
      initial =
        request.nominalHashRate > 0
          ? difficultyOfHashrate(request.nominalHashRate, sharesPerMinute)
          : initialDifficulty(userAgent, sharesPerMinute);
    }
    const least = Math.min(initial, leastDifficulty(userAgent, sharesPerMinute));
    this.#vardiff = new Vardiff({ initial, sharesPerMinute, now: request.now, least });
    this.#vardiff.setMinimum(difficultyOfTarget(request.maxTarget));
    this.#target = this.#targetNow();
  }

  /** The job message of this kind of channel. */
  protected abstract jobMessage(
    id: number,
    job: Job,
    minNtime: number | undefined,
    work: Uint8Array,
  ): ServerMessage;
  /** What a job that is sent once more is hashed with. */
  protected abstract workAgain(id: number): Uint8Array;
  /** Bytes of extranonce a share brings. */
  abstract readonly rollableSize: number;

  get extranoncePrefix(): Uint8Array {
    return this.#prefix;
  }
  /** H/s as the client last said. */
  get nominalHashRate(): number {
    return this.#nominalHashRate;
  }
  get maxTarget(): bigint {
    return this.#maxTarget;
  }
  /** The target of jobs from now on. Never above `maxTarget`. */
  get target(): bigint {
    return this.#target;
  }
  get difficulty(): number {
    return this.#vardiff.difficulty;
  }
  get versionRolling(): boolean {
    return this.#settings.versionRolling;
  }
  get books(): ChannelBooks {
    return this.#accounting.books;
  }
  get lastShareAt(): number | undefined {
    return this.#lastShareAt;
  }
  /** Accepted shares not acknowledged yet. */
  get pendingAcknowledgements(): number {
    return this.#accounting.pending;
  }
  /** True when the job builds on what the client was last told by `SetNewPrevHash`. */
  onTip(job: Job): boolean {
    return this.#jobs.onTip(job);
  }

  #targetNow(): bigint {
    // The minimum is a rounded double, the client's maximum is exact.
    const target = targetOfDifficulty(this.#vardiff.difficulty);
    return target < this.#maxTarget ? target : this.#maxTarget;
  }

  #entry(id: number, job: Job, future: boolean, work: Uint8Array): ChannelJob {
    return {
      id,
      job,
      extranoncePrefix: this.#prefix,
      work,
      target: this.#target,
      difficulty: this.difficulty,
      future,
    };
  }

  // Jobs

  /**
   * Sends a job ahead of its block hash (SV2 5.1.3). Of `job`, previous hash, bits and times do not count yet.
   * @param id on the wire, not in use on this channel or its group.
   */
  offer(id: number, job: Job): ServerMessage {
    this.takeJob(id, job, true);
    return this.jobMessage(id, job, undefined, this.#prefix);
  }

  /**
   * Sends a job to be worked on now: with `SetNewPrevHash` when it builds on another block than the one before, as an active
   * job otherwise. A job offered before (the same `job.id`) is only activated.
   */
  newJob(nextId: () => number, job: Job): ServerMessage[] {
    if (this.onTip(job)) {
      const id = nextId();
      this.takeJob(id, job, false);
      return [this.jobMessage(id, job, startNtime(job), this.#prefix)];
    }
    const offered = this.#jobs.futureOf(job);
    if (offered) {
      this.activate(offered.id, job);
      return [newPrevHashMessage(this.id, offered.id, job)];
    }
    const id = nextId();
    const sent = this.offer(id, job);
    this.activate(id, job);
    return [sent, newPrevHashMessage(this.id, id, job)];
  }

  /** The wire id of the future job that becomes `job`, when the client has one. */
  futureIdOf(job: Job): number | undefined {
    return this.#jobs.futureOf(job)?.id;
  }

  /** Remembers a job that is sent, to this channel or its group. */
  takeJob(id: number, job: Job, future: boolean, work = this.#prefix): void {
    this.#jobs.add(this.#entry(id, job, future, work));
    if (future) return;
    this.#current = job;
    this.#lastNtime = startNtime(job);
  }

  /** A `SetNewPrevHash` for the future job `id` is sent, to this channel or its group. */
  activate(id: number, job: Job): void {
    const prefix = this.#jobs.get(id)?.extranoncePrefix ?? this.#prefix;
    this.#jobs.activate({ ...this.#entry(id, job, false, prefix), extranoncePrefix: prefix });
    this.#current = job;
    this.#lastNtime = startNtime(job);
  }

  /**
   * The current job once more under a new id, so that a new target counts at once: jobs keep the target they were sent with
   * (SV2 5.3.21). Its time moves on, and header-only work is varied: miners that heed no time must find no share a second time.
   */
  #again(nextId: () => number, now: number): ServerMessage[] {
    const job = this.#current;
    if (!job) return [];
    const id = nextId();
    const ntime = Math.max(startNtime(job), Math.floor(now / 1_000), this.#lastNtime + 1);
    const work = this.workAgain(id);
    this.takeJob(id, job, false, work);
    this.#lastNtime = ntime;
    return [this.jobMessage(id, job, ntime, work)];
  }

  // Target

  #retarget(nextId: () => number, now: number): ServerMessage[] {
    this.#target = this.#targetNow();
    const message = messageOf(SetTarget, {
      channelId: this.id,
      maximumTarget: bigintToU256(this.#target),
    });
    return [message, ...this.#again(nextId, now)];
  }

  /** Time passes. Gives `SetTarget` and the job anew when the difficulty changes. */
  tick(nextId: () => number, now: number): ServerMessage[] {
    return this.#vardiff.tick(now) === undefined ? [] : this.#retarget(nextId, now);
  }

  /**
   * `UpdateChannel` (SV2 5.3.7), checked by `checkDemands` before. A lower maximum counts at once. The named hashrate is only
   * kept: how fast a client is, its shares tell better.
   */
  update(nextId: () => number, nominalHashRate: number, maxTarget: bigint, now: number): ServerMessage[] {
    this.#nominalHashRate = nominalHashRate;
    this.#maxTarget = maxTarget;
    this.#vardiff.setMinimum(difficultyOfTarget(maxTarget));
    return this.#targetNow() === this.#target ? [] : this.#retarget(nextId, now);
  }

  // Extranonce

  /**
   * Gives the channel another prefix for the jobs to come (SV2 5.3.10), and the current job anew with it. Not every firmware
   * follows: early Stratum V2 versions of Bitaxe ignore the message, so it is for when there is no other way.
   */
  setExtranoncePrefix(nextId: () => number, prefix: Uint8Array, now: number): ServerMessage[] {
    if (prefix.length !== this.#prefix.length)
      throw new RangeError(`a prefix of ${this.#prefix.length} bytes is wanted, not ${prefix.length}`);
    this.#replaced.push(this.#prefix);
    this.#prefix = prefix;
    const message = messageOf(SetExtranoncePrefix, { channelId: this.id, extranoncePrefix: prefix });
    return [message, ...this.#again(nextId, now)];
  }

  /** Former prefixes no share can come under any more; each is given once. */
  freedPrefixes(): Uint8Array[] {
    const free = this.#replaced.filter((prefix) => !this.#jobs.usesPrefix(prefix));
    if (free.length > 0) this.#replaced = this.#replaced.filter((prefix) => !free.includes(prefix));
    return free;
  }

  /** Every prefix the channel holds, for when it is gone. */
  allPrefixes(): Uint8Array[] {
    return [this.#prefix, ...this.#replaced];
  }

  // Shares

  /**
   * Judges a share and books it. `blockFound` comes before everything else that may be wrong with it (see `checkShare`).
   * Never throws for anything a client can send.
   * @param instead what a share that is no block gets in place of being accepted, when its message is at fault.
   */
  judge(share: Submission, context: JudgeContext, instead?: Judgement): Judgement {
    const judged = this.#judge(share, context);
    const judgement = judged.outcome.kind === 'valid' ? (instead ?? judged) : judged;
    const { outcome } = judgement;
    if (outcome.kind === 'rejected') {
      this.#accounting.reject();
    } else {
      this.#accounting.accept(
        share.sequenceNumber,
        judgement.assignedDifficulty,
        outcome.kind === 'blockFound',
      );
      this.#lastShareAt = context.now;
    }
    return judgement;
  }

  #judge(share: Submission, { now, seen, isCurrent }: JudgeContext): Judgement {
    const entry = this.#jobs.get(share.jobId);
    if (!entry || entry.future)
      return refuse(SUBMIT_SHARES_ERROR.invalidJobId, 'unknownJob', `no job ${share.jobId} on this channel`);
    const { job } = entry;
    if (share.extranonce.length !== this.rollableSize) {
      const detail = `extranonce has ${share.extranonce.length} bytes instead of ${this.rollableSize}`;
      return { ...refuse(SUBMIT_SHARES_ERROR.badExtranonceSize, 'malformed', detail), job };
    }
    // Machines apply `SetTarget` to the job they are on, before the next one comes: where it made shares easier they are taken.
    const easiest = entry.target > this.#target ? entry.target : this.#target;
    const versionMask = this.versionRolling ? SV2_VERSION_MASK : 0;
    const outcome = checkShare(
      job,
      {
        jobId: job.id,
        extranonce: concatBytes(entry.work, share.extranonce),
        version: share.version,
        ntime: share.ntime,
        nonce: share.nonce,
      },
      {
        assignedTarget: easiest,
        current: isCurrent ? isCurrent(job) : this.onTip(job),
        seen,
        now: Math.floor(now / 1_000),
        versionMask,
      },
    );
    if (outcome.kind === 'rejected') {
      const wrongVersion = ((share.version ^ job.version) & ~versionMask) !== 0;
      const errorCode = errorCodeOf(outcome.reason, wrongVersion, this.versionRolling);
      return { outcome, job, assignedDifficulty: entry.difficulty, errorCode };
    }
    const byNewTarget = outcome.kind === 'valid' && hashToBigint(outcome.hash) > entry.target;
    const assignedDifficulty = byNewTarget ? this.difficulty : entry.difficulty;
    return { outcome, job, assignedDifficulty, errorCode: undefined };
  }

  /** After an accepted share was answered: `SetTarget` and the job anew when the difficulty changes. */
  afterShare(nextId: () => number, assignedDifficulty: number, now: number): ServerMessage[] {
    return this.#vardiff.share(now, assignedDifficulty) === undefined ? [] : this.#retarget(nextId, now);
  }

  /** `SubmitShares.Success` for what is not acknowledged yet. */
  acknowledge(): ServerMessage | undefined {
    return this.#accounting.acknowledge(this.id);
  }
}

function refuse(errorCode: string, reason: 'unknownJob' | 'malformed', detail: string): Judgement {
  return { outcome: { kind: 'rejected', reason, detail }, job: undefined, assignedDifficulty: 0, errorCode };
}

/** The code for each reason whose cause is not to be told further. */
const ERROR_CODES: Readonly<Partial<Record<RejectReason, string>>> = {
  stale: SUBMIT_SHARES_ERROR.staleShare,
  duplicate: SUBMIT_SHARES_ERROR.duplicateShare,
  lowDifficulty: SUBMIT_SHARES_ERROR.difficultyTooLow,
  unknownJob: SUBMIT_SHARES_ERROR.invalidJobId,
};

function errorCodeOf(reason: RejectReason, wrongVersion: boolean, versionRolling: boolean): string {
  const code = ERROR_CODES[reason];
  if (code !== undefined) return code;
  if (!wrongVersion) return SUBMIT_SHARES_ERROR.invalidShare;
  return versionRolling
    ? SUBMIT_SHARES_ERROR.invalidNonRollableVersionBit
    : SUBMIT_SHARES_ERROR.versionRollingNotAllowed;
}
