/**
 * One Stratum V1 connection as a state machine: parsed messages, jobs and difficulties go in, lines to send and things to
 * do come out. No sockets, no clock. The share itself is judged by the caller, who has the jobs.
 */
import { VERSION_ROLLING_MASK } from '../mining/types.ts';
import type { RejectReason, ShareOutcome } from '../mining/types.ts';
import {
  ERROR,
  encodeError,
  encodeNotify,
  encodeResult,
  encodeSetDifficulty,
  encodeSubscribed,
  hexU32,
  parseJobId,
} from './messages.ts';
import type {
  ConfigureRequest,
  DisconnectReason,
  ErrorCode,
  IdText,
  NotifyTemplate,
  Parsed,
  Request,
  SubmitRequest,
} from './messages.ts';

/** Worker names one connection may carry (proxies bring several machines). More are served under the first name. */
export const MAX_WORKERS = 64;
/** Difficulties that are remembered for shares still under way. */
const MAX_HISTORY = 8;
/** What a machine is called that gives no name. */
export const UNNAMED = 'unnamed';
/** Ids of our own requests; far from the small numbers miners count with. */
export const VERSION_REQUEST_ID = 1_000_000_001;
export const PING_REQUEST_ID = 1_000_000_002;

/** A submission that passed every check that needs no job. */
export interface SubmittedShare {
  readonly id: IdText;
  readonly worker: string;
  readonly jobId: number;
  readonly extranonce2: Uint8Array;
  readonly ntime: number;
  readonly nonce: number;
  readonly versionBits: number | undefined;
  /** The difficulty the share is judged by. */
  readonly assignedDifficulty: number;
}

export type Output =
  | { readonly kind: 'send'; readonly text: string }
  /** Judge it, then answer with `encodeOutcome`. */
  | { readonly kind: 'share'; readonly share: SubmittedShare }
  /** Refused without a look at the job. The answer is in `text`; to be counted. */
  | {
      readonly kind: 'rejected';
      readonly worker: string;
      readonly reason: RejectReason;
      readonly text: string;
    }
  /** A request that made no sense; the answer is in `text`. Counts against the peer. */
  | { readonly kind: 'confused'; readonly text: string }
  | { readonly kind: 'authorized'; readonly worker: string }
  /** The machine told what it is. */
  | { readonly kind: 'named'; readonly userAgent: string }
  /** Subscribed and authorised for the first time: wants a difficulty and a job. */
  | { readonly kind: 'ready' }
  /** `floor`: never less than this; else a place to begin from. */
  | { readonly kind: 'difficultyAsked'; readonly difficulty: number; readonly floor: boolean }
  | { readonly kind: 'disconnect'; readonly reason: DisconnectReason | 'terminated' };

export interface SessionOptions {
  /** This connection's part of the extranonce; no other connection may hold it at the same time. */
  readonly extranonce1: Uint8Array;
  /** Bytes the miner rolls after it. */
  readonly extranonce2Size: number;
  /** What `client.get_version` and `mining.ping` of the miner are answered with, for example "Adit/0.1.0". */
  readonly serverName: string;
}

interface DifficultyChange {
  readonly epoch: number;
  /** The first job id this difficulty counts for. */
  readonly fromJob: number;
  readonly difficulty: number;
}

export class Session {
  readonly extranonce1: Uint8Array;
  readonly #extranonce1Hex: string;
  readonly #extranonce2Size: number;
  readonly #serverName: string;
  #subscribed = false;
  #ready = false;
  #userAgent = '';
  #workers: string[] = [];
  #versionMask: number | undefined;
  #history: DifficultyChange[] = [];
  #epoch = 0;
  #lastJob = 0;
  #lastNtime = 0;

