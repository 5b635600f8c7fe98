import type { Job, ShareOutcome } from '../../core/mining/types.ts';

/** Whoever gives the jobs and takes the shares: the own node (solo) now, pools later. */
export interface Upstream {
  readonly kind: 'solo' | 'sv2' | 'sv2-jd' | 'sv1';
  current(): Job | undefined;
  /** Called at once for every new job, in order. */
  onJob(listener: (job: Job) => void): () => void;
  /** A job that may still be named by a share: those on the current tip, and those of the last tip for a short while. */
  job(id: number): Job | undefined;
  /** True while shares on this job count (its tip is the tip). */
  isCurrentTip(job: Job): boolean;
  /**
   * A found block, called synchronously from the share check before anything else is done with the share.
   * Sends it to the node, then keeps it on disk, then tells the rest.
   */
  blockFound(job: Job, outcome: Extract<ShareOutcome, { kind: 'blockFound' }>, finder: Finder): void;
  start(): void;
  stop(): Promise<void>;
}

export interface Finder {
  readonly worker: string;
  readonly userAgent: string;
}
