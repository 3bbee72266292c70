import type { BlockFiles, BlockPlace, FiledBlock } from '../engine/block-files.ts';
import { summaryStream, windowsOf } from '../budget/block-windows.ts';
import { outside } from '../ranges.ts';
import { decodeCbor, encodeCbor } from '../cbor.ts';
import { orphanName, orphanOf } from '../orphans.ts';
import { counter, openOrNote, type Store } from './sqlite-damage.ts';
import { metaOf, type Query, type Statement } from './sqlite-schema.ts';
import type { Block, Range, StreamBacklog } from '../vault.ts';

interface StreamRow {
  id: number;
  name: Buffer;
  sealed: number;
  count: number;
  bytes: number;
  body: Buffer;
}

interface BlockRow {
  number: number;
  size: number;
  file: number;
  place: number;
  length: number;
  body: Buffer | null;
}

/** Blocks that one call hands out at most. */
const MAX_BLOCKS = 1_024;
const EMPTY = new Uint8Array(0);
/** Begin of the counters of how far the windows of a stream are sealed, by its number; epoch milliseconds. */
const SEALED_UNTIL = 'sealed/';

/**
 * Blocks wait by stream and number. Counts and sizes stand in the stream's row, so that nothing is ever added up. A body
 * lies in its row until a fold moves it into a sealed file, so that the catalogue stays small however long the link is
 * away.
 */
export class SqliteOutbox {
  private readonly store: Store;
  private readonly files: BlockFiles;
  private readonly find: Query<StreamRow>;
  private readonly tally: Statement;
  private readonly insert: Statement;
  private readonly update: Statement;

  constructor(store: Store, files: BlockFiles) {
    this.store = store;
    this.files = files;
    const { db } = store;
    this.find = db.prepare<unknown[], StreamRow>('SELECT * FROM streams WHERE name = ?');
    this.tally = db.prepare(
      'UPDATE streams SET sealed = sealed + ?, count = count + ?, bytes = bytes + ? WHERE id = ?',
    );
    this.insert = db.prepare(
      'INSERT INTO blocks (stream, number, size, file, place, length, body) VALUES (?, ?, ?, 0, 0, 0, ?)',
    );
    this.update = db.prepare(
      'UPDATE blocks SET size = ?, file = 0, place = 0, length = 0, body = ? WHERE stream = ? AND number = ?',
    );
  }

  /** The number that the next block of a stream gets. */
  next(stream: string): number {
    return (this.streamRow(stream)?.sealed ?? 0) + 1;
  }

  /** Seals a block under its number, which is above all that the stream has had. */
  add(stream: string, number: number, body: Uint8Array): void {
    const { id, sealed } = this.streamRow(stream) ?? this.addStream(stream);
    if (number <= sealed) return;
    // Numbers in between were given out by a commit that is lost: they go out empty, and nobody waits for them.
    for (let lost = sealed + 1; lost < number; lost++) this.insert.run(id, lost, 0, this.seal(id, lost, EMPTY));
    this.insert.run(id, number, body.length, this.seal(id, number, body));
    this.tally.run(number - sealed, number - sealed, body.length, id);
    this.raiseSealed(stream, id, body);
  }

  /** End of the newest window that this stream has sealed, whether its block still waits or not; 0 when none is known. */
  sealedUntil(stream: string): number {
    const row = this.streamRow(stream);
    return row === undefined ? 0 : counter(this.store.db, `${SEALED_UNTIL}${row.id}`);
  }

  rewrite(stream: string, number: number, body: Uint8Array): void {
    const row = this.streamRow(stream);
    if (row !== undefined) this.replace(row.id, number, body);
  }

  acknowledge(stream: string, ranges: readonly Range[]): void {
    const row = this.streamRow(stream);
    if (row === undefined) return;
    const { db } = this.store;
    let left = row.count;
    const measure = db.prepare<unknown[], { count: number; bytes: number }>(
      'SELECT count(*) AS count, coalesce(sum(size), 0) AS bytes FROM blocks WHERE stream = ? AND number BETWEEN ? AND ?',
    );
    const remove = db.prepare('DELETE FROM blocks WHERE stream = ? AND number BETWEEN ? AND ?');
    for (const [from, to] of ranges) {
      const { count, bytes } = measure.get(row.id, from, to) ?? { count: 0, bytes: 0 };
      if (count === 0) continue;
      remove.run(row.id, from, to);
      this.tally.run(0, -count, -bytes, row.id);
      left -= count;
    }
    // A stream of an earlier incarnation gives out no numbers, so nothing is left of it to know.
    if (left === 0 && orphanOf(stream) !== undefined) this.drop(row.id);
  }

  /** Takes in a block of an earlier incarnation under the number that it has there; one that is known stays as it is. */
  adopt(stream: string, number: number, body: Uint8Array): void {
    const { id, sealed } = this.streamRow(stream) ?? this.addStream(stream);
    const find = this.store.db.prepare('SELECT 1 FROM blocks WHERE stream = ? AND number = ?');
    if (find.get(id, number) !== undefined) return;
    this.insert.run(id, number, body.length, this.seal(id, number, body));
    this.tally.run(Math.max(0, number - sealed), 1, body.length, id);
  }

