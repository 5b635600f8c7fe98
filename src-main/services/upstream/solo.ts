import { bytesToHex, displayHash, equalBytes } from '../../core/bitcoin/bytes.ts';
import type { Network } from '../../core/bitcoin/network.ts';
import { JobError, buildJob, coinbaseOf, headerOf, withWitness } from '../../core/mining/job.ts';
import type { Job, Payout, ShareOutcome, Template } from '../../core/mining/types.ts';
import type { Log } from '../log/index.ts';
import { OLD_TIP_MS, TEMPLATES_KEPT, type TemplateSource } from '../templates/index.ts';
import type { BlockKeeper } from './keeper.ts';
import type { Finder, Upstream } from './types.ts';

/** Jobs of the current tip that a share may name. */
export const JOBS_KEPT = 64;
/** The check of a job occupies the node for a while with a large block: it waits until the tip's first rush is over. */
const PROPOSE_AFTER_MS = 1_000;

/** Something that makes mining worthless until it is put right. */
export interface UpstreamProblem {
  readonly code: 'jobFailed' | 'jobRefused' | 'templateGone';
  readonly message: string;
  readonly advice: string;
}

export interface SoloUpstreamOptions {
  /** Started and stopped by whoever owns it. */
  readonly source: TemplateSource;
  /** Who is paid, from the settings; undefined while nobody is chosen, and then there are no jobs. */
  readonly payouts: () => readonly Payout[] | undefined;
  readonly tag: () => string;
  readonly network: Network;
  readonly clock: { now(): number };
  readonly log: Log;
  readonly keeper: Pick<BlockKeeper, 'found' | 'onTip' | 'onNodeReady'>;
  /** Bytes of the whole extranonce. */
  readonly extranonceSize: number;
  /** Called with a problem, and with undefined when the last one is over. */
  readonly onProblem?: (problem: UpstreamProblem | undefined) => void;
  /** Milliseconds from a job to its check by the node. */
  readonly proposeAfterMs?: number;
  /**
   * Practice on regtest, where every second hash is a block: what counts as one must also meet this target. Asked once for
   * each job; never makes a target easier.
   */
  readonly practiceTarget?: () => bigint;
}

export interface SoloUpstream extends Upstream {
  /** A new job from the current template, after payouts, tag or policy changed. Work for the old one ends (`cleanJobs`). */
  rebuild(): void;
}

/** Solo mining on the own node: every template becomes a job that pays the user. */
export function createSoloUpstream(options: SoloUpstreamOptions): SoloUpstream {
  return new Solo(options);
}

class Solo implements SoloUpstream {
  readonly kind = 'solo';
  readonly #options: SoloUpstreamOptions;
  readonly #listeners = new Set<(job: Job) => void>();
  /** By id, oldest first: those on the tip, and those of the tip before it until `#oldTimer` runs out. */
  readonly #jobs = new Map<number, Job>();
  #old = new Map<number, Job>();
  #oldTimer: NodeJS.Timeout | undefined;
  /** Templates on the tip, oldest first: a job is of no use without the transactions of its template. */
  #templates: string[] = [];
  #tip: Uint8Array | undefined;
  #current: Job | undefined;
  #lastId = 0;
  #running = false;
  #unsubscribe: (() => void) | undefined;
  #proposal: NodeJS.Timeout | undefined;
  /** Payouts and tag of the last job the node found valid. */
  #approved = '';
  #problem: UpstreamProblem['code'] | undefined;

