import type { BlockRow, EventRow, Best, ShareCounts } from '../../core/api/schema.ts';

/** Work of one machine in one minute. `work` is the sum of assigned difficulties of its accepted shares. */
export interface ShareMinute {
  /** Start of the minute, milliseconds since 1970. */
  readonly minute: number;
  readonly minerId: string;
  readonly work: number;
  readonly counts: ShareCounts;
}

export interface MinerRecord {
  readonly id: string;
  readonly worker: string;
  readonly userAgent: string;
  readonly remote: string;
  readonly firstSeenAt: number;
  readonly lastSeenAt: number;
  readonly bestEver: Best | undefined;
  readonly ever: { readonly counts: ShareCounts; readonly work: number };
}

export type StoredBlock = Omit<BlockRow, 'confirmations'>;

/**
 * What Adit remembers, in one SQLite file per network. Synchronous: writes are small and batched. Survives kill -9 (WAL);
 * a corrupt file is set aside as `<name>.corrupt-<time>`, a new one begun, and `setAside` says so.
 */
export interface Store {
  readonly setAside: string | undefined;
  /** Adds to the minute's row (upsert), the machine's totals and bests. One transaction. */
  addShares(minutes: readonly ShareMinute[], miners: readonly MinerRecord[]): void;
  miners(): readonly MinerRecord[];
  forgetMiner(id: string): void;
  /**
   * Work per step from `from` (inclusive) to `to` (exclusive), for one machine or all. Steps in which Adit did not run
   * have `undefined` (see `heartbeat`); steps without shares have 0.
   */
  work(
    from: number,
    to: number,
    stepMs: number,
    minerId: string | undefined,
  ): readonly (number | undefined)[];
  /** The same for every machine at once. */
  workByMiner(from: number, to: number, stepMs: number): ReadonlyMap<string, readonly (number | undefined)[]>;
  /** Sums over the last `ms`. */
  counts(sinceMs: number): ShareCounts;
  ever(): { readonly accepted: number; readonly work: number; readonly best: Best | undefined };
  /** Says that Adit ran in this minute; tells "not measured" from "nothing mined". */
  heartbeat(minute: number): void;
  putBlock(block: StoredBlock): void;
  blocks(): readonly StoredBlock[];
  addEvent(event: Omit<EventRow, 'id'>): EventRow;
  events(before: number | undefined, limit: number): readonly EventRow[];
  /** Rolls up minutes older than 48 h into 10-minute rows and those older than 30 d into hours; drops events beyond 20,000. */
  prune(now: number): void;
  close(): void;
}
