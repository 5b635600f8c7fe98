import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** The one place that knows which SQLite this is; the rest of the store speaks SQL through it. */
export type Database = DatabaseSync;

/** Steps from one shape of the file to the next, run once each and in order. Never edited after a release, only added to. */
const MIGRATIONS: readonly string[] = [
  `CREATE TABLE miners (
     id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, worker TEXT NOT NULL, user_agent TEXT NOT NULL, remote TEXT NOT NULL,
     first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL,
     best REAL, best_at INTEGER,
     work REAL NOT NULL, accepted INTEGER NOT NULL, stale INTEGER NOT NULL, duplicate INTEGER NOT NULL,
     low_difficulty INTEGER NOT NULL, invalid INTEGER NOT NULL
   ) STRICT;
   CREATE TABLE shares (
     start INTEGER NOT NULL, step INTEGER NOT NULL, miner INTEGER NOT NULL,
     work REAL NOT NULL, accepted INTEGER NOT NULL, stale INTEGER NOT NULL, duplicate INTEGER NOT NULL,
     low_difficulty INTEGER NOT NULL, invalid INTEGER NOT NULL,
     PRIMARY KEY (start, step, miner)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE running (minute INTEGER PRIMARY KEY) STRICT;
   CREATE TABLE totals (
     one INTEGER PRIMARY KEY CHECK (one = 1), accepted INTEGER NOT NULL, work REAL NOT NULL,
     best REAL, best_at INTEGER, best_worker TEXT
   ) STRICT;
   INSERT INTO totals VALUES (1, 0, 0, NULL, NULL, NULL);
   CREATE TABLE blocks (hash TEXT PRIMARY KEY, found_at INTEGER NOT NULL, data TEXT NOT NULL) STRICT;
   CREATE TABLE events (
     id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, level TEXT NOT NULL, code TEXT NOT NULL, message TEXT NOT NULL
   ) STRICT;`,
];

function tryOpen(
  path: string,
): { readonly ok: true; readonly db: Database } | { readonly ok: false; readonly why: string } {
  let db: Database | undefined;
  try {
    db = new DatabaseSync(path, { timeout: 5_000 });
    // WAL survives kill -9; NORMAL may lose the last moments at a power cut, never the file. Blocks are kept in files of their own.
    db.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;',
    );
    const verdict = db.prepare('PRAGMA quick_check(1)').get() as { quick_check?: unknown } | undefined;
    if (verdict?.quick_check !== 'ok')
      throw new Error(`quick_check: ${JSON.stringify(verdict?.quick_check)}`);
    const { user_version: version } = db.prepare('PRAGMA user_version').get() as { user_version: number };
    if (version > MIGRATIONS.length) throw new Error(`it was written by a newer Adit (version ${version})`);
    for (let n = version; n < MIGRATIONS.length; n += 1) {
      db.exec(`BEGIN; ${MIGRATIONS[n]}; PRAGMA user_version = ${n + 1}; COMMIT;`);
    }
    return { ok: true, db };
  } catch (error) {
    try {
      db?.close();
    } catch {
      // A handle on a broken file may refuse to close; the file is set aside either way.
    }
    return { ok: false, why: error instanceof Error ? error.message : String(error) };
  }
}

/**
 * Opens the database file, making it where there is none. A file that can't be used is set aside with its journal as
 * `<name>.corrupt-<time>` and a new one begun; `setAside` then says what happened. Throws where even a new file can't be made
 * (no space, no right to the folder).
 */
export function openDatabase(
  path: string,
  now: number,
): { readonly db: Database; readonly setAside: string | undefined } {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const first = tryOpen(path);
  if (first.ok) return { db: first.db, setAside: undefined };
  if (!existsSync(path))
    throw new Error(
      `The history file ${path} could not be made: ${first.why}. Check the folder's rights and free space.`,
    );
  const aside = `${path}.corrupt-${now}`;
  for (const suffix of ['', '-wal', '-shm']) {
    if (existsSync(path + suffix)) renameSync(path + suffix, aside + suffix);
  }
  const second = tryOpen(path);
  if (!second.ok)
    throw new Error(
      `The history file ${path} could not be made: ${second.why}. Check the folder's rights and free space.`,
    );
  return {
    db: second.db,
    setAside: `The history could not be read (${first.why}). It was set aside as ${aside} and a new one was begun. Found blocks are kept in files of their own and are not touched.`,
  };
}
