import { mayPass } from '../disk.ts';
import type { BlockFiles, BlockPlace, FiledBlock } from '../engine/block-files.ts';
import type { Store } from './sqlite-damage.ts';

export interface BlockRow {
  number: number;
  /** Plain bytes. */
  size: number;
  /** 0 while the body lies in the row. */
  file: number;
  place: number;
  length: number;
  body: Buffer | null;
}

/**
 * Where the bodies of waiting blocks lie: in their rows until a fold moves them into a sealed file, so that the catalogue
 * stays small however long the link is away.
 */
export class SqliteBlockFiling {
  private readonly store: Store;
  private readonly files: BlockFiles;

  constructor(store: Store, files: BlockFiles) {
    this.store = store;
    this.files = files;
  }

  /** As it was sealed, wherever it lies. */
  bodyOf({ body, file, place, length }: BlockRow): Uint8Array {
    return body ?? this.files.read(file, place, length);
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

  /** Numbers of the waiting blocks of a file (0: of the rows) whose seal is broken. */
  broken(file: number): number[] {
    const rows = this.store.db
      .prepare<unknown[], BlockRow & { stream: number }>('SELECT * FROM blocks WHERE file = ?')
      .all(file);
    return rows.flatMap((row) => {
      try {
        this.store.sealer.open('block', [row.stream, row.number, row.size], this.bodyOf(row));
        return [];
      } catch (error) {
        // What the disk does not give now is no damage.
        if (mayPass(error)) throw error;
        return [row.number];
      }
    });
  }
}
