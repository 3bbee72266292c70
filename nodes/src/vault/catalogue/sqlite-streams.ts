import { summaryStream, windowsOf } from '../budget/block-windows.ts';
import { decodeCbor, encodeCbor } from '../cbor.ts';
import { orphanName, orphanOf } from '../orphans.ts';
import type { StreamBacklog } from '../vault.ts';
import { counter, openOrNote, type Store } from './sqlite-damage.ts';
import { metaOf, type Query, type Statement } from './sqlite-schema.ts';

export interface StreamRow {
  id: number;
  name: Buffer;
  /** Highest number given out. */
  sealed: number;
  /** Blocks that wait, and their plain bytes. */
  count: number;
  bytes: number;
  body: Buffer;
}

/** Begin of the counters of how far the windows of a stream are sealed, by its number; epoch milliseconds. */
const SEALED_UNTIL = 'sealed/';

/** Streams of blocks. Counts and sizes stand in the stream's row, so that nothing is ever added up. */
export class SqliteStreams {
  private readonly store: Store;
  private readonly byName: Query<StreamRow>;
  private readonly addTo: Statement;

  constructor(store: Store) {
    this.store = store;
    const { db } = store;
    this.byName = db.prepare<unknown[], StreamRow>('SELECT * FROM streams WHERE name = ?');
    this.addTo = db.prepare(
      'UPDATE streams SET sealed = sealed + ?, count = count + ?, bytes = bytes + ? WHERE id = ?',
    );
  }

  find(stream: string): StreamRow | undefined {
    return this.byName.get(this.store.keys.nameHash('stream', stream));
  }

  make(stream: string): StreamRow {
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

  tally(id: number, more: { sealed: number; count: number; bytes: number }): void {
    this.addTo.run(more.sealed, more.count, more.bytes, id);
  }

  drop(id: number): void {
    this.store.db.prepare('DELETE FROM blocks WHERE stream = ?').run(id);
    this.store.db.prepare('DELETE FROM streams WHERE id = ?').run(id);
    // The number of a stream that is gone may be given out again.
    this.store.db.prepare('DELETE FROM counters WHERE name = ?').run(`${SEALED_UNTIL}${id}`);
  }

  /** Those of earlier incarnations too (`orphans.ts`). */
  list(): StreamBacklog[] {
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

  /** Blocks and their bytes over all streams. */
  waiting(): { blocks: number; bytes: number } {
    const sums = this.store.db.prepare<unknown[], { blocks: number; bytes: number }>(
      'SELECT coalesce(sum(count), 0) AS blocks, coalesce(sum(bytes), 0) AS bytes FROM streams',
    );
    return sums.get() ?? { blocks: 0, bytes: 0 };
  }

  /** End of the newest window that this stream has sealed, whether its block still waits or not; 0 when none is known. */
  sealedUntil(stream: string): number {
    const row = this.find(stream);
    return row === undefined ? 0 : counter(this.store.db, `${SEALED_UNTIL}${row.id}`);
  }

  /** Takes note of the windows in a block that was just sealed. */
  raiseSealed(stream: string, id: number, body: Uint8Array): void {
    const resolution = summaryStream(stream)?.resolution;
    const windows = resolution === undefined ? undefined : windowsOf(body);
    if (resolution === undefined || windows === undefined) return;
    const put = this.store.db.prepare(
      'INSERT INTO counters (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)',
    );
    put.run(`${SEALED_UNTIL}${id}`, windows.to + resolution * 1000);
  }

  /** Sets all streams aside under names that no stream has: this store goes on as another writer. */
  orphan(): void {
    const { db, keys, sealer } = this.store;
    const rename = db.prepare('UPDATE streams SET name = ?, body = ? WHERE id = ?');
    const incarnation = metaOf(db, 'incarnation')?.toString('hex') ?? '';
    for (const { stream, count } of this.list()) {
      const row = this.find(stream);
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
  get orphanBlocks(): number {
    return this.list().reduce((sum, { stream, count }) => sum + (orphanOf(stream) === undefined ? 0 : count), 0);
  }
}