  constructor(options: SessionOptions) {
    this.extranonce1 = options.extranonce1;
    this.#extranonce1Hex = Array.from(options.extranonce1, (byte) => byte.toString(16).padStart(2, '0')).join(
      '',
    );
    this.#extranonce2Size = options.extranonce2Size;
    this.#serverName = options.serverName;
  }

  get subscribed(): boolean {
    return this.#subscribed;
  }
  /** Subscribed and authorised: it gets jobs. */
  get ready(): boolean {
    return this.#ready;
  }
  get userAgent(): string {
    return this.#userAgent;
  }
  /** Authorised worker names; the first one is the connection's own. */
  get workers(): readonly string[] {
    return this.#workers;
  }
  /** Whether the miner asked to roll version bits and was allowed to. */
  get versionRolling(): boolean {
    return this.#versionMask !== undefined;
  }
  /** Bits of the header's version this connection may change; those of BIP320 when it never asked. */
  get versionMask(): number {
    return this.#versionMask ?? VERSION_ROLLING_MASK;
  }
  /** The difficulty last sent; 0 before the first. */
  get difficulty(): number {
    return this.#history.at(-1)?.difficulty ?? 0;
  }

  /** Takes one parsed line. What comes out is to be done in order. Never throws. */
  receive(parsed: Parsed): readonly Output[] {
    switch (parsed.kind) {
      case 'nothing':
        return [];
      case 'disconnect':
        return [{ kind: 'disconnect', reason: parsed.reason }];
      case 'error':
        return [{ kind: 'confused', text: encodeError(parsed.id, parsed.code, parsed.message) }];
      default:
        return this.#request(parsed.request);
    }
  }

  #request(request: Request): readonly Output[] {
    switch (request.kind) {
      case 'submit':
        return [this.#submit(request)];
      case 'malformedSubmit': {
        const refused = this.#refusal(request.id, request.worker);
        return [refused ?? this.#malformed(request.id, request.worker, request.detail)];
      }
      case 'subscribe':
        return this.#subscribe(request.id, request.userAgent);
      case 'authorize':
        return this.#authorize(request.id, request.worker, request.difficulty);
      case 'configure':
        return this.#configure(request);
      case 'suggestDifficulty':
        return [
          send(encodeResult(request.id, 'true')),
          { kind: 'difficultyAsked', difficulty: request.difficulty, floor: false },
        ];
      case 'extranonceSubscribe':
      // Its sixth submit parameter is understood, and that is all a machine needs that asks for several versions.
      case 'multiVersion':
      case 'hashrate':
        return [send(encodeResult(request.id, 'true'))];
      case 'getTransactions':
        // A full list is megabytes; an empty one means "not told" and satisfies those that ask.
        return [send(encodeResult(request.id, '[]'))];
      case 'ping':
        return [send(encodeResult(request.id, '"pong"'))];
      case 'getVersion':
        return [send(encodeResult(request.id, JSON.stringify(this.#serverName)))];
      case 'terminate':
        return [send(encodeResult(request.id, 'true')), { kind: 'disconnect', reason: 'terminated' }];
      case 'response':
        return this.#response(request.id, request.text);
      default:
        return [
          {
            kind: 'confused',
            text: encodeError(request.id, ERROR.other, `unknown method ${request.method}`),
          },
        ];
    }
  }

  #subscribe(id: IdText, userAgent: string): readonly Output[] {
    this.#subscribed = true;
    const out: Output[] = [send(encodeSubscribed(id, this.#extranonce1Hex, this.#extranonce2Size))];
    if (userAgent !== '' && userAgent !== this.#userAgent) {
      this.#userAgent = userAgent;
      out.push({ kind: 'named', userAgent });
    }
    return this.#whenReady(out);
  }

  #authorize(id: IdText, name: string, difficulty: number | undefined): readonly Output[] {
    // Whoever connects is served: solo, the payout is the user's own whatever a machine calls itself.
    const worker = name === '' ? UNNAMED : name;
    const out: Output[] = [send(encodeResult(id, 'true'))];
    if (!this.#workers.includes(worker) && this.#workers.length < MAX_WORKERS) {
      this.#workers.push(worker);
      out.push({ kind: 'authorized', worker });
    }
    // Rented hashrate comes with the least difficulty its market takes in the password.
    if (difficulty !== undefined) out.push({ kind: 'difficultyAsked', difficulty, floor: true });
    return this.#whenReady(out);
  }

  #whenReady(out: Output[]): readonly Output[] {
    if (!this.#ready && this.#subscribed && this.#workers.length > 0) {
      this.#ready = true;
      out.push({ kind: 'ready' });
    }
    return out;
  }

  /** BIP310. Only what was asked for is answered: Whatsminer and cgminer call any other key an error. */
  #configure(request: ConfigureRequest): readonly Output[] {
    const answers: string[] = [];
    const out: Output[] = [];
    for (const extension of new Set(request.extensions)) {
      switch (extension) {
        case 'version-rolling': {
          // Without a mask of its own a miner takes any bit (BIP310).
          const mask = (request.mask ?? 0xffff_ffff) & VERSION_ROLLING_MASK;
          if (bitCount(mask) < (request.minBitCount ?? 0)) {
            answers.push('"version-rolling":false');
            break;
          }
          this.#versionMask = mask;
          answers.push('"version-rolling":true', `"version-rolling.mask":"${hexU32(mask)}"`);
          break;
        }
        case 'minimum-difficulty':
          if (request.minimumDifficulty === undefined) {
            answers.push('"minimum-difficulty":false');
            break;
          }
          answers.push('"minimum-difficulty":true');
          out.push({ kind: 'difficultyAsked', difficulty: request.minimumDifficulty, floor: true });
          break;
        case 'subscribe-extranonce':
        case 'info':
          answers.push(`${JSON.stringify(extension)}:true`);
          break;
        default:
          answers.push(`${JSON.stringify(extension)}:false`);
      }
    }
    return [send(encodeResult(request.id, `{${answers.join(',')}}`)), ...out];
  }

  #response(id: IdText, text: string): readonly Output[] {
    if (id !== String(VERSION_REQUEST_ID) || text === '' || this.#userAgent !== '') return [];
    this.#userAgent = text;
    return [{ kind: 'named', userAgent: text }];
  }

  /** Why nothing of this peer can be taken yet. */
  #refusal(id: IdText, worker: string): Output | undefined {
    if (!this.#subscribed) return rejected(id, worker, 'unauthorized', ERROR.notSubscribed, 'Not subscribed');
    if (this.#workers.length === 0)
      return rejected(id, worker, 'unauthorized', ERROR.unauthorized, 'Unauthorized worker');
    return undefined;
  }

  #malformed(id: IdText, worker: string, detail: string): Output {
    return rejected(id, this.#workerOf(worker), 'malformed', ERROR.other, detail);
  }

  /** A share counts for the name it carries if that one was authorised here, else for the connection's own. */
  #workerOf(name: string): string {
    return this.#workers.includes(name) ? name : (this.#workers[0] ?? UNNAMED);
  }

  #submit(submit: SubmitRequest): Output {
    const refused = this.#refusal(submit.id, submit.worker);
    if (refused) return refused;
    const worker = this.#workerOf(submit.worker);
    const job = parseJobId(submit.jobId);
    const assignedDifficulty = job && this.assignedDifficulty(job.id, job.epoch);
    if (job === undefined || assignedDifficulty === undefined) {
      return rejected(submit.id, worker, 'unknownJob', ERROR.jobNotFound, 'Job not found');
    }
    if (submit.extranonce2.length !== this.#extranonce2Size) {
      return this.#malformed(submit.id, worker, `extranonce2 must be ${this.#extranonce2Size} bytes`);
    }
    return {
      kind: 'share',
      share: {
        id: submit.id,
        worker,
        jobId: job.id,
        extranonce2: submit.extranonce2,
        ntime: submit.ntime,
        nonce: submit.nonce,
        versionBits: submit.versionBits,
        assignedDifficulty,
      },
    };
  }

  /**
   * The difficulty a share on this job is judged by: the one in force when the job was sent, or a lower one that came
   * later, for some miners use a new difficulty at once and some only with the next job. Undefined before the first
   * difficulty and for jobs never sent.
   */
  assignedDifficulty(jobId: number, epoch: number | undefined): number | undefined {
    if (jobId > this.#lastJob) return undefined;
    if (epoch !== undefined && epoch > this.#epoch) return undefined;
    let least: number | undefined;
    for (let i = this.#history.length - 1; i >= 0; i -= 1) {
      const change = this.#history[i] as DifficultyChange;
      if (least === undefined || change.difficulty < least) least = change.difficulty;
      if (epoch === undefined ? change.fromJob <= jobId : change.epoch <= epoch) break;
    }
    return least;
  }

  /**
   * A new job goes out. Gives what must go before its `mining.notify`: a `mining.set_difficulty` when `difficulty` is not
   * the one in force, else nothing.
   */
  jobSent(template: NotifyTemplate, difficulty: number): string {
    const text = difficulty === this.difficulty ? '' : this.#changeDifficulty(template.jobId, difficulty);
    this.#lastJob = template.jobId;
    this.#lastNtime = template.ntime;
    return text;
  }

  /**
   * A new difficulty between two jobs: `mining.set_difficulty` and the current job once more under another name, so that
   * the difficulty starts now and both sides know where. `ntime` of the copy moves on (seconds, at least `now`): the same
   * work twice would give duplicate shares from firmware that starts its counters anew with every notify.
   */
  resend(template: NotifyTemplate, difficulty: number, now: number, cleanJobs: boolean): string {
    const text = this.#changeDifficulty(template.jobId + 1, difficulty);
    this.#lastNtime = Math.max(this.#lastNtime + 1, now);
    return text + encodeNotify(template, cleanJobs, this.#lastNtime, this.#epoch);
  }

  #changeDifficulty(fromJob: number, difficulty: number): string {
    this.#epoch += 1;
    this.#history.push({ epoch: this.#epoch, fromJob, difficulty });
    if (this.#history.length > MAX_HISTORY) this.#history.shift();
    return encodeSetDifficulty(difficulty);
  }

  /**
   * Header versions a submission can mean, likeliest first. Never empty: whether the bits were allowed is judged after the
   * hash, for a block with forbidden bits is a block all the same.
   * BIP310: the job's version with the bits of the mask replaced. Where the job's own version has bits inside the mask
   * (BIP9 signalling below bit 29), firmware that sends only what it added means the bits on top of it. Bits outside the
   * mask are most likely a version sent whole. A miner that rolls without having asked is judged by the mask of BIP320:
   * its proof of work is as good.
   */
  versionsOf(jobVersion: number, bits: number | undefined): readonly number[] {
    if (bits === undefined) return [jobVersion];
    const mask = this.versionMask;
    const replaced = (jobVersion & ~mask) | (bits & mask);
    const added = jobVersion | bits;
    const meant = (bits & ~mask) === 0 ? [replaced, added] : [bits, added];
    return Array.from(new Set(meant), (version) => toInt32(version, jobVersion));
  }
}

/** Bit operations give signed numbers; a job's version may be kept unsigned. */
function toInt32(version: number, like: number): number {
  return like > 0x7fff_ffff ? version >>> 0 : version | 0;
}

function send(text: string): Output {
  return { kind: 'send', text };
}

function rejected(id: IdText, worker: string, reason: RejectReason, code: ErrorCode, detail: string): Output {
  return {
    kind: 'rejected',
    worker: worker === '' ? UNNAMED : worker,
    reason,
    text: encodeError(id, code, detail),
  };
}

function bitCount(value: number): number {
  let count = 0;
  for (let rest = value >>> 0; rest !== 0; rest = (rest & (rest - 1)) >>> 0) count += 1;
  return count;
}

const REJECTIONS: Readonly<Record<RejectReason, { readonly code: ErrorCode; readonly message: string }>> = {
  stale: { code: ERROR.jobNotFound, message: 'Stale share' },
  unknownJob: { code: ERROR.jobNotFound, message: 'Job not found' },
  duplicate: { code: ERROR.duplicate, message: 'Duplicate share' },
  lowDifficulty: { code: ERROR.lowDifficulty, message: 'Low difficulty share' },
  unauthorized: { code: ERROR.unauthorized, message: 'Unauthorized worker' },
  malformed: { code: ERROR.other, message: 'Malformed share' },
};

/** The answer to a judged share, as a whole line. */
export function encodeOutcome(id: IdText, outcome: ShareOutcome): string {
  if (outcome.kind !== 'rejected') return encodeResult(id, 'true');
  const { code, message } = REJECTIONS[outcome.reason];
  return encodeError(
    id,
    code,
    outcome.reason === 'malformed' && outcome.detail !== '' ? outcome.detail : message,
  );
}
