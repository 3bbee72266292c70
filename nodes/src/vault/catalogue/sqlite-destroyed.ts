import type { Destroyed } from '../destroyed.ts';
import type { Sqlite } from './sqlite-schema.ts';

/** Begin of the counters of shreds, by month; the value is the newest journal record whose readings they took. */
const SHREDDED = 'shredded/';
/** The first name after all of these. */
const END = 'shredded0';

/** Which of the journal's readings shreds have destroyed: the journal may keep their records, under a key that still exists. */
export class SqliteDestroyed {
  private readonly db: Sqlite;

  constructor(db: Sqlite) {
    this.db = db;
  }

  add({ before, recordTo }: Destroyed): void {
    this.db
      .prepare(
        'INSERT INTO counters (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)',
      )
      .run(`${SHREDDED}${before}`, recordTo);
    for (const one of this.list()) if (one.before < before && one.recordTo <= recordTo) this.drop(one);
  }

  list(): Destroyed[] {
    return this.db
      .prepare<unknown[], { name: string; value: number }>(
        'SELECT name, value FROM counters WHERE name >= ? AND name < ?',
      )
      .all(SHREDDED, END)
      .map(({ name, value }) => ({ before: Number(name.slice(SHREDDED.length)), recordTo: value }));
  }

  /**
   * Forgets what the journal has let go of. `oldest`: its oldest record as a start finds it, since a file that was let go of
   * keeps its records until it is used again, and a start before that takes them for held.
   */
  forget(oldest: number): void {
    for (const one of this.list()) if (one.recordTo < oldest) this.drop(one);
  }

  private drop({ before }: Destroyed): void {
    this.db.prepare('DELETE FROM counters WHERE name = ?').run(`${SHREDDED}${before}`);
  }
}
