import { join } from 'node:path';
import type { Network } from '../../core/bitcoin/network.ts';
import type { EventRow, ShareCounts } from '../../core/api/schema.ts';
import { openDatabase } from './sqlite.ts';
import type { MinerRecord, ShareMinute, Store, StoredBlock } from './types.ts';

const MINUTE = 60_000;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** Rows of one minute become rows of ten after two days, rows of an hour after thirty. */
const ROLLUPS = [
  { from: MINUTE, to: 10 * MINUTE, after: 2 * DAY },
  { from: 10 * MINUTE, to: HOUR, after: 30 * DAY },
] as const;
const MAX_EVENTS = 20_000;
/** Worker names come from the network: only so many are remembered, the longest unseen go first. */
const MAX_MINERS = 5_000;

type CountRow = {
  accepted: number;
  stale: number;
  duplicate: number;
  low_difficulty: number;
  invalid: number;
};
const toCounts = (row: CountRow): ShareCounts => ({
  accepted: row.accepted,
  stale: row.stale,
  duplicate: row.duplicate,
  lowDifficulty: row.low_difficulty,
  invalid: row.invalid,
});

/** Which step (from 0) a time falls in: whole-number division, since numbers are bound as REAL. Parameters: from, stepMs. */
const slotOf = (column: string): string => `(${column} - CAST(? AS INTEGER)) / CAST(? AS INTEGER)`;

const SUMS =
  'coalesce(sum(accepted),0) accepted, coalesce(sum(stale),0) stale, coalesce(sum(duplicate),0) duplicate, coalesce(sum(low_difficulty),0) low_difficulty, coalesce(sum(invalid),0) invalid';

