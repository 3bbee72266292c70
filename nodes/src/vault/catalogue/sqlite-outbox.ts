import type { BlockFiles } from '../engine/block-files.ts';
import type { Ending } from '../accounts.ts';
import { orphanOf } from '../orphans.ts';
import { outside } from '../ranges.ts';
import type { Block, Range } from '../vault.ts';
import { SqliteBlockFiling, type BlockRow } from './sqlite-block-filing.ts';
import { openOrNote, type Store } from './sqlite-damage.ts';
import type { Query, Statement } from './sqlite-schema.ts';
import type { SqliteAccounts } from './sqlite-accounts.ts';
import { SqliteStreams } from './sqlite-streams.ts';

/** Blocks that one call hands out at most. */
const MAX_BLOCKS = 1_024;
const EMPTY = new Uint8Array(0);

/** Blocks that wait for the cloud, by stream and number. */
export class SqliteOutbox {
  readonly streams: SqliteStreams;
  readonly filing: SqliteBlockFiling;
  private readonly store: Store;
  private readonly accounts: SqliteAccounts;
  private readonly insert: Statement;
  private readonly update: Statement;
  private readonly nextBlock: Record<'newest' | 'oldest', Query<BlockRow>>;

  constructor(store: Store, files: BlockFiles, accounts: SqliteAccounts) {
    this.store = store;
    this.accounts = accounts;
    this.streams = new SqliteStreams(store);
    this.filing = new SqliteBlockFiling(store, files);
    this.insert = store.db.prepare(
      'INSERT INTO blocks (stream, number, size, file, place, length, body) VALUES (?, ?, ?, 0, 0, 0, ?)',
    );
    this.update = store.db.prepare(
      'UPDATE blocks SET size = ?, file = 0, place = 0, length = 0, body = ? WHERE stream = ? AND number = ?',
    );
    const next = (order: 'DESC' | 'ASC'): Query<BlockRow> =>
      store.db.prepare(
        `SELECT number, size, file, place, length, body FROM blocks WHERE stream = ? AND number BETWEEN ? AND ?
         ORDER BY number ${order} LIMIT 1`,
      );
    this.nextBlock = { newest: next('DESC'), oldest: next('ASC') };
  }

  /** The number that the next block of a stream gets. */
  next(stream: string): number {
    return (this.streams.find(stream)?.sealed ?? 0) + 1;
  }

  /** Seals a block under its number, which is above all that the stream has had. */
  add(stream: string, number: number, body: Uint8Array, tally?: Uint8Array): void {
    const { id, sealed } = this.streams.find(stream) ?? this.streams.make(stream);
    if (number <= sealed) return;
    // Numbers in between were given out by a commit that is lost: they go out empty, and nobody waits for them.
    for (let lost = sealed + 1; lost < number; lost++) this.insert.run(id, lost, 0, this.seal(id, lost, EMPTY));
    this.insert.run(id, number, body.length, this.seal(id, number, body));
    this.streams.tally(id, { sealed: number - sealed, count: number - sealed, bytes: body.length });
    this.streams.raiseSealed(stream, id, body);
    if (tally !== undefined) this.accounts.sealed(stream, id, number, tally);
  }

  /** Takes in a block of an earlier incarnation under the number that it has there; one that is known stays as it is. */
  adopt(stream: string, number: number, body: Uint8Array, tally?: Uint8Array): void {
    const { id, sealed } = this.streams.find(stream) ?? this.streams.make(stream);
    const find = this.store.db.prepare('SELECT 1 FROM blocks WHERE stream = ? AND number = ?');
    if (find.get(id, number) !== undefined) return;
    this.insert.run(id, number, body.length, this.seal(id, number, body));
    this.streams.tally(id, { sealed: Math.max(0, number - sealed), count: 1, bytes: body.length });
    if (tally !== undefined) this.accounts.sealed(stream, id, number, tally);
  }

  rewrite(stream: string, number: number, body: Uint8Array, tally?: Uint8Array): void {
    const row = this.streams.find(stream);
    if (row === undefined) return;
    this.replace(row.id, number, body);
    if (tally !== undefined) this.accounts.rewritten(stream, row.id, number, tally);
  }

  /** Of these blocks, those whose bytes were lost to damage before they came to an end. */
  hollow(stream: string, ranges: readonly Range[]): number[] {
    const row = this.streams.find(stream);
    return row === undefined ? [] : this.accounts.hollow(row.id, ranges);
  }

