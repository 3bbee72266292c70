import { outside } from '../ranges.ts';
import { decodeCbor, encodeCbor } from '../cbor.ts';
import { openOrNote, type Store } from './sqlite-damage.ts';
import type { Query, Statement } from './sqlite-schema.ts';
import type { Block, Range, StreamBacklog } from '../vault.ts';

interface StreamRow {
  id: number;
  name: Buffer;
  sealed: number;
  count: number;
  bytes: number;
  body: Buffer;
}

/** Blocks that one call hands out at most. */
const MAX_BLOCKS = 1_024;

/** Blocks wait by stream and number. Counts and sizes stand in the stream's row, so that nothing is ever added up. */
export class SqliteOutbox {
  private readonly store: Store;
  private readonly find: Query<StreamRow>;
  private readonly tally: Statement;
  private readonly insert: Statement;
  private readonly update: Statement;

  constructor(store: Store) {
    this.store = store;
    const { db } = store;
    this.find = db.prepare<unknown[], StreamRow>('SELECT * FROM streams WHERE name = ?');
    this.tally = db.prepare(
      'UPDATE streams SET sealed = sealed + ?, count = count + ?, bytes = bytes + ? WHERE id = ?',
    );
    this.insert = db.prepare('INSERT INTO blocks (stream, number, size, body) VALUES (?, ?, ?, ?)');
    this.update = db.prepare('UPDATE blocks SET size = ?, body = ? WHERE stream = ? AND number = ?');
  }

  /** Seals a block under the next number of its stream. */
  add(stream: string, body: Uint8Array): number {
    const { id, sealed } = this.streamRow(stream) ?? this.addStream(stream);
    const number = sealed + 1;
    this.insert.run(id, number, body.length, this.store.sealer.seal('block', [id, number, body.length], body));
    this.tally.run(1, 1, body.length, id);
    return number;
  }

  rewrite(stream: string, number: number, body: Uint8Array): void {
    const row = this.streamRow(stream);
    if (row !== undefined) this.replace(row.id, number, body);
  }

  acknowledge(stream: string, ranges: readonly Range[]): void {
    const row = this.streamRow(stream);
    if (row === undefined) return;
    const { db } = this.store;
    const measure = db.prepare<unknown[], { count: number; bytes: number }>(
      'SELECT count(*) AS count, coalesce(sum(size), 0) AS bytes FROM blocks WHERE stream = ? AND number BETWEEN ? AND ?',
    );
    const remove = db.prepare('DELETE FROM blocks WHERE stream = ? AND number BETWEEN ? AND ?');
    for (const [from, to] of ranges) {
      const { count, bytes } = measure.get(row.id, from, to) ?? { count: 0, bytes: 0 };
      if (count === 0) continue;
      remove.run(row.id, from, to);
      this.tally.run(0, -count, -bytes, row.id);
    }
  }

  streams(): StreamBacklog[] {
    const { db } = this.store;
    const lowest = db.prepare<unknown[], number | null>('SELECT min(number) FROM blocks WHERE stream = ?').pluck();
    const highest = db.prepare<unknown[], number | null>('SELECT max(number) FROM blocks WHERE stream = ?').pluck();
    const rows = db.prepare<unknown[], StreamRow>('SELECT * FROM streams ORDER BY id').all();
    return rows.flatMap((row) => {
      const name = openOrNote(this.store, 'stream', [row.id, row.name], row.body, () => this.drop(row.id));
      if (name === undefined) return [];
      return {
        stream: String(decodeCbor(name)),
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
    const next = this.store.db.prepare<unknown[], { number: number; size: number; body: Buffer }>(
      `SELECT number, size, body FROM blocks WHERE stream = ? AND number BETWEEN ? AND ?
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
        blocks.push({ stream, number, body: this.open(row.id, number, size, found.body) });
        if (order === 'newest') to = number - 1;
        else from = number + 1;
      }
    }
    return blocks;
  }

  /** Blocks and their bytes over all streams. */
  waiting(): { blocks: number; bytes: number } {
    const sums = this.store.db.prepare<unknown[], { blocks: number; bytes: number }>(
      'SELECT coalesce(sum(count), 0) AS blocks, coalesce(sum(bytes), 0) AS bytes FROM streams',
    );
    return sums.get() ?? { blocks: 0, bytes: 0 };
  }

  /** A damaged block goes out empty: its number is never missing from the stream, and the cloud does not wait for it. */
  private open(stream: number, number: number, size: number, body: Buffer): Uint8Array {
    const plain = openOrNote(this.store, 'block', [stream, number, size], body, () =>
      this.replace(stream, number, new Uint8Array(0)),
    );
    return plain ?? new Uint8Array(0);
  }

  private replace(stream: number, number: number, body: Uint8Array): void {
    const size = this.store.db
      .prepare<unknown[], number>('SELECT size FROM blocks WHERE stream = ? AND number = ?')
      .pluck()
      .get(stream, number);
    if (size === undefined) return;
    const sealed = this.store.sealer.seal('block', [stream, number, body.length], body);
    this.update.run(body.length, sealed, stream, number);
    this.tally.run(0, 0, body.length - size, stream);
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
  }
}