  /** Those of earlier incarnations too (`orphans.ts`). */
  streams(): StreamBacklog[] {
    const { db } = this.store;
    const lowest = db.prepare<unknown[], number | null>('SELECT min(number) FROM blocks WHERE stream = ?').pluck();
    const highest = db.prepare<unknown[], number | null>('SELECT max(number) FROM blocks WHERE stream = ?').pluck();
    const rows = db.prepare<unknown[], StreamRow>('SELECT * FROM streams ORDER BY id').all();
    return rows.flatMap((row) => {
      const name = openOrNote(this.store, 'stream', [row.id, row.name], row.body, () => this.drop(row.id));
      if (name === undefined) return [];
      const stream = String(decodeCbor(name));
      return {
        stream,
        lowest: lowest.get(row.id) ?? 0,
        highest: highest.get(row.id) ?? 0,
        sealed: row.sealed,
        count: row.count,
        bytes: row.bytes,
      };
    });
  }

  peek(stream: string, order: 'newest' | 'oldest', skip: readonly Range[], maxBytes: number): Block[] {
    const row = this.streamRow(stream);
    if (row === undefined || row.count === 0) return [];
    const next = this.store.db.prepare<unknown[], BlockRow>(
      `SELECT number, size, file, place, length, body FROM blocks WHERE stream = ? AND number BETWEEN ? AND ?
       ORDER BY number ${order === 'newest' ? 'DESC' : 'ASC'} LIMIT 1`,
    );
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

  /** Waiting blocks whose body lies in its row, after a row: what the next fold moves into a file. */
  unfiled(after: number): (FiledBlock & { id: number })[] {
    const rows = this.store.db.prepare<unknown[], FiledBlock & { id: number; sealed: Buffer }>(
      'SELECT id, stream, number, size, body AS sealed FROM blocks WHERE file = 0 AND id > ? ORDER BY id LIMIT 64',
    );
    return rows.all(after);
  }

  /** The row of the newest block, 0 without one. */
  lastRow(): number {
    return this.store.db.prepare<unknown[], number | null>('SELECT max(id) FROM blocks').pluck().get() ?? 0;
  }

  /** Bytes of the bodies that lie in rows. */
  unfiledBytes(): number {
    const sum = this.store.db.prepare<unknown[], number>('SELECT coalesce(sum(size), 0) FROM blocks WHERE file = 0');
    return sum.pluck().get() ?? 0;
  }

  /** Lets go of bodies that lie in a file now. A block that was acknowledged or rewritten meanwhile stays as it is. */
  filed(file: number, places: readonly (BlockPlace & { tag: Buffer })[]): void {
    const find = this.store.db
      .prepare<unknown[], Buffer | null>('SELECT body FROM blocks WHERE stream = ? AND number = ?')
      .pluck();
    const move = this.store.db.prepare(
      'UPDATE blocks SET file = ?, place = ?, length = ?, body = NULL WHERE stream = ? AND number = ?',
    );
    for (const { stream, number, place, length, tag } of places) {
      const body = find.get(stream, number) ?? undefined;
      if (body === undefined || !body.subarray(-tag.length).equals(tag)) continue;
      move.run(file, place, length, stream, number);
    }
  }

  /** Numbers of the waiting blocks of a file (0: of the rows) whose seal is broken. */
  broken(file: number): number[] {
    const rows = this.store.db
      .prepare<unknown[], BlockRow & { stream: number }>('SELECT * FROM blocks WHERE file = ?')
      .all(file);
    return rows.flatMap((row) => {
      try {
        this.store.sealer.open('block', [row.stream, row.number, row.size], this.bodyOf(row));
        return [];
      } catch {
        // That it does not open is what was asked.
        return [row.number];
      }
    });
  }

  /** Takes the waiting bodies of a file back into their rows, to be filed anew. */
  unfile(file: number): void {
    const { db } = this.store;
    const rows = db
      .prepare<unknown[], { id: number; place: number; length: number }>(
        'SELECT id, place, length FROM blocks WHERE file = ?',
      )
      .all(file);
    const back = db.prepare('UPDATE blocks SET file = 0, place = 0, length = 0, body = ? WHERE id = ?');
    for (const { id, place, length } of rows) back.run(Buffer.from(this.files.read(file, place, length)), id);
  }

  /** Waiting bytes in each file that has any. */
  fileLoads(): Map<number, number> {
    const rows = this.store.db.prepare<unknown[], { file: number; bytes: number }>(
      'SELECT file, sum(length) AS bytes FROM blocks WHERE file > 0 GROUP BY file',
    );
    return new Map(rows.all().map(({ file, bytes }) => [file, bytes]));
  }

  /** Waiting blocks whose sealed body is chosen, by stream. */
  chosen(choose: (sealed: Buffer) => boolean): Map<string, number[]> {
    const names = new Map(this.streams().map(({ stream }) => [this.streamRow(stream)?.id, stream]));
    const rows = this.store.db
      .prepare<unknown[], BlockRow & { stream: number }>('SELECT * FROM blocks WHERE size > 0 ORDER BY stream, number')
      .all();
    const found = new Map<string, number[]>();
    for (const row of rows) {
      const stream = names.get(row.stream);
      if (stream === undefined || !choose(Buffer.from(this.bodyOf(row)))) continue;
      found.set(stream, [...(found.get(stream) ?? []), row.number]);
    }
    return found;
  }

  /** Empties the waiting blocks whose sealed body is chosen; their numbers stay. */
  empty(chosen: (sealed: Buffer) => boolean): void {
    const rows = this.store.db
      .prepare<unknown[], BlockRow & { stream: number }>('SELECT * FROM blocks WHERE size > 0')
      .all();
    for (const row of rows) if (chosen(Buffer.from(this.bodyOf(row)))) this.replace(row.stream, row.number, EMPTY);
  }

  /** Sets all streams aside under names that no stream has: this store goes on as another writer. */
  orphan(): void {
    const { db, keys, sealer } = this.store;
    const rename = db.prepare('UPDATE streams SET name = ?, body = ? WHERE id = ?');
    const incarnation = metaOf(db, 'incarnation')?.toString('hex') ?? '';
    for (const { stream, count } of this.streams()) {
      const row = this.streamRow(stream);
      if (row === undefined || orphanOf(stream) !== undefined) continue;
      if (count === 0) {
        this.drop(row.id);
        continue;
      }
      const orphan = orphanName({ incarnation, name: stream });
      const name = keys.nameHash('stream', orphan);
      rename.run(name, sealer.seal('stream', [row.id, name], encodeCbor(orphan)), row.id);
    }
  }

  /** Blocks that wait under earlier incarnations. */
  get orphans(): number {
    return this.streams().reduce((sum, { stream, count }) => sum + (orphanOf(stream) === undefined ? 0 : count), 0);
  }

  /** Blocks and their bytes over all streams. */
  waiting(): { blocks: number; bytes: number } {
    const sums = this.store.db.prepare<unknown[], { blocks: number; bytes: number }>(
      'SELECT coalesce(sum(count), 0) AS blocks, coalesce(sum(bytes), 0) AS bytes FROM streams',
    );
    return sums.get() ?? { blocks: 0, bytes: 0 };
  }

  /** A damaged block goes out empty: its number is never missing from the stream, and the cloud does not wait for it. */
  private open(stream: number, row: BlockRow): Uint8Array {
    const { number, size } = row;
    const plain = openOrNote(this.store, 'block', [stream, number, size], this.bodyOf(row), () =>
      this.replace(stream, number, EMPTY),
    );
    return plain ?? new Uint8Array(0);
  }

  private bodyOf({ body, file, place, length }: BlockRow): Uint8Array {
    return body ?? this.files.read(file, place, length);
  }

  private replace(stream: number, number: number, body: Uint8Array): void {
    const size = this.store.db
      .prepare<unknown[], number>('SELECT size FROM blocks WHERE stream = ? AND number = ?')
      .pluck()
      .get(stream, number);
    if (size === undefined) return;
    this.update.run(body.length, this.seal(stream, number, body), stream, number);
    this.tally.run(0, 0, body.length - size, stream);
  }

  private raiseSealed(stream: string, id: number, body: Uint8Array): void {
    const resolution = summaryStream(stream)?.resolution;
    const windows = resolution === undefined ? undefined : windowsOf(body);
    if (resolution === undefined || windows === undefined) return;
    const put = this.store.db.prepare(
      'INSERT INTO counters (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)',
    );
    put.run(`${SEALED_UNTIL}${id}`, windows.to + resolution * 1000);
  }

  /** Under the key of the month in which it is made, so that a shred takes it along. */
  private seal(stream: number, number: number, body: Uint8Array): Buffer {
    return this.store.sealer.seal('block', [stream, number, body.length], body, this.store.monthKey());
  }

  private addStream(stream: string): StreamRow {
    const { db, keys, sealer } = this.store;
    const name = keys.nameHash('stream', stream);
    const id = db.prepare<unknown[], number>('SELECT coalesce(max(id), 0) + 1 FROM streams').pluck().get() ?? 1;
    const body = sealer.seal('stream', [id, name], encodeCbor(stream));
    db.prepare('INSERT INTO streams (id, name, sealed, count, bytes, body) VALUES (?, ?, 0, 0, 0, ?)').run(
      id,
      name,
      body,
    );
    return { id, name, sealed: 0, count: 0, bytes: 0, body };
  }

  private streamRow(stream: string): StreamRow | undefined {
    return this.find.get(this.store.keys.nameHash('stream', stream));
  }

  private drop(id: number): void {
    this.store.db.prepare('DELETE FROM blocks WHERE stream = ?').run(id);
    this.store.db.prepare('DELETE FROM streams WHERE id = ?').run(id);
    // The number of a stream that is gone may be given out again.
    this.store.db.prepare('DELETE FROM counters WHERE name = ?').run(`${SEALED_UNTIL}${id}`);
  }
}
