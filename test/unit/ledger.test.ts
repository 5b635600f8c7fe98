import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { HASHES_PER_DIFFICULTY } from '../../src-main/core/mining/odds.ts';
import type { MinerView, ShareEvent } from '../../src-main/services/gateway/index.ts';
import { Ledger } from '../../src-main/services/ledger/index.ts';
import { openStore, type Store } from '../../src-main/services/store/index.ts';

const MINUTE = 60_000;
const T0 = 1_760_000_400_000 - (1_760_000_400_000 % 86_400_000);

let folder: string;
let store: Store;
let now: number;
let ledger: Ledger;
let bests: number[];
const open = (): void => {
  ledger = new Ledger({
    store,
    now: () => now,
    isPractice: (worker) => worker === 'practice',
    onBest: (best) => bests.push(best.difficulty),
  });
};
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'adit-ledger-'));
  now = T0;
  bests = [];
  store = openStore(folder, 'regtest', T0);
  open();
});
afterEach(() => {
  store.close();
  rmSync(folder, { recursive: true, force: true });
});

const share = (minerId: string, over: Partial<ShareEvent> = {}): ShareEvent => ({
  at: now,
  minerId,
  worker: minerId,
  userAgent: 'test/1',
  jobId: 1,
  assignedDifficulty: 4,
  outcome: { kind: 'accepted', difficulty: 5, block: false, hash: '00' },
  ...over,
});
const rejected = { kind: 'rejected', reason: 'stale' } as const;
const view = (id: string, over: Partial<MinerView> = {}): MinerView => ({
  id,
  worker: id,
  userAgent: 'test/1',
  remote: '10.0.0.1',
  protocol: 'sv1',
  connectedAt: T0,
  connections: 1,
  difficulty: 4,
  versionRolling: true,
  lastShareAt: undefined,
  ...over,
});

describe('the ledger', () => {
  it('counts what a share is worth by its assigned difficulty, not by its luck', () => {
    for (let n = 0; n < 60; n += 1) {
      now = T0 + n * 1_000;
      ledger.record(
        share('a', { outcome: { kind: 'accepted', difficulty: 1_000, block: false, hash: '00' } }),
      );
    }
    now = T0 + MINUTE;
    const [row] = ledger.rows([view('a')]);
    const expected = (60 * 4 * HASHES_PER_DIFFICULTY) / 60;
    expect((row?.hashrate.m1 ?? 0) / expected).toBeCloseTo(1, 1);
    expect((ledger.totals([]).hashrate.m10 ?? 0) / expected).toBeCloseTo(1, 1);
  });

  it('tells working, quiet and gone apart', () => {
    ledger.record(share('works'));
    ledger.record(share('gone'));
    const rows = ledger.rows([view('works'), view('quiet')]);
    expect(Object.fromEntries(rows.map((row) => [row.id, row.status]))).toEqual({
      works: 'active',
      quiet: 'quiet',
      gone: 'offline',
    });
    expect(ledger.totals(rows).miners).toEqual({ active: 1, quiet: 1, offline: 1 });
    now += 4 * MINUTE;
    expect(ledger.rows([view('works')]).find((row) => row.id === 'works')?.status).toBe('quiet');
  });

  it('makes no machine of names that never did work', () => {
    for (let n = 0; n < 1_000; n += 1) ledger.record(share(`fake${n}`, { outcome: rejected }));
    expect(ledger.rows([])).toEqual([]);
    expect(ledger.totals([]).session.stale).toBe(1_000);
  });

  it('remembers over a restart: machines, totals, bests, history', () => {
    ledger.record(share('a'));
    ledger.record(share('a', { outcome: rejected }));
    ledger.flush();
    now += MINUTE;
    ledger.record(share('b', { outcome: { kind: 'accepted', difficulty: 99, block: false, hash: '00' } }));
    ledger.flush();
    open();
    expect(ledger.totals([])).toMatchObject({
      session: { accepted: 0 },
      day: { accepted: 2, stale: 1 },
      ever: { accepted: 2, work: 8 },
      bestSession: null,
      bestEver: { difficulty: 99, worker: 'b' },
    });
    expect(ledger.rows([]).map((row) => [row.id, row.status, row.bestEver?.difficulty])).toEqual(
      expect.arrayContaining([
        ['a', 'offline', 5],
        ['b', 'offline', 99],
      ]),
    );
  });

  it('loses no share when the store fails for a while', () => {
    const failing = vi.spyOn(store, 'addShares').mockImplementation(() => {
      throw new Error('disk full');
    });
    ledger.record(share('a'));
    expect(() => ledger.flush()).toThrow('disk full');
    ledger.record(share('a'));
    expect(() => ledger.flush()).toThrow('disk full');
    failing.mockRestore();
    ledger.flush();
    expect(store.ever()).toMatchObject({ accepted: 2, work: 8 });
    expect(store.counts(0).accepted).toBe(2);
  });

  it('books a share to the minute it came in, also when the flush comes later', () => {
    ledger.record(share('a'));
    now += MINUTE;
    ledger.record(share('a'));
    ledger.record(share('a'));
    now += 10_000;
    ledger.flush();
    store.heartbeat(T0);
    const { points } = ledger.history('1h', undefined);
    const of = (work: number): number => (work * HASHES_PER_DIFFICULTY) / 60;
    expect(points.at(-1)).toEqual([T0, of(4)]);
    now = T0 + 2 * MINUTE;
    expect(ledger.history('1h', 'a').points.slice(-2)).toEqual([
      [T0, of(4)],
      [T0 + MINUTE, of(8)],
    ]);
    expect(points[0]?.[1]).toBeNull();
  });

  it('says a new best once, and who found it', () => {
    for (const difficulty of [5, 3, 8, 8])
      ledger.record(share('a', { outcome: { kind: 'accepted', difficulty, block: false, hash: '00' } }));
    expect(bests).toEqual([5, 8]);
    expect(ledger.totals([]).bestSession).toMatchObject({ difficulty: 8, worker: 'a' });
  });

  it('forgets a machine on request, and for good', () => {
    ledger.record(share('a'));
    ledger.flush();
    expect(ledger.forget('a')).toBe(true);
    expect(ledger.forget('a')).toBe(false);
    ledger.flush();
    open();
    expect(ledger.rows([])).toEqual([]);
  });

  it('draws a line of the last day for each machine', () => {
    ledger.record(share('a'));
    ledger.flush();
    const line = ledger.sparklines()['a'];
    expect(line).toHaveLength(48);
    expect(line?.filter((value) => value !== null && value > 0)).toHaveLength(1);
  });
});
