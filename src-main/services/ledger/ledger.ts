import type { Best, MinerRow, ShareCounts, Windows } from '../../core/api/schema.ts';
import {
  NO_SHARES,
  RollingHashrate,
  betterBest,
  hashrateOfWork,
  withShare,
} from '../../core/mining/stats.ts';
import type { MinerView, ShareEvent } from '../gateway/index.ts';
import type { MinerRecord, Store } from '../store/index.ts';

const MINUTE = 60_000;
const DAY = 86_400_000;
/** A connected machine that sent nothing for this long is `quiet`: at six shares a minute that is chance no more. */
const QUIET_AFTER = 3 * MINUTE;
/** Machines gone for longer are not shown any more; their work stays in the totals. */
const SHOWN_FOR = 30 * DAY;
/** Most machines held in memory besides those connected now. */
const MAX_OFFLINE = 1_000;

/** Ranges of the hashrate chart and the width of their steps. */
const RANGES = {
  '1h': { span: 60 * MINUTE, step: MINUTE },
  '24h': { span: DAY, step: 10 * MINUTE },
  '7d': { span: 7 * DAY, step: 60 * MINUTE },
} as const;
export type Range = keyof typeof RANGES;
const SPARK_STEP = 30 * MINUTE;
/** A step that has only begun is shown once this much of it has passed; before, two shares would look like a spike. */
const PARTIAL_AFTER = 20_000;

interface Entry {
  readonly id: string;
  worker: string;
  userAgent: string;
  remote: string;
  readonly practice: boolean;
  readonly firstSeenAt: number;
  lastSeenAt: number;
  lastShareAt: number | undefined;
  readonly rolling: RollingHashrate;
  session: ShareCounts;
  bestSession: Best | undefined;
  bestEver: Best | undefined;
  ever: { counts: ShareCounts; work: number };
  /** Not yet in the store. */
  pending: { readonly minute: number; work: number; counts: ShareCounts } | undefined;
}

export interface LedgerOptions {
  readonly store: Store;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Whether a worker name belongs to Adit's own practice miners. */
  readonly isPractice: (worker: string) => boolean;
  readonly onBest: (best: Best, previous: Best | undefined) => void;
}

export interface LedgerTotals {
  readonly hashrate: Windows;
  readonly miners: { readonly active: number; readonly quiet: number; readonly offline: number };
  readonly session: ShareCounts;
  readonly day: ShareCounts;
  readonly ever: { readonly accepted: number; readonly work: number };
  readonly bestSession: Best | null;
  readonly bestEver: Best | null;
}

