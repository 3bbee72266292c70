import { decodeCbor, encodeCbor } from '../cbor.ts';
import type { SegmentEntry } from '../readings/reading-store.ts';
import { addToCounter, openOrNote, type Store } from './sqlite-damage.ts';
import { metaOf, putMeta } from './sqlite-schema.ts';

/** What stays known of the newest segment that there ever was, when it is gone. */
export type NewestSegment = Pick<SegmentEntry, 'number' | 'recordTo' | 'tag'>;

const NEWEST = 'newest-segment';
/** Begin of the counters of segments whose files are to be gone. */
const REMOVED = 'removed/';
/** Begin of the counters of readings that are broken and declared, by segment and place in it. */
const LOST = 'lost/';

/** The list of segments, so that a start does not open each of them. What it says is in the files, too. */
export class SqliteSegments {
  private readonly store: Store;

  constructor(store: Store) {
    this.store = store;
  }

  put(entry: SegmentEntry): void {
    const body = this.store.sealer.seal('segment', [entry.number], encodeCbor(entry));
    this.store.db.prepare('INSERT OR REPLACE INTO segments (number, body) VALUES (?, ?)').run(entry.number, body);
    this.raise(entry);
  }

  /** The newest one of all, whether it is still there or not. */
  get newest(): NewestSegment | undefined {
    const found = metaOf(this.store.db, NEWEST);
    if (found === undefined) return undefined;
    const drop = (): unknown => this.store.db.prepare('DELETE FROM meta WHERE name = ?').run(NEWEST);
    const plain = openOrNote(this.store, 'segment', [0], found, drop);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written by `raise`, which takes nothing else
    return plain === undefined ? undefined : (decodeCbor(plain) as NewestSegment);
  }

  /** Forgets a segment that is given up; its file is to go once that is on the disk. */
  giveUp(gone: NewestSegment): void {
    const { db } = this.store;
    this.remove(gone.number);
    this.raise(gone);
    db.prepare('INSERT OR REPLACE INTO counters (name, value) VALUES (?, 1)').run(`${REMOVED}${gone.number}`);
    db.prepare('DELETE FROM counters WHERE name GLOB ?').run(`${LOST}segment/${gone.number}/*`);
  }

  /** Numbers of segments that were given up and whose files may still be there. */
  givenUp(): number[] {
    const rows = this.store.db
      .prepare<unknown[], string>('SELECT name FROM counters WHERE name GLOB ?')
      .pluck()
      .all(`${REMOVED}*`);
    return rows.map((name) => Number(name.slice(REMOVED.length)));
  }

  /** Its file is not there any more. */
  gone(number: number): void {
    this.store.db.prepare('DELETE FROM counters WHERE name = ?').run(`${REMOVED}${number}`);
  }

  /** Notes readings that are broken; a place counts once. */
  lose(place: string, readings: number): void {
    if (!this.isLost(place)) addToCounter(this.store.db, `${LOST}${place}`, readings);
  }

  isLost(place: string): boolean {
    return this.store.db.prepare('SELECT 1 FROM counters WHERE name = ?').get(`${LOST}${place}`) !== undefined;
  }

  /** Readings of a segment that are broken and declared. */
  lostOf(number: number): number {
    const sum = this.store.db.prepare<unknown[], number>(
      'SELECT coalesce(sum(value), 0) FROM counters WHERE name GLOB ?',
    );
    return sum.pluck().get(`${LOST}segment/${number}/*`) ?? 0;
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

  private raise({ number, recordTo, tag }: NewestSegment): void {
    const before = this.newest;
    if (before !== undefined && before.number >= number && before.recordTo >= recordTo) return;
    const newest: NewestSegment = {
      number: Math.max(number, before?.number ?? 0),
      recordTo: Math.max(recordTo, before?.recordTo ?? 0),
      tag: before !== undefined && before.number > number ? before.tag : tag,
    };
    putMeta(this.store.db, NEWEST, this.store.sealer.seal('segment', [0], encodeCbor(newest)));
  }
}
