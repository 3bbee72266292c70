import { TideError, reasonOf } from '@tidegate/nodes/node';
import Database from 'better-sqlite3';

import { TABLES } from './sql-tables.ts';

/** Version of TABLES. The five before it were never released; a released one is brought up by a step of its own. */
export const SCHEMA = 7;

/**
 * Opens the database for writing, or makes it. Throws TideError `newer-database`, or `bad-database` for a file that cannot be
 * opened; it is left as it is then.
 */
export function openForWriting(file: string, busyMs = BUSY_MS): Database.Database {
  let db: Database.Database | undefined;
  try {
    db = new Database(file, { timeout: busyMs });
    db.pragma('journal_mode = WAL');
    // better-sqlite3 defaults to NORMAL in WAL mode, which loses acknowledged commits when the power goes.
    db.pragma('synchronous = FULL');
    // What the checkpointer has left over by then is little, and only a writer that catches up with it can start the
    // log from its beginning again.
    db.pragma(`wal_autocheckpoint = ${LOG_PAGES}`);
    db.pragma('cache_size = -32768');
    db.pragma('temp_store = MEMORY');
    make(db, file);
    return db;
  } catch (error) {
    db?.close();
    if (error instanceof TideError) throw error;
    throw new TideError('bad-database', `${file} cannot be opened: ${reasonOf(error)}`, { cause: error });
  }
}

/** A connection that can only read, for answers to people. The database has to be there. */
export function openForReading(file: string): Database.Database {
  const db = new Database(file, { readonly: true, fileMustExist: true, timeout: BUSY_MS });
  db.pragma('cache_size = -16384');
  db.pragma('temp_store = MEMORY');
  return db;
}

/** 64 MB. */
const LOG_PAGES = 16_384;
/** How long a connection waits for another process that writes, ms. */
const BUSY_MS = 5000;

function make(db: Database.Database, file: string): void {
  const version = (): number => Number(db.pragma('user_version', { simple: true }));
  if (version() === SCHEMA) return;
  db.transaction(() => {
    // Another process may have done it between the look and the lock.
    const from = version();
    if (from > SCHEMA)
      throw new TideError(
        'newer-database',
        `${file} has schema ${from}, this program knows up to ${SCHEMA}: start the newer tidegate-cloud that made it`,
      );
    if (from === SCHEMA) return;
    if (from > 0)
      throw new TideError('bad-database', `${file} has schema ${from}, of a version of before the first release`);
    db.exec(TABLES);
    db.pragma(`user_version = ${SCHEMA}`);
  }).immediate();
}