  /** Lets go of blocks, for a reason. */
  acknowledge(
    stream: string,
    ranges: readonly Range[],
    as: Ending = 'delivered',
    hollow: readonly number[] = [],
  ): void {
    const row = this.streams.find(stream);
    if (row === undefined) return;
    const { db } = this.store;
    let left = row.count;
    const lost = new Set(hollow);
    const measure = db.prepare<unknown[], { count: number; bytes: number }>(
      'SELECT count(*) AS count, coalesce(sum(size), 0) AS bytes FROM blocks WHERE stream = ? AND number BETWEEN ? AND ?',
    );
    const remove = db.prepare('DELETE FROM blocks WHERE stream = ? AND number BETWEEN ? AND ?');
    for (const [from, to] of ranges) {
      const { count, bytes } = measure.get(row.id, from, to) ?? { count: 0, bytes: 0 };
      if (count === 0) continue;
      this.accounts.ended(stream, row.id, [from, to], as, lost);
      remove.run(row.id, from, to);
      this.streams.tally(row.id, { sealed: 0, count: -count, bytes: -bytes });
      left -= count;
    }
    // A stream of an earlier incarnation gives out no numbers, so nothing is left of it to know.
    if (left > 0 || orphanOf(stream) === undefined) return;
    this.streams.drop(row.id);
    this.accounts.dropped(row.id);
  }

  /** Numbers of the blocks that wait, as ranges; undefined when they are more than `most`. */
  numbers(stream: string, most: number): [from: number, to: number][] | undefined {
    const row = this.streams.find(stream);
    if (row === undefined) return [];
    const rows = this.store.db
      .prepare<unknown[], number>('SELECT number FROM blocks WHERE stream = ? ORDER BY number')
      .pluck();
    const ranges: [number, number][] = [];
    for (const number of rows.iterate(row.id)) {
      const last = ranges.at(-1);
      if (last !== undefined && last[1] + 1 === number) last[1] = number;
      else if (ranges.length >= most) return undefined;
      else ranges.push([number, number]);
    }
    return ranges;
  }

  peek(stream: string, order: 'newest' | 'oldest', skip: readonly Range[], maxBytes: number): Block[] {
    const row = this.streams.find(stream);
    if (row === undefined || row.count === 0) return [];
    const next = this.nextBlock[order];
    const gaps = outside(skip, 1, row.sealed);
    if (order === 'newest') gaps.reverse();
    const blocks: Block[] = [];
    let bytes = 0;
    for (let [from, to] of gaps) {
      while (from <= to && blocks.length < MAX_BLOCKS) {
        const found = next.get(row.id, from, to);
        if (found === undefined) break;
        const { number, size } = found;
        if (blocks.length > 0 && bytes + size > maxBytes) return blocks;
        bytes += size;
        blocks.push({ stream, number, body: this.open(row.id, found) });
        if (order === 'newest') to = number - 1;
        else from = number + 1;
      }
    }
    return blocks;
  }

  /** Waiting blocks whose sealed body is chosen, by stream. */
  chosen(choose: (sealed: Buffer) => boolean): Map<string, number[]> {
    const names = new Map(this.streams.list().map(({ stream }) => [this.streams.find(stream)?.id, stream]));
    const rows = this.store.db
      .prepare<unknown[], BlockRow & { stream: number }>('SELECT * FROM blocks WHERE size > 0 ORDER BY stream, number')
      .all();
    const found = new Map<string, number[]>();
    for (const row of rows) {
      const stream = names.get(row.stream);
      if (stream === undefined || !choose(Buffer.from(this.filing.bodyOf(row)))) continue;
      found.set(stream, [...(found.get(stream) ?? []), row.number]);
    }
    return found;
  }

  /** Empties the waiting blocks whose sealed body is chosen; their numbers stay. */
  empty(chosen: (sealed: Buffer) => boolean): void {
    const rows = this.store.db
      .prepare<unknown[], BlockRow & { stream: number }>('SELECT * FROM blocks WHERE size > 0')
      .all();
    for (const row of rows)
      if (chosen(Buffer.from(this.filing.bodyOf(row)))) this.replace(row.stream, row.number, EMPTY);
  }

  /** A damaged block goes out empty: its number is never missing from the stream, and the cloud does not wait for it. */
  private open(stream: number, row: BlockRow): Uint8Array {
    const { number, size } = row;
    const plain = openOrNote(this.store, 'block', [stream, number, size], this.filing.bodyOf(row), () =>
      this.replace(stream, number, EMPTY),
    );
    return plain ?? new Uint8Array(0);
  }

  private replace(stream: number, number: number, body: Uint8Array): void {
    const size = this.store.db
      .prepare<unknown[], number>('SELECT size FROM blocks WHERE stream = ? AND number = ?')
      .pluck()
      .get(stream, number);
    if (size === undefined) return;
    this.update.run(body.length, this.seal(stream, number, body), stream, number);
    this.streams.tally(stream, { sealed: 0, count: 0, bytes: body.length - size });
  }

  /** Under the key of the month in which it is made, so that a shred takes it along. */
  private seal(stream: number, number: number, body: Uint8Array): Buffer {
    return this.store.sealer.seal('block', [stream, number, body.length], body, this.store.monthKey());
  }
}