/** The books: every share by machine and by minute, best shares, hashrates. Writes to the store in batches. */
export class Ledger {
  readonly #options: LedgerOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #rolling: RollingHashrate;
  readonly #dirty = new Set<Entry>();
  /** Minutes that ended before they were flushed. */
  #ended: {
    readonly minute: number;
    readonly minerId: string;
    readonly work: number;
    readonly counts: ShareCounts;
  }[] = [];
  #session: ShareCounts = NO_SHARES;
  /** Of the last day; read anew each minute, counted on in between. */
  #day: ShareCounts;
  /** The last minute the store was told of. */
  #heartbeat: number | undefined;
  #ever: { accepted: number; work: number };
  #bestSession: Best | undefined;
  #bestEver: Best | undefined;

  constructor(options: LedgerOptions) {
    this.#options = options;
    const now = options.now();
    this.#rolling = new RollingHashrate(now);
    const ever = options.store.ever();
    this.#ever = { accepted: ever.accepted, work: ever.work };
    this.#bestEver = ever.best;
    this.#day = options.store.counts(now - DAY);
    for (const record of options.store.miners().slice(0, MAX_OFFLINE)) {
      if (now - record.lastSeenAt > SHOWN_FOR) continue;
      this.#entries.set(record.id, {
        ...record,
        practice: options.isPractice(record.worker),
        lastShareAt: undefined,
        rolling: new RollingHashrate(now),
        session: NO_SHARES,
        bestSession: undefined,
        ever: { ...record.ever },
        pending: undefined,
      });
    }
  }

  /** Books a share. Called for every share, so it only touches memory. */
  record(event: ShareEvent): void {
    const kind = event.outcome.kind === 'accepted' ? 'accepted' : event.outcome.reason;
    this.#session = withShare(this.#session, kind);
    this.#day = withShare(this.#day, kind);
    let entry = this.#entries.get(event.minerId);
    if (entry === undefined) {
      // Only work makes a machine known: names on rejected shares cost their sender nothing.
      if (event.outcome.kind !== 'accepted') return;
      entry = this.#begin(event);
    }
    entry.lastSeenAt = event.at;
    entry.worker = event.worker;
    entry.userAgent = event.userAgent;
    entry.session = withShare(entry.session, kind);
    entry.ever.counts = withShare(entry.ever.counts, kind);
    const minute = event.at - (event.at % MINUTE);
    if (entry.pending !== undefined && entry.pending.minute !== minute) this.#end(entry);
    entry.pending ??= { minute, work: 0, counts: NO_SHARES };
    entry.pending.counts = withShare(entry.pending.counts, kind);
    this.#dirty.add(entry);
    if (event.outcome.kind !== 'accepted') return;
    entry.lastShareAt = event.at;
    entry.pending.work += event.assignedDifficulty;
    entry.ever.work += event.assignedDifficulty;
    entry.rolling.add(event.at, event.assignedDifficulty);
    this.#rolling.add(event.at, event.assignedDifficulty);
    this.#ever.accepted += 1;
    this.#ever.work += event.assignedDifficulty;
    const best: Best = { difficulty: event.outcome.difficulty, at: event.at, worker: event.worker };
    entry.bestSession = betterBest(entry.bestSession, best);
    entry.bestEver = betterBest(entry.bestEver, best);
    this.#bestSession = betterBest(this.#bestSession, best);
    const previous = this.#bestEver;
    this.#bestEver = betterBest(previous, best);
    if (this.#bestEver === best) this.#options.onBest(best, previous);
  }

  #begin(event: ShareEvent): Entry {
    const entry: Entry = {
      id: event.minerId,
      worker: event.worker,
      userAgent: event.userAgent,
      remote: '',
      practice: this.#options.isPractice(event.worker),
      firstSeenAt: event.at,
      lastSeenAt: event.at,
      lastShareAt: event.at,
      rolling: new RollingHashrate(event.at),
      session: NO_SHARES,
      bestSession: undefined,
      bestEver: undefined,
      ever: { counts: NO_SHARES, work: 0 },
      pending: undefined,
    };
    this.#entries.set(entry.id, entry);
    return entry;
  }

  #end(entry: Entry): void {
    if (entry.pending === undefined) return;
    this.#ended.push({
      minute: entry.pending.minute,
      minerId: entry.id,
      work: entry.pending.work,
      counts: entry.pending.counts,
    });
    entry.pending = undefined;
  }

  /** Writes what is new to the store, in one transaction. Where the store refuses, everything is kept for the next time. */
  flush(): void {
    const now = this.#options.now();
    if (this.#dirty.size > 0) {
      for (const entry of this.#dirty) this.#end(entry);
      this.#options.store.addShares(
        this.#ended,
        [...this.#dirty].map((entry): MinerRecord => entry),
      );
      this.#ended = [];
      this.#dirty.clear();
    }
    const minute = now - (now % MINUTE);
    if (minute === this.#heartbeat) return;
    this.#options.store.heartbeat(minute);
    this.#heartbeat = minute;
    this.#day = this.#options.store.counts(now - DAY);
    this.#dropLongGone(now);
  }

  #dropLongGone(now: number): void {
    for (const entry of this.#entries.values()) {
      if (now - entry.lastSeenAt > SHOWN_FOR) this.#entries.delete(entry.id);
    }
  }

  /** A machine the user wants to see no more. Gives false when it is not known. */
  forget(id: string): boolean {
    const entry = this.#entries.get(id);
    if (entry === undefined) return false;
    this.#entries.delete(id);
    this.#dirty.delete(entry);
    this.#ended = this.#ended.filter((minute) => minute.minerId !== id);
    this.#options.store.forgetMiner(id);
    return true;
  }

  /** Every machine: those connected now (`views`) and those seen before. */
  rows(views: readonly MinerView[]): MinerRow[] {
    const now = this.#options.now();
    const rows: MinerRow[] = [];
    const connected = new Set<string>();
    for (const view of views) {
      connected.add(view.id);
      const entry = this.#entries.get(view.id);
      if (entry !== undefined) {
        entry.remote = view.remote;
        entry.lastSeenAt = now;
      }
      const last = entry?.lastShareAt ?? view.lastShareAt;
      rows.push({
        id: view.id,
        worker: view.worker,
        userAgent: view.userAgent,
        remote: view.remote,
        protocol: view.protocol,
        status: last !== undefined && now - last < QUIET_AFTER ? 'active' : 'quiet',
        practice: entry?.practice ?? this.#options.isPractice(view.worker),
        connectedAt: view.connectedAt ?? null,
        offlineAt: null,
        lastShareAt: last ?? null,
        difficulty: view.difficulty,
        ...this.#figures(entry, now),
      });
    }
    for (const entry of this.#entries.values()) {
      if (connected.has(entry.id)) continue;
      rows.push({
        id: entry.id,
        worker: entry.worker,
        userAgent: entry.userAgent,
        remote: entry.remote,
        protocol: 'sv1',
        status: 'offline',
        practice: entry.practice,
        connectedAt: null,
        offlineAt: entry.lastSeenAt,
        lastShareAt: entry.lastShareAt ?? null,
        difficulty: 0,
        ...this.#figures(entry, now),
      });
    }
    return rows;
  }

  #figures(
    entry: Entry | undefined,
    now: number,
  ): Pick<MinerRow, 'hashrate' | 'shares' | 'bestSession' | 'bestEver'> {
    return {
      hashrate: entry?.rolling.at(now) ?? { m1: 0, m10: 0, h1: 0, d1: 0 },
      shares: entry?.session ?? NO_SHARES,
      bestSession: entry?.bestSession ?? null,
      bestEver: entry?.bestEver ?? null,
    };
  }

  totals(rows: readonly MinerRow[]): LedgerTotals {
    const miners = { active: 0, quiet: 0, offline: 0 };
    for (const row of rows) miners[row.status] += 1;
    return {
      hashrate: this.#rolling.at(this.#options.now()),
      miners,
      session: this.#session,
      day: this.#day,
      ever: this.#ever,
      bestSession: this.#bestSession ?? null,
      bestEver: this.#bestEver ?? null,
    };
  }

  /** The hashrate chart. A step still under way is shown with the time it has had; see `hashrate.history` of the API. */
  history(
    range: Range,
    minerId: string | undefined,
  ): { readonly stepMs: number; readonly points: [number, number | null][] } {
    const now = this.#options.now();
    const { span, step } = RANGES[range];
    const to = Math.floor(now / step) * step;
    const from = to - span;
    const passed = now - to;
    const work = this.#options.store.work(from, passed >= PARTIAL_AFTER ? to + step : to, step, minerId);
    return {
      stepMs: step,
      points: work.map((done, index) => {
        const at = from + index * step;
        const seconds = Math.min(step, now - at) / 1000;
        return [at, done === undefined ? null : hashrateOfWork(done, seconds)];
      }),
    };
  }

  /** The last 24 h of every machine in 48 points; null where Adit did not run. */
  sparklines(): Record<string, (number | null)[]> {
    const now = this.#options.now();
    const to = (Math.floor(now / SPARK_STEP) + 1) * SPARK_STEP;
    const last = Math.max(now - (to - SPARK_STEP), MINUTE) / 1000;
    const lines: Record<string, (number | null)[]> = {};
    for (const [id, work] of this.#options.store.workByMiner(to - DAY, to, SPARK_STEP)) {
      lines[id] = work.map((done, index) =>
        done === undefined
          ? null
          : hashrateOfWork(done, index === work.length - 1 ? last : SPARK_STEP / 1000),
      );
    }
    return lines;
  }
}
