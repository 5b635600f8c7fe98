/** What the checks want of a mining server of ours, be it the gateway or bare sessions. */
import type { Job } from '../../../src-main/core/mining/types.ts';

export interface Served {
  readonly port: number;
  /** Authority key, base58check. */
  readonly authority: string;
  newJob(job: Job): void;
  /** Accepted shares, in all or on one job. */
  accepted(job?: Job): number;
  /** Accepted shares that are blocks. */
  blocks(): number;
  /** Refused shares of each kind; "stale" are those that crossed a new block on the way. */
  rejected(): Readonly<Record<string, number>>;
  /** Names of machines or workers that found something. */
  workers(): readonly string[];
  /** What should not have happened. */
  wrong(): readonly string[];
  stop(): Promise<void>;
}
