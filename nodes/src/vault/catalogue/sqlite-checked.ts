import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { reasonOf } from '../../node/errors.ts';
import type { Sealer } from '../keys/sealed.ts';
import { damageMarked, setAside } from './file-damage-mark.ts';
import { CatalogueSum } from './file-sum.ts';
import { DATABASE_FILE, engineError, openDatabase, type Sqlite } from './sqlite-schema.ts';

export interface Checked {
  db: Sqlite;
  sum: CatalogueSum;
}

/** Opens a database that can be trusted; one that cannot is set aside and a new one begun, which `fill` gives its rows. */
export function openChecked(
  directory: string,
  sealer: Sealer,
  problems: string[],
  fill: (empty: Sqlite) => void,
): Checked {
  const file = path.join(directory, DATABASE_FILE);
  let sum = new CatalogueSum(directory, sealer);
  try {
    const verdict = verdictOf(directory, file, sum);
    const opened = verdict.damaged ?? tryOpen(file, sum, verdict.vouched, fill);
    if (typeof opened !== 'string') {
      sum.open();
      return { db: opened, sum };
    }
    sum.close();
    problems.push(`${DATABASE_FILE} is damaged (${opened}); it lies in ${setAside(directory)} and was made again`);
    sum = new CatalogueSum(directory, sealer);
    const { db } = openDatabase(file, fill);
    sum.open();
    return { db, sum };
  } catch (error) {
    sum.close();
    throw error;
  }
}

function verdictOf(directory: string, file: string, sum: CatalogueSum): { damaged?: string; vouched: boolean } {
  const marked = damageMarked(directory);
  if (marked !== undefined) return { damaged: marked, vouched: false };
  if (!existsSync(file)) return { vouched: true };
  const found = sum.check();
  if (found === 'other') return { damaged: 'its bytes are not those that were written', vouched: false };
  // The sum vouches for the file; what lies in the write-ahead log has SQLite's own checksums.
  return { vouched: found === 'same' };
}

/** Closing copies what is left in the write-ahead log into the file, which the sum no longer vouches for then. */
export function closeDatabase(db: Sqlite, sum: CatalogueSum): void {
  const logged = statSync(`${db.name}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  try {
    if (db.inTransaction || logged > 0) sum.forget();
  } finally {
    db.close();
  }
}

/** The database, or why it cannot be trusted. */
function tryOpen(file: string, sum: CatalogueSum, vouched: boolean, fill: (empty: Sqlite) => void): Sqlite | string {
  let db: Sqlite | undefined;
  try {
    const opened = openDatabase(file, fill);
    db = opened.db;
    const found = vouched || opened.isNew ? 'ok' : String(db.pragma('integrity_check(1)', { simple: true }));
    if (found === 'ok') return db;
    closeDatabase(db, sum);
    return found.slice(0, 200);
  } catch (error) {
    if (db !== undefined) closeDatabase(db, sum);
    const found = engineError(error, path.dirname(file));
    if (found.code === 'damaged') return reasonOf(error);
    throw found;
  }
}
