/** What a thread of the load generator and its owner say to each other. Times are `monotonicMs()`. */
export interface WorkerSetup {
  readonly host: string;
  readonly port: number;
  readonly names: readonly string[];
  readonly password: string;
  readonly suggestDifficulty: number | undefined;
}

export type ToWorker =
  | { readonly kind: 'open' }
  /** Every miner sends shares as a Poisson process; 0 ends it. */
  | { readonly kind: 'steady'; readonly sharesPerMinute: number }
  /** Searches so many shares on the jobs at hand and keeps them. */
  | { readonly kind: 'prepare'; readonly shares: number }
  /** Sends what was prepared, `window` at a time. */
  | { readonly kind: 'burst'; readonly window: number; readonly ms: number }
  | { readonly kind: 'stop' };

export interface ShareCounts {
  readonly sent: number;
  readonly accepted: number;
  /** Refused shares by code and words of the answer. */
  readonly errors: Readonly<Record<string, number>>;
}

export type FromWorker =
  /** Miners that have a job, and why the others have none. */
  | { readonly kind: 'opened'; readonly ready: number; readonly failures: Readonly<Record<string, number>> }
  /** Every miner of this thread that is still connected has a job on this tip. */
  | { readonly kind: 'tip'; readonly previousHash: string; readonly lastAt: number }
  | { readonly kind: 'prepared'; readonly shares: number }
  | { readonly kind: 'burstOver'; readonly beganAt: number; readonly endedAt: number }
  | {
      readonly kind: 'report';
      readonly steady: ShareCounts;
      readonly burst: ShareCounts;
      /** Shares that fell due but were not found: the difficulty is too high for this computer. */
      readonly notFound: number;
      /** Sent, and no answer came. */
      readonly unanswered: number;
      readonly disconnects: Readonly<Record<string, number>>;
      /** Microseconds from a share to its answer: values and how often, of steady load and burst. */
      readonly steadyMicros: readonly (readonly [number, number])[];
      readonly burstMicros: readonly (readonly [number, number])[];
      readonly generator: { readonly busy: number; readonly loopDelayP99Ms: number; readonly hasher: string };
    };