  constructor(options: SoloUpstreamOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#unsubscribe !== undefined) return;
    const { source } = this.#options;
    const offTemplate = source.onTemplate((template) => this.#onTemplate(template));
    const offState = source.onState(() => this.#onState());
    this.#unsubscribe = () => {
      offTemplate();
      offState();
    };
    const template = source.current();
    if (template !== undefined) this.#onTemplate(template);
  }

  // oxlint-disable-next-line typescript/require-await -- pools have a connection to close
  async stop(): Promise<void> {
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
    clearTimeout(this.#proposal);
    clearTimeout(this.#oldTimer);
    // Jobs stay: a share that is on its way may be a block.
    this.#current = undefined;
  }

  current(): Job | undefined {
    return this.#current;
  }

  onJob(listener: (job: Job) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  job(id: number): Job | undefined {
    return this.#jobs.get(id) ?? this.#old.get(id);
  }

  isCurrentTip(job: Job): boolean {
    return this.#tip !== undefined && equalBytes(job.previousHash, this.#tip);
  }

  rebuild(): void {
    const template = this.#options.source.current();
    if (this.#unsubscribe === undefined || template === undefined) return;
    this.#makeJob(template, true);
  }

  blockFound(job: Job, outcome: Extract<ShareOutcome, { kind: 'blockFound' }>, finder: Finder): void {
    const { source, keeper, clock, network, log } = this.#options;
    const { header, coinbase } = outcome;
    const hash = displayHash(outcome.hash);
    const block = source.assemble({ templateId: job.templateId, header, coinbase });
    if (block === undefined) {
      // Jobs are dropped before their templates, so this can't be; if it is, what there is must be on record.
      log.error('a found block could not be put together: the transactions of its template are gone', {
        hash,
        template: job.templateId,
        header: bytesToHex(header),
        coinbase: bytesToHex(coinbase),
      });
      this.#report({
        code: 'templateGone',
        message: `Block ${hash} was found, but the transactions of its template are gone, so it can't be sent.`,
        advice: 'Please report this with the log file: it must never happen.',
      });
      return;
    }
    keeper.found({
      block,
      hash,
      height: job.height,
      foundAt: clock.now(),
      worker: finder.worker,
      userAgent: finder.userAgent,
      reward: job.coinbaseValue,
      fees: job.fees,
      difficulty: outcome.difficulty,
      network,
      source: job.source,
      transactionCount: job.transactionCount,
      weight: job.weight,
    });
  }

  #onTemplate(template: Template): void {
    if (this.#tip === undefined || !equalBytes(this.#tip, template.previousHash))
      this.#moveTip(template.previousHash);
    this.#templates.push(template.id);
    while (this.#templates.length > TEMPLATES_KEPT) {
      const gone = this.#templates.shift();
      for (const [id, job] of this.#jobs) if (job.templateId === gone) this.#jobs.delete(id);
    }
    this.#makeJob(template, false);
    if (template.newTip) this.#options.keeper.onTip();
  }

  /**
   * A node that gives templates again also takes blocks again.
   * A source that withdraws its template has no current one any more; nobody shall begin to work on the job made of it.
   */
  #onState(): void {
    if (this.#options.source.current() === undefined) this.#current = undefined;
    const running = this.#options.source.state().kind === 'running';
    if (running && !this.#running) this.#options.keeper.onNodeReady();
    this.#running = running;
  }

  #moveTip(previousHash: Uint8Array): void {
    this.#tip = previousHash;
    this.#templates = [];
    this.#old = new Map(this.#jobs);
    this.#jobs.clear();
    clearTimeout(this.#oldTimer);
    this.#oldTimer = setTimeout(() => this.#old.clear(), OLD_TIP_MS).unref();
  }

  #makeJob(template: Template, replaces: boolean): void {
    const { payouts: choose, tag, network, clock, extranonceSize, log } = this.#options;
    const payouts = choose();
    if (payouts === undefined || payouts.length === 0) {
      this.#current = undefined;
      return;
    }
    let job: Job;
    try {
      this.#lastId += 1;
      job = buildJob(template, {
        id: this.#lastId,
        payouts,
        tag: tag(),
        network,
        now: clock.now(),
        extranonceSize,
      });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      log.error('no job could be made', { template: template.id, reason: message });
      // On the same tip, for the same payouts, the last job is as good as it was. Else nobody may go on with it.
      if (replaces || template.newTip) this.#current = undefined;
      this.#report({
        code: 'jobFailed',
        message: `No work could be made from the node's template: ${message}`,
        advice:
          error instanceof JobError && error.code === 'payouts'
            ? 'Check the payout addresses.'
            : 'Restart the node; if this stays, update Adit.',
      });
      return;
    }
    const practice = this.#options.practiceTarget?.();
    if (practice !== undefined && practice < job.target) job = { ...job, target: practice };
    // Jobs made before the first payout was set, or after a withdrawn template, replace whatever machines have.
    if ((replaces || this.#current === undefined) && !job.cleanJobs) job = { ...job, cleanJobs: true };
    if (this.#problem === 'jobFailed') this.#report(undefined);
    this.#jobs.set(job.id, job);
    if (this.#jobs.size > JOBS_KEPT) this.#jobs.delete(this.#jobs.keys().next().value as number);
    this.#current = job;
    for (const listener of this.#listeners) {
      try {
        listener(job);
      } catch (error) {
        log.error('a listener of the solo upstream failed', { reason: String(error) });
      }
    }
    this.#scheduleProposal(job, payouts);
  }

  /**
   * The first job of each kind (payouts and tag) is shown to the node as a block without proof of work. The template is the
   * node's own, so what can be wrong with it is the coinbase, and that differs by its kind only.
   */
  #scheduleProposal(job: Job, payouts: readonly Payout[]): void {
    const kind = JSON.stringify([
      payouts.map(({ script, basisPoints }) => [bytesToHex(script), basisPoints]),
      job.tag,
    ]);
    if (kind === this.#approved) return;
    clearTimeout(this.#proposal);
    this.#proposal = setTimeout(
      () => void this.#propose(job, kind),
      this.#options.proposeAfterMs ?? PROPOSE_AFTER_MS,
    ).unref();
  }

  async #propose(job: Job, kind: string): Promise<void> {
    const { source, log } = this.#options;
    const extranonce = new Uint8Array(job.extranonceSize);
    const header = headerOf(job, {
      jobId: job.id,
      extranonce,
      version: job.version,
      ntime: job.time,
      nonce: 0,
    });
    const coinbase = withWitness(job, coinbaseOf(job, extranonce));
    const block = source.assemble({ templateId: job.templateId, header, coinbase });
    if (block === undefined) return;
    let verdict: { readonly valid: boolean; readonly reason: string | undefined };
    try {
      verdict = await source.propose(block);
    } catch (error) {
      log.info('the node did not check the job; the next one will be shown to it', { reason: String(error) });
      return;
    }
    // "duplicate": the very block was found and sent meanwhile, so the node knows it and took it.
    if (verdict.valid || verdict.reason === 'duplicate') {
      this.#approved = kind;
      log.info('the node found the job valid', { job: job.id, height: job.height });
      if (this.#problem === 'jobRefused') this.#report(undefined);
      return;
    }
    // The tip moved before the node looked: the next job is shown to it.
    if (!this.isCurrentTip(job) || verdict.reason === 'inconclusive-not-best-prevblk') return;
    log.error('the node would refuse a block of this job', {
      job: job.id,
      height: job.height,
      reason: verdict.reason,
    });
    this.#report({
      code: 'jobRefused',
      message: `The node would refuse a block made from the current work: ${verdict.reason ?? 'no reason given'}.`,
      advice:
        'Mining now would be in vain. Restart the node; if this stays, update Adit and report it with the log file.',
    });
  }

  #report(problem: UpstreamProblem | undefined): void {
    this.#problem = problem?.code;
    this.#options.onProblem?.(problem);
  }
}
