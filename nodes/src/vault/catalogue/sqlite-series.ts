import { z } from 'zod';
import { decodeCbor, encodeCbor } from '../cbor.ts';
import { counter, openOrNote, type Store } from './sqlite-damage.ts';
import type { Statement } from './sqlite-schema.ts';
import type { SeriesEntry } from '../vault.ts';

const seriesSchema = z.object({
  name: z.string(),
  unit: z.string().optional(),
  kind: z.enum(['number', 'boolean', 'string']),
});

/** The catalogue of series: names, units and kinds, by number. */
export class SqliteSeries {
  private readonly store: Store;
  private readonly upsert: Statement;

  constructor(store: Store) {
    this.store = store;
    this.upsert = store.db.prepare('INSERT OR REPLACE INTO series (number, body) VALUES (?, ?)');
  }

  put({ number, name, unit, kind }: SeriesEntry): void {
    const plain = encodeCbor(unit === undefined ? { name, kind } : { name, kind, unit });
    this.upsert.run(number, this.store.sealer.seal('series', [number], plain));
  }

  /** Highest number in use, damaged or not: numbers are never given out twice. */
  get last(): number {
    const { db } = this.store;
    const kept = db.prepare<unknown[], number | null>('SELECT max(number) FROM series').pluck().get() ?? 0;
    return Math.max(kept, counter(db, 'series'));
  }

  entries(): SeriesEntry[] {
    const { db } = this.store;
    const rows = db
      .prepare<unknown[], { number: number; body: Buffer }>('SELECT number, body FROM series ORDER BY number')
      .all();
    return rows.flatMap(({ number, body }) => {
      const plain = openOrNote(this.store, 'series', [number], body, () => {
        db.prepare("INSERT OR REPLACE INTO counters (name, value) VALUES ('series', ?)").run(this.last);
        db.prepare('DELETE FROM series WHERE number = ?').run(number);
      });
      return plain === undefined ? [] : { number, ...seriesSchema.parse(decodeCbor(plain)) };
    });
  }
}