/** Opens `<folder>/history-<network>.sqlite`; see `Store` for the contract and `openDatabase` for what it throws. */
export function openStore(folder: string, network: Network, now: number): Store {
  const { db, setAside } = openDatabase(join(folder, `history-${network}.sqlite`), now);

  const putMiner = db.prepare(
    `INSERT INTO miners (key, worker, user_agent, remote, first_seen, last_seen, best, best_at, work, accepted, stale, duplicate, low_difficulty, invalid)
     VALUES ($key, $worker, $userAgent, $remote, $firstSeen, $lastSeen, $best, $bestAt, $work, $accepted, $stale, $duplicate, $lowDifficulty, $invalid)
     ON CONFLICT (key) DO UPDATE SET worker = excluded.worker, user_agent = excluded.user_agent, remote = excluded.remote,
       last_seen = excluded.last_seen, best = excluded.best, best_at = excluded.best_at, work = excluded.work,
       accepted = excluded.accepted, stale = excluded.stale, duplicate = excluded.duplicate,
       low_difficulty = excluded.low_difficulty, invalid = excluded.invalid`,
  );
  const putMinute = db.prepare(
    `INSERT INTO shares (start, step, miner, work, accepted, stale, duplicate, low_difficulty, invalid)
     SELECT $minute, ${MINUTE}, id, $work, $accepted, $stale, $duplicate, $lowDifficulty, $invalid FROM miners WHERE key = $key
     ON CONFLICT DO UPDATE SET work = work + excluded.work, accepted = accepted + excluded.accepted, stale = stale + excluded.stale,
       duplicate = duplicate + excluded.duplicate, low_difficulty = low_difficulty + excluded.low_difficulty, invalid = invalid + excluded.invalid`,
  );
  const addTotals = db.prepare(
    'UPDATE totals SET accepted = accepted + $accepted, work = work + $work WHERE one = 1',
  );
  const raiseBest = db.prepare(
    'UPDATE totals SET best = $best, best_at = $at, best_worker = $worker WHERE one = 1 AND (best IS NULL OR best < $best)',
  );
  const putRunning = db.prepare('INSERT OR IGNORE INTO running (minute) VALUES (?)');
  const putBlock = db.prepare(
    'INSERT INTO blocks (hash, found_at, data) VALUES ($hash, $at, $data) ON CONFLICT (hash) DO UPDATE SET data = excluded.data',
  );
  const putEvent = db.prepare(
    'INSERT INTO events (at, level, code, message) VALUES (?, ?, ?, ?) RETURNING id',
  );

  /** Runs `work` as one transaction: all of it is stored, or none. */
  function transaction(work: () => void): void {
    db.exec('BEGIN IMMEDIATE');
    try {
      work();
      db.exec('COMMIT');
    } catch (error) {
      db.exec('ROLLBACK');
      throw error;
    }
  }

  /** Which of the steps from `from` hold a minute in which Adit ran. */
  function measured(from: number, to: number, stepMs: number): boolean[] {
    const steps = Array.from({ length: Math.max(0, Math.ceil((to - from) / stepMs)) }, () => false);
    for (const row of db
      .prepare(`SELECT DISTINCT ${slotOf('minute')} AS slot FROM running WHERE minute >= ? AND minute < ?`)
      .all(from, stepMs, from, to)) {
      steps[Number(row['slot'])] = true;
    }
    return steps;
  }

  return {
    setAside,
    addShares(minutes: readonly ShareMinute[], miners: readonly MinerRecord[]) {
      transaction(() => {
        for (const miner of miners) {
          const { counts, work } = miner.ever;
          putMiner.run({
            $key: miner.id,
            $worker: miner.worker,
            $userAgent: miner.userAgent,
            $remote: miner.remote,
            $firstSeen: miner.firstSeenAt,
            $lastSeen: miner.lastSeenAt,
            $best: miner.bestEver?.difficulty ?? null,
            $bestAt: miner.bestEver?.at ?? null,
            $work: work,
            $accepted: counts.accepted,
            $stale: counts.stale,
            $duplicate: counts.duplicate,
            $lowDifficulty: counts.lowDifficulty,
            $invalid: counts.invalid,
          });
          if (miner.bestEver) {
            raiseBest.run({
              $best: miner.bestEver.difficulty,
              $at: miner.bestEver.at,
              $worker: miner.bestEver.worker,
            });
          }
        }
        for (const { minute, minerId, work, counts } of minutes) {
          putMinute.run({
            $minute: minute,
            $key: minerId,
            $work: work,
            $accepted: counts.accepted,
            $stale: counts.stale,
            $duplicate: counts.duplicate,
            $lowDifficulty: counts.lowDifficulty,
            $invalid: counts.invalid,
          });
          addTotals.run({ $accepted: counts.accepted, $work: work });
        }
      });
    },
    miners() {
      return db
        .prepare('SELECT * FROM miners ORDER BY last_seen DESC')
        .all()
        .map((row): MinerRecord => {
          const worker = String(row['worker']);
          return {
            id: String(row['key']),
            worker,
            userAgent: String(row['user_agent']),
            remote: String(row['remote']),
            firstSeenAt: Number(row['first_seen']),
            lastSeenAt: Number(row['last_seen']),
            bestEver:
              row['best'] === null
                ? undefined
                : { difficulty: Number(row['best']), at: Number(row['best_at']), worker },
            ever: { counts: toCounts(row as unknown as CountRow), work: Number(row['work']) },
          };
        });
    },
    forgetMiner(id) {
      transaction(() => {
        db.prepare('DELETE FROM shares WHERE miner = (SELECT id FROM miners WHERE key = ?)').run(id);
        db.prepare('DELETE FROM miners WHERE key = ?').run(id);
      });
    },
    work(from, to, stepMs, minerId) {
      const series: (number | undefined)[] = measured(from, to, stepMs).map((ran) => (ran ? 0 : undefined));
      const rows =
        minerId === undefined
          ? db
              .prepare(
                `SELECT ${slotOf('start')} AS slot, sum(work) AS work FROM shares WHERE start >= ? AND start < ? GROUP BY slot`,
              )
              .all(from, stepMs, from, to)
          : db
              .prepare(
                `SELECT ${slotOf('start')} AS slot, sum(work) AS work FROM shares WHERE start >= ? AND start < ? AND miner = (SELECT id FROM miners WHERE key = ?) GROUP BY slot`,
              )
              .all(from, stepMs, from, to, minerId);
      for (const row of rows) series[Number(row['slot'])] = Number(row['work']);
      return series;
    },
    workByMiner(from, to, stepMs) {
      const blank: (number | undefined)[] = measured(from, to, stepMs).map((ran) => (ran ? 0 : undefined));
      const all = new Map<string, (number | undefined)[]>();
      const rows = db
        .prepare(
          `SELECT key, ${slotOf('start')} AS slot, sum(shares.work) AS work FROM shares JOIN miners ON miners.id = shares.miner WHERE start >= ? AND start < ? GROUP BY miner, slot`,
        )
        .all(from, stepMs, from, to);
      for (const row of rows) {
        const key = String(row['key']);
        let series = all.get(key);
        if (series === undefined) all.set(key, (series = [...blank]));
        series[Number(row['slot'])] = Number(row['work']);
      }
      return all;
    },
    counts(since) {
      return toCounts(
        db.prepare(`SELECT ${SUMS} FROM shares WHERE start >= ?`).get(since) as unknown as CountRow,
      );
    },
    ever() {
      const row = db.prepare('SELECT accepted, work, best, best_at, best_worker FROM totals').get() as Record<
        string,
        unknown
      >;
      return {
        accepted: Number(row['accepted']),
        work: Number(row['work']),
        best:
          row['best'] === null
            ? undefined
            : {
                difficulty: Number(row['best']),
                at: Number(row['best_at']),
                worker: String(row['best_worker']),
              },
      };
    },
    heartbeat(minute) {
      putRunning.run(minute);
    },
    putBlock(block) {
      putBlock.run({ $hash: block.hash, $at: block.foundAt, $data: JSON.stringify(block) });
    },
    blocks() {
      return db
        .prepare('SELECT data FROM blocks ORDER BY found_at')
        .all()
        .map((row) => JSON.parse(String(row['data'])) as StoredBlock);
    },
    addEvent(event) {
      const row = putEvent.get(event.at, event.level, event.code, event.message);
      return { ...event, id: Number(row?.['id']) };
    },
    events(before, limit) {
      return db
        .prepare('SELECT id, at, level, code, message FROM events WHERE id < ? ORDER BY id DESC LIMIT ?')
        .all(before ?? Number.MAX_SAFE_INTEGER, limit)
        .map((row) => ({ ...row }) as unknown as EventRow)
        .toReversed();
    },
    prune(at) {
      transaction(() => {
        for (const { from, to, after } of ROLLUPS) {
          const until = Math.floor((at - after) / to) * to;
          db.prepare(
            `INSERT INTO shares (start, step, miner, work, accepted, stale, duplicate, low_difficulty, invalid)
             SELECT (start / CAST($to AS INTEGER)) * CAST($to AS INTEGER) AS slot, $to, miner, sum(work), sum(accepted), sum(stale), sum(duplicate), sum(low_difficulty), sum(invalid)
             FROM shares WHERE step = $from AND start < $until GROUP BY slot, miner
             ON CONFLICT DO UPDATE SET work = work + excluded.work, accepted = accepted + excluded.accepted, stale = stale + excluded.stale,
               duplicate = duplicate + excluded.duplicate, low_difficulty = low_difficulty + excluded.low_difficulty, invalid = invalid + excluded.invalid`,
          ).run({ $to: to, $from: from, $until: until });
          db.prepare('DELETE FROM shares WHERE step = ? AND start < ?').run(from, until);
        }
        db.prepare('DELETE FROM running WHERE minute < ?').run(at - 8 * DAY);
        db.prepare('DELETE FROM events WHERE id <= (SELECT max(id) FROM events) - ?').run(MAX_EVENTS);
        db.exec(
          `DELETE FROM shares WHERE miner IN (SELECT id FROM miners ORDER BY last_seen DESC LIMIT -1 OFFSET ${MAX_MINERS});
           DELETE FROM miners WHERE id IN (SELECT id FROM miners ORDER BY last_seen DESC LIMIT -1 OFFSET ${MAX_MINERS});`,
        );
      });
    },
    close() {
      db.close();
    },
  };
}
