import { decodeCbor, encodeCbor } from './cbor.ts';
import { openOrNote, type Store } from './sqlite-damage.ts';
import type { Statement } from './sqlite-schema.ts';
import type { SeriesEntry } from './vault.ts';

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
    const kept = (this.store.db.prepare('SELECT max(number) FROM series').pluck().get() as number | null) ?? 0;
    const row = this.store.db.prepare("SELECT value FROM counters WHERE name = 'series'").pluck().get();
    return Math.max(kept, (row as number | undefined) ?? 0);
  }

  entries(): SeriesEntry[] {
    const { db } = this.store;
    const rows = db.prepare('SELECT number, body FROM series ORDER BY number').all() as {
      number: number;
      body: Buffer;
    }[];
    return rows.flatMap(({ number, body }) => {
      const plain = openOrNote(this.store, 'series', [number], body, () => {
        db.prepare("INSERT OR REPLACE INTO counters (name, value) VALUES ('series', ?)").run(this.last);
        db.prepare('DELETE FROM series WHERE number = ?').run(number);
      });
      return plain === undefined ? [] : { number, ...decodeCbor<Omit<SeriesEntry, 'number'>>(plain) };
    });
  }
}
