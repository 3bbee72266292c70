import { TideError } from '@tidegate/nodes/node';
import type { Stamp } from '@tidegate/nodes/sync';
import type { Database } from 'better-sqlite3';

import { storing } from './sqlite-errors.ts';
import { MAX_DOCUMENTS, type StateStore, type StoredDocument } from './store.ts';

interface DocumentRow {
  key: string;
  value: string;
  wall: number;
  counter: number;
  writer: string;
  applied: number;
}

/** Setting that holds the newest stamp seen here, whoever made it: the next one has to be later. */
const NEWEST_STAMP = 'newest-stamp';

/** Documents for gateways, in SQLite. */
export class SqliteDocuments implements StateStore {
  private readonly db: Database;

  constructor(db: Database) {
    this.db = db;
  }

  putDocument(
    gatewayId: number,
    key: string,
    value: unknown,
    stampAfter: (newest: Stamp | undefined) => Stamp,
  ): Promise<StoredDocument> {
    const put = this.db.transaction((): StoredDocument => {
      const count = 'SELECT count(*) FROM documents WHERE gateway_id = ? AND key <> ?';
      if (this.db.prepare<[number, string], number>(count).pluck().get(gatewayId, key)! >= MAX_DOCUMENTS)
        throw new TideError('too-many', `this gateway has ${MAX_DOCUMENTS} documents, which is the most it can have`);
      const stamp = stampAfter(this.newest());
      this.db
        .prepare(
          `INSERT INTO documents (gateway_id, key, value, wall, counter, writer) VALUES (?, ?, ?, ?, ?, ?)
           ON CONFLICT DO UPDATE SET value = excluded.value, wall = excluded.wall, counter = excluded.counter,
             writer = excluded.writer, applied = 0`,
        )
        .run(gatewayId, key, JSON.stringify(value), stamp.wall, stamp.counter, stamp.writer);
      this.keepNewest(stamp);
      return { key, value, stamp, applied: false };
    });
    return storing(() => put.immediate());
  }

  documents(gatewayId: number): Promise<StoredDocument[]> {
    const query = 'SELECT key, value, wall, counter, writer, applied FROM documents WHERE gateway_id = ? ORDER BY key';
    return storing(() =>
      this.db
        .prepare<[number], DocumentRow>(query)
        .all(gatewayId)
        .map(({ key, value, wall, counter, writer, applied }) => ({
          key,
          value: JSON.parse(value) as unknown,
          stamp: { wall, counter, writer },
          applied: applied === 1,
        })),
    );
  }

  markApplied(gatewayId: number, applied: Record<string, Stamp>): Promise<boolean> {
    const mark = this.db.prepare(
      `UPDATE documents SET applied = 1
       WHERE gateway_id = ? AND key = ? AND wall = ? AND counter = ? AND writer = ? AND applied = 0`,
    );
    const keep = this.db.transaction((): boolean => {
      let changed = false;
      for (const [key, stamp] of Object.entries(applied)) {
        if (mark.run(gatewayId, key, stamp.wall, stamp.counter, stamp.writer).changes > 0) changed = true;
        this.keepNewest(stamp);
      }
      return changed;
    });
    return storing(() => keep.immediate());
  }

  private newest(): Stamp | undefined {
    const text = this.db
      .prepare<[string], string>('SELECT value FROM settings WHERE name = ?')
      .pluck()
      .get(NEWEST_STAMP);
    if (text === undefined) return undefined;
    const stamp: Stamp = JSON.parse(text);
    return stamp;
  }

  private keepNewest(stamp: Stamp): void {
    const newest = this.newest();
    if (newest !== undefined && !isLater(stamp, newest)) return;
    this.db
      .prepare('INSERT INTO settings VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value')
      .run(NEWEST_STAMP, JSON.stringify(stamp));
  }
}

const isLater = (a: Stamp, b: Stamp): boolean => a.wall > b.wall || (a.wall === b.wall && a.counter > b.counter);
