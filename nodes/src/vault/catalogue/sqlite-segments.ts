import { decodeCbor, encodeCbor } from '../cbor.ts';
import type { SegmentEntry } from '../readings/reading-store.ts';
import { openOrNote, type Store } from './sqlite-damage.ts';

/** The list of segments, so that a start does not open each of them. What it says is in the files, too. */
export class SqliteSegments {
  private readonly store: Store;

  constructor(store: Store) {
    this.store = store;
  }

  put(entry: SegmentEntry): void {
    const body = this.store.sealer.seal('segment', [entry.number], encodeCbor(entry));
    this.store.db.prepare('INSERT OR REPLACE INTO segments (number, body) VALUES (?, ?)').run(entry.number, body);
  }

  /** In order of number. A damaged row is left out: the file itself is then asked. */
  all(): SegmentEntry[] {
    const { db } = this.store;
    const rows = db
      .prepare<unknown[], { number: number; body: Buffer }>('SELECT number, body FROM segments ORDER BY number')
      .all();
    return rows.flatMap(({ number, body }) => {
      const plain = openOrNote(this.store, 'segment', [number], body, () => this.remove(number));
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- sealed by `put`, which takes nothing else
      return plain === undefined ? [] : [decodeCbor(plain) as SegmentEntry];
    });
  }

  remove(number: number): void {
    this.store.db.prepare('DELETE FROM segments WHERE number = ?').run(number);
  }
}
