import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ShareCounts } from '../../src-main/core/api/schema.ts';
import {
  openStore,
  type MinerRecord,
  type Store,
  type StoredBlock,
} from '../../src-main/services/store/index.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** A round hour, so that steps of any size begin on it. */
const T0 = 1_760_000_400_000 - (1_760_000_400_000 % DAY);

let folder: string;
let store: Store;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'adit-store-'));
  store = openStore(folder, 'regtest', T0);
});
afterEach(() => {
  store.close();
  rmSync(folder, { recursive: true, force: true });
});
function reopen(): Store {
  store.close();
  store = openStore(folder, 'regtest', T0);
  return store;
}

const counts = (accepted: number, stale = 0): ShareCounts => ({
  accepted,
  stale,
  duplicate: 0,
  lowDifficulty: 0,
  invalid: 0,
});
const miner = (id: string, over: Partial<MinerRecord> = {}): MinerRecord => ({
  id,
  worker: id,
  userAgent: 'test',
  remote: '127.0.0.1',
  firstSeenAt: T0,
  lastSeenAt: T0,
  bestEver: undefined,
  ever: { counts: counts(0), work: 0 },
  ...over,
});
const block: StoredBlock = {
  hash: 'ab'.repeat(32),
  height: 7,
  foundAt: T0,
  worker: 'w',
  reward: 5_000_000_000,
  fees: 0,
  difficulty: 1,
  network: 'regtest',
  source: 'rpc',
  transactionCount: 1,
  weight: 1000,
  status: 'sending',
  reason: null,
  attempts: 1,
  file: null,
  acknowledged: false,
};

