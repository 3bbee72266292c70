import { truncateSync } from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { TideError } from '../../node/errors.ts';
import { touchPrivate } from '../keys/file-header.ts';
import type { Sqlite } from './sqlite-schema.ts';

const OWNER_FILE = 'vault.lock';

/** What a file with a flipped bit may make SQLite say: a header can also claim to be of a version that is only read. */
const DAMAGED = /^SQLITE_(NOTADB|CORRUPT|READONLY|ERROR)/;

/**
 * One process owns a vault. The claim is an open write transaction on a tiny database of its own: the operating system
 * drops it with the process, however that ends, and others can still read who holds it.
 */
export class Owner {
  private readonly db: Sqlite;

  private constructor(db: Sqlite) {
    this.db = db;
  }

  /** Throws TideError `owned` when another process has the vault. */
  static claim(directory: string): Owner {
    const file = path.join(directory, OWNER_FILE);
    try {
      return Owner.take(file, directory);
    } catch (error) {
      if (!(error instanceof Database.SqliteError) || !DAMAGED.test(error.code)) throw error;
      // It carries nothing worth keeping. Emptied and not removed: whoever holds it all the same goes on holding it.
      if (!emptied(file)) throw error;
      return Owner.take(file, directory);
    }
  }

  private static take(file: string, directory: string): Owner {
    touchPrivate(file);
    const db = new Database(file, { timeout: 200 });
    try {
      db.pragma('journal_mode = MEMORY');
      db.pragma('synchronous = OFF');
      // Made anew each time: a flipped bit may have given the table another column.
      db.exec('BEGIN IMMEDIATE; DROP TABLE IF EXISTS owner; CREATE TABLE owner (pid INTEGER)');
      db.prepare('INSERT INTO owner (pid) VALUES (?)').run(process.pid);
      db.exec('COMMIT; BEGIN IMMEDIATE');
      return new Owner(db);
    } catch (error) {
      const holder = holderOf(db);
      db.close();
      if (error instanceof Database.SqliteError && error.code.startsWith('SQLITE_BUSY'))
        throw new TideError(
          'owned',
          `vault ${directory} is in use by another process${holder === undefined ? '' : ` (pid ${holder})`}; stop that one first`,
          { cause: error },
        );
      throw error;
    }
  }

  release(): void {
    if (this.db.inTransaction) this.db.exec('ROLLBACK');
    this.db.close();
  }
}

function emptied(file: string): boolean {
  try {
    truncateSync(file);
    return true;
  } catch {
    // A disk that takes no writes: what SQLite said of it is the finding.
    return false;
  }
}

function holderOf(db: Sqlite): number | undefined {
  try {
    if (db.inTransaction) db.exec('ROLLBACK');
    const pid: unknown = db.prepare('SELECT pid FROM owner').pluck().get();
    return typeof pid === 'number' ? pid : undefined;
  } catch {
    // Who holds it is a help, not the finding; the caller reports that it is held.
    return undefined;
  }
}
