import type { AppendItem, JournalPart } from './engine.ts';
import { RECORD_BYTES, decodeRecord, encodeRecord, type JournalEntry } from './journal-record.ts';
import { counter, openOrNote, type Store } from './catalogue/sqlite-damage.ts';
import type { Query, Statement } from './catalogue/sqlite-schema.ts';

interface Row {
  first: number;
  count: number;
  time_from: number;
  time_to: number;
  body: Buffer;
}

/** Rows that one call looks at; a reader of one source is told where to go on rather than kept waiting. */
const MAX_ROWS = 128;
const MAX_LIMIT = 65_536;

/** The journal's rows. Readings of one commit share records of about 64 kB, sealed as one. */
export class SqliteJournal {
  private readonly store: Store;
  private readonly insert: Statement;
  private readonly containing: Query<Row>;
  private readonly from: Query<Row>;
  private readonly remove: Statement;
  /** Position of the next reading. */
  head: number;
  private staged: JournalEntry[] = [];
  private stagedBytes = 0;
  private stagedFirst = 0;
  private timeFrom = Infinity;
  private timeTo = -Infinity;
  /** The record opened last: a reader with a small limit comes back for the rest of it. */
  private opened: { first: number; entries: JournalEntry[] } | undefined;

  constructor(store: Store) {
    this.store = store;
    const { db } = store;
    this.insert = db.prepare('INSERT INTO journal (first, count, time_from, time_to, body) VALUES (?, ?, ?, ?, ?)');
    this.containing = db.prepare<unknown[], Row>('SELECT * FROM journal WHERE first <= ? ORDER BY first DESC LIMIT 1');
    this.from = db.prepare<unknown[], Row>('SELECT * FROM journal WHERE first >= ? ORDER BY first LIMIT 1');
    this.remove = db.prepare('DELETE FROM journal WHERE first = ?');
    const newest = this.containing.get(Number.MAX_SAFE_INTEGER);
    // A damaged newest record that was set aside must not give its positions out again.
    const reached = counter(db, 'head');
    this.head = Math.max(1, reached, newest === undefined ? 0 : newest.first + newest.count);
  }

  /** Readings that are kept. */
  get readings(): number {
    const oldest =
      this.store.db.prepare<unknown[], number | null>('SELECT min(first) FROM journal').pluck().get() ?? null;
    return oldest === null ? 0 : this.head - oldest;
  }

  /** Takes an item into the records of the open transaction; the position of its first reading. */
  append({ source, chunks }: AppendItem): number {
    const first = this.head;
    for (const { count, timeFrom, timeTo, bytes } of chunks) {
      if (this.staged.length === 0) this.stagedFirst = this.head;
      this.staged.push({ source, count, bytes });
      this.stagedBytes += bytes.length;
      this.timeFrom = Math.min(this.timeFrom, timeFrom);
      this.timeTo = Math.max(this.timeTo, timeTo);
      this.head += count;
      if (this.stagedBytes >= RECORD_BYTES) this.flush();
    }
    return first;
  }

  /** Writes what was taken in; to be called before the commit. */
  flush(): void {
    if (this.staged.length === 0) return;
    const { stagedFirst: first, timeFrom, timeTo } = this;
    const count = this.head - first;
    const place = [first, count, timeFrom, timeTo];
    const body = this.store.sealer.seal('journal', place, encodeRecord(this.staged));
    this.insert.run(first, count, timeFrom, timeTo, body);
    this.unstage();
  }

  /** Positions below `to` are not given out. */
  advance(to: number): void {
    if (to <= this.head) return;
    this.flush();
    this.head = to;
    this.keepHead();
  }

  /** Forgets what was taken in since the transaction began. */
  rollBack(head: number): void {
    this.head = head;
    this.unstage();
  }

  read(from: number, limit: number, source: string | undefined): JournalPart {
    const part: JournalPart = { chunks: [], next: undefined };
    const most = Math.min(Math.max(1, limit), MAX_LIMIT);
    let taken = 0;
    let position = Math.max(1, from);
    for (let rows = 0; rows < MAX_ROWS && taken < most; rows++) {
      const row = this.rowAt(position);
      if (row === undefined) return part;
      position = Math.max(position, row.first);
      let at = row.first;
      for (const { source: origin, count, bytes } of this.open(row)) {
        const skip = Math.max(0, position - at);
        if (skip < count && taken < most) {
          const take = Math.min(count - skip, most - taken);
          const wanted = source === undefined || source === origin;
          if (wanted) {
            part.chunks.push({ position: at, source: origin, skip, take, bytes });
            taken += take;
          }
          position = at + skip + (wanted ? take : count - skip);
        }
        at += count;
      }
      if (taken < most) position = row.first + row.count;
    }
    if (position < this.head) part.next = position;
    return part;
  }

  /** The row that holds a position, or the next one after a gap. */
  private rowAt(position: number): Row | undefined {
    const row = this.containing.get(position);
    if (row !== undefined && position < row.first + row.count) return row;
    return this.from.get(position);
  }

  private open(row: Row): JournalEntry[] {
    if (this.opened?.first === row.first) return this.opened.entries;
    const place = [row.first, row.count, row.time_from, row.time_to];
    const record = openOrNote(this.store, 'journal', place, row.body, () => {
      this.keepHead();
      this.remove.run(row.first);
    });
    const entries = record === undefined ? [] : decodeRecord(record);
    this.opened = { first: row.first, entries };
    return entries;
  }

  private keepHead(): void {
    const keep =
      "INSERT INTO counters (name, value) VALUES ('head', ?) ON CONFLICT (name) DO UPDATE SET value = max(value, ?)";
    this.store.db.prepare(keep).run(this.head, this.head);
  }

  private unstage(): void {
    this.staged = [];
    this.stagedBytes = 0;
    this.timeFrom = Infinity;
    this.timeTo = -Infinity;
  }
}