describe('store', () => {
  it('adds up the shares of a minute, of a machine, of everything', () => {
    store.addShares(
      [{ minute: T0, minerId: 'a', work: 8, counts: counts(2) }],
      [miner('a', { ever: { counts: counts(2), work: 8 } })],
    );
    store.addShares(
      [
        { minute: T0, minerId: 'a', work: 4, counts: counts(1, 1) },
        { minute: T0 + MINUTE, minerId: 'b', work: 2, counts: counts(1) },
      ],
      [
        miner('a', { ever: { counts: counts(3, 1), work: 12 } }),
        miner('b', { ever: { counts: counts(1), work: 2 } }),
      ],
    );
    reopen();
    expect(store.ever()).toEqual({ accepted: 4, work: 14, best: undefined });
    expect(store.counts(T0)).toEqual(counts(4, 1));
    expect(store.counts(T0 + MINUTE)).toEqual(counts(1));
    expect(store.miners().find((m) => m.id === 'a')?.ever).toEqual({ counts: counts(3, 1), work: 12 });
  });

  it('tells nothing mined from nothing measured', () => {
    store.addShares([{ minute: T0 + MINUTE, minerId: 'a', work: 3, counts: counts(1) }], [miner('a')]);
    store.heartbeat(T0);
    store.heartbeat(T0 + MINUTE);
    expect(store.work(T0, T0 + 4 * MINUTE, MINUTE, undefined)).toEqual([0, 3, undefined, undefined]);
    expect(store.work(T0, T0 + 4 * MINUTE, 2 * MINUTE, undefined)).toEqual([3, undefined]);
    expect(store.work(T0, T0 + 2 * MINUTE, MINUTE, 'nobody')).toEqual([0, 0]);
    expect(store.workByMiner(T0, T0 + 3 * MINUTE, MINUTE)).toEqual(new Map([['a', [0, 3, undefined]]]));
  });

  it('keeps the best share ever, and who found it', () => {
    store.addShares([], [miner('a', { bestEver: { difficulty: 10, at: T0, worker: 'a' } })]);
    store.addShares([], [miner('b', { bestEver: { difficulty: 7, at: T0 + 1, worker: 'b' } })]);
    reopen();
    expect(store.ever().best).toEqual({ difficulty: 10, at: T0, worker: 'a' });
    expect(store.miners().find((m) => m.id === 'b')?.bestEver?.difficulty).toBe(7);
  });

  it('forgets a machine and its history, but not what it added to the whole', () => {
    store.addShares([{ minute: T0, minerId: 'a', work: 3, counts: counts(1) }], [miner('a')]);
    store.forgetMiner('a');
    expect(store.miners()).toEqual([]);
    expect(store.work(T0, T0 + MINUTE, MINUTE, undefined)).toEqual([undefined]);
    expect(store.ever().work).toBe(3);
  });

  it('rolls old minutes up without losing a share', () => {
    const now = T0 + 40 * DAY;
    const at = [
      now - MINUTE,
      now - 3 * DAY,
      now - 3 * DAY + MINUTE,
      now - 35 * DAY,
      now - 35 * DAY + 20 * MINUTE,
    ];
    store.addShares(
      at.map((minute) => ({ minute, minerId: 'a', work: 1, counts: counts(1) })),
      [miner('a')],
    );
    store.prune(now);
    store.prune(now);
    expect(store.counts(0)).toEqual(counts(5));
    const old = store.work(now - 35 * DAY, now - 35 * DAY + HOUR, HOUR, undefined);
    expect(old).toEqual([2]);
    expect(store.work(now - 3 * DAY, now - 3 * DAY + 10 * MINUTE, 10 * MINUTE, undefined)).toEqual([2]);
  });

  it('remembers only so many machines: names come from the network', () => {
    const many = Array.from({ length: 5_100 }, (_, n) => miner(`m${n}`, { lastSeenAt: T0 + n }));
    store.addShares(
      many.map((m) => ({ minute: T0, minerId: m.id, work: 1, counts: counts(1) })),
      many,
    );
    store.prune(T0);
    const left = store.miners();
    expect(left).toHaveLength(5_000);
    expect(left.some((m) => m.id === 'm99')).toBe(false);
    expect(left.some((m) => m.id === 'm100')).toBe(true);
  });

  it('keeps blocks and events, newest state and oldest first', () => {
    store.putBlock(block);
    store.putBlock({ ...block, status: 'onChain', acknowledged: true });
    for (let n = 1; n <= 5; n += 1)
      store.addEvent({ at: T0 + n, level: 'info', code: `e${n}`, message: 'm' });
    reopen();
    expect(store.blocks()).toEqual([{ ...block, status: 'onChain', acknowledged: true }]);
    const last = store.events(undefined, 2);
    expect(last.map((e) => e.code)).toEqual(['e4', 'e5']);
    expect(store.events(last[0]?.id, 10).map((e) => e.code)).toEqual(['e1', 'e2', 'e3']);
  });

  it('sets a corrupt file aside, says so, and goes on with a new one', () => {
    store.putBlock(block);
    store.close();
    const path = join(folder, 'history-regtest.sqlite');
    writeFileSync(path, Buffer.alloc(20_000, 0x5a));
    store = openStore(folder, 'regtest', 42);
    expect(store.setAside).toMatch(/corrupt-42/);
    expect(readdirSync(folder)).toContain('history-regtest.sqlite.corrupt-42');
    expect(store.blocks()).toEqual([]);
    store.putBlock(block);
    expect(reopen().blocks()).toHaveLength(1);
    expect(store.setAside).toBeUndefined();
  });

  it('survives kill -9: what was added is there, and the file is whole', async () => {
    const script = `
      const { openStore } = await import(${JSON.stringify(resolve('src-main/services/store/index.ts'))});
      const store = openStore(${JSON.stringify(join(folder, 'killed'))}, 'regtest', 0);
      let n = 0;
      const turn = () => {
        for (let k = 0; k < 50; k += 1) { n += 1; store.addEvent({ at: n, level: 'info', code: 'x', message: String(n) }); }
        process.stdout.write(n + '\\n');
        setImmediate(turn);
      };
      turn();`;
    const child = spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    let told = 0;
    child.stdout.on('data', (data: Buffer) => {
      const lines = data.toString().trim().split('\n');
      told = Math.max(told, Number(lines.at(-1)));
      if (told > 200) child.kill('SIGKILL');
    });
    await once(child, 'close');
    const after = openStore(join(folder, 'killed'), 'regtest', 0);
    expect(after.setAside).toBeUndefined();
    expect(Number(after.events(undefined, 1)[0]?.message)).toBeGreaterThanOrEqual(told);
    after.close();
  });
});
