import {
  ACCOUNT_COLUMNS,
  decodeTally,
  nothing,
  type AccountColumn,
  type StreamAccount,
  type Tally,
} from '../accounts.ts';
import { decodeCbor, encodeCbor } from '../cbor.ts';
import { orphanName, orphanOf } from '../orphans.ts';
import type { Range } from '../vault.ts';
import { openOrNote, type Store } from './sqlite-damage.ts';
import type { Query, Statement } from './sqlite-schema.ts';

/** Series whose counts share a row, eight bytes each: blocks name series that lie side by side. */
const PAGE = 128;
/** Counter of the position from which on readings are accounted for. */
const FROM = 'accounts/from';

/**
 * What became of the readings in summaries, by stream and series, as running sums; and what is in each waiting block
 * (its tally), so that nothing has to be opened to know what goes with it. Both change with the rows of the blocks, in the
 * same transaction, and follow from the journal's effects alone: applied again after a crash they come to the same.
 */
export class SqliteAccounts {
  private readonly store: Store;
  private readonly find: Query<number>;
  private readonly read: Query<Buffer>;
  private readonly write: Statement;
  private readonly putTally: Statement;
  private readonly tallyOf: Query<Buffer>;

  constructor(store: Store) {
    this.store = store;
    const { db } = store;
    this.find = db.prepare<unknown[], number>('SELECT id FROM ledgers WHERE name = ?').pluck();
    this.read = db
      .prepare<unknown[], Buffer>('SELECT counts FROM accounts WHERE ledger = ? AND kind = ? AND page = ?')
      .pluck();
    this.write = db.prepare('INSERT OR REPLACE INTO accounts (ledger, kind, page, counts) VALUES (?, ?, ?, ?)');
    this.putTally = db.prepare('INSERT OR REPLACE INTO tallies (stream, number, body) VALUES (?, ?, ?)');
    this.tallyOf = db.prepare<unknown[], Buffer>('SELECT body FROM tallies WHERE stream = ? AND number = ?').pluck();
  }

  /** Adds readings to what is known of a stream. */
  add(stream: string, column: AccountColumn, tally: Tally): void {
    if (tally.size === 0) return;
    const ledger = this.find.get(this.nameOf(stream)) ?? this.make(stream);
    const kind = ACCOUNT_COLUMNS.indexOf(column);
    const pages = Map.groupBy(tally, ([series]) => Math.floor(series / PAGE));
    for (const [page, entries] of pages) {
      const counts = Buffer.alloc(PAGE * 8);
      this.read.get(ledger, kind, page)?.copy(counts);
      for (const [series, readings] of entries) {
        const at = (series % PAGE) * 8;
        counts.writeDoubleLE(counts.readDoubleLE(at) + readings, at);
      }
      this.write.run(ledger, kind, page, counts);
    }
  }

  /** A block was sealed; `row` is the number of its stream. */
  sealed(stream: string, row: number, number: number, tally: Uint8Array): void {
    this.add(stream, 'sealed', decodeTally(tally));
    this.putTally.run(row, number, Buffer.from(tally));
  }

  /** A waiting block was rewritten: what is no longer in it was revoked. */
  rewritten(stream: string, row: number, number: number, tally: Uint8Array): void {
    const before = this.tallyOf.get(row, number);
    if (before === undefined) return;
    const after = decodeTally(tally);
    const gone = [...decodeTally(before)].map(([series, readings]): [number, number] => [
      series,
      readings - (after.get(series) ?? 0),
    ]);
    this.add(stream, 'revoked', new Map(gone.filter(([, readings]) => readings !== 0)));
    this.putTally.run(row, number, Buffer.from(tally));
  }

  /** Blocks came to an end; those in `hollow` had lost their bodies to damage before. */
  ended(stream: string, row: number, [from, to]: Range, as: AccountColumn, hollow: ReadonlySet<number>): void {
    const rows = this.store.db
      .prepare<unknown[], { number: number; body: Buffer }>(
        'SELECT number, body FROM tallies WHERE stream = ? AND number BETWEEN ? AND ?',
      )
      .all(row, from, to);
    if (rows.length === 0) return;
    const sums = { [as]: new Map<number, number>(), damaged: new Map<number, number>() };
    for (const { number, body } of rows) {
      const sum = sums[hollow.has(number) ? 'damaged' : as];
      for (const [series, readings] of decodeTally(body)) sum.set(series, (sum.get(series) ?? 0) + readings);
    }
    this.add(stream, as, sums[as]);
    if (as !== 'damaged') this.add(stream, 'damaged', sums.damaged);
    this.store.db.prepare('DELETE FROM tallies WHERE stream = ? AND number BETWEEN ? AND ?').run(row, from, to);
  }

  /** Waiting blocks of a stream in a range whose readings are known and whose bytes are gone. */
  hollow(row: number, ranges: readonly Range[]): number[] {
    const query = this.store.db
      .prepare<unknown[], number>(
        `SELECT blocks.number FROM blocks JOIN tallies ON tallies.stream = blocks.stream AND tallies.number = blocks.number
         WHERE blocks.stream = ? AND blocks.number BETWEEN ? AND ? AND blocks.size = 0 AND length(tallies.body) > 0`,
      )
      .pluck();
    return ranges.flatMap(([from, to]) => query.all(row, from, to));
  }

  /** The stream itself is forgotten. */
  dropped(row: number): void {
    this.store.db.prepare('DELETE FROM tallies WHERE stream = ?').run(row);
  }

  /** Position from which on readings are accounted for. */
  get from(): number | undefined {
    return this.store.db.prepare<unknown[], number>('SELECT value FROM counters WHERE name = ?').pluck().get(FROM);
  }

  /** Readings below this position came before this writer, or are no readings at all. */
  begin(position: number): void {
    this.store.db
      .prepare(
        'INSERT INTO counters (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)',
      )
      .run(FROM, position);
  }

  /** Of another writer from now on: what stands here is set aside, and what was set aside before is let go unless it waits. */
  orphan(incarnation: string, waits: (stream: string) => boolean): void {
    const { db, sealer } = this.store;
    const rename = db.prepare('UPDATE ledgers SET name = ?, body = ? WHERE id = ?');
    for (const { id, stream } of this.ledgers()) {
      if (orphanOf(stream) === undefined) {
        const orphan = orphanName({ incarnation, name: stream });
        const name = this.nameOf(orphan);
        rename.run(name, sealer.seal('ledger', [id, name], encodeCbor(orphan)), id);
      } else if (!waits(stream)) this.drop(id);
    }
  }

  list(): StreamAccount[] {
    const rows = this.store.db.prepare<unknown[], { kind: number; page: number; counts: Buffer }>(
      'SELECT kind, page, counts FROM accounts WHERE ledger = ?',
    );
    return this.ledgers().map(({ id, stream }) => {
      const series: StreamAccount['series'] = new Map();
      for (const { kind, page, counts } of rows.iterate(id)) {
        const column = ACCOUNT_COLUMNS[kind];
        for (let i = 0; i < PAGE; i++) {
          const readings = counts.readDoubleLE(i * 8);
          if (readings === 0) continue;
          const number = page * PAGE + i;
          const known = series.get(number) ?? nothing();
          known[column] = readings;
          series.set(number, known);
        }
      }
      return { stream, series: new Map([...series].toSorted(([a], [b]) => a - b)) };
    });
  }

  private ledgers(): { id: number; stream: string }[] {
    const rows = this.store.db
      .prepare<unknown[], { id: number; name: Buffer; body: Buffer }>('SELECT id, name, body FROM ledgers ORDER BY id')
      .all();
    return rows.flatMap(({ id, name, body }) => {
      const plain = openOrNote(this.store, 'ledger', [id, name], body, () => this.drop(id));
      return plain === undefined ? [] : [{ id, stream: String(decodeCbor(plain)) }];
    });
  }

  private make(stream: string): number {
    const { db, sealer } = this.store;
    const name = this.nameOf(stream);
    const id = db.prepare<unknown[], number>('SELECT coalesce(max(id), 0) + 1 FROM ledgers').pluck().get() ?? 1;
    const body = sealer.seal('ledger', [id, name], encodeCbor(stream));
    db.prepare('INSERT INTO ledgers (id, name, body) VALUES (?, ?, ?)').run(id, name, body);
    return id;
  }

  private drop(id: number): void {
    this.store.db.prepare('DELETE FROM accounts WHERE ledger = ?').run(id);
    this.store.db.prepare('DELETE FROM ledgers WHERE id = ?').run(id);
  }

  private nameOf(stream: string): Buffer {
    return this.store.keys.nameHash('ledger', stream);
  }
}
