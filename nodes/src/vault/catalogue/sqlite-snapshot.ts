import Database from 'better-sqlite3';
import { z } from 'zod';
import { decodeCbor, encodeCbor } from '../cbor.ts';
import { mayPass, type Disk, type DiskFile } from '../disk.ts';
import type { Sealer } from '../keys/sealed.ts';
import { SNAPSHOT_TABLES, type Sqlite } from './sqlite-schema.ts';

/* A file is `length u32 LE | sealed box` again and again; the first box is the head, the last one is empty. */
interface SnapshotHead {
  /** Number of the newest journal record that it includes. */
  record: number;
}

const BOX_BYTES = 64 * 1024;
const MAX_BOX = 16 * 1024 * 1024;
const nameOf = (number: number): string => `${String(number).padStart(10, '0')}.tide`;

/**
 * Writes the catalogue's rows, which are sealed already, into a sealed file: from it and the journal after `record` the
 * catalogue is made again. Rows are read through a connection of its own, which sees what was committed when it began,
 * however long the writing takes.
 */
export class SnapshotWriter {
  readonly number: number;
  readonly record: number;
  bytes = 0;
  private readonly disk: Disk;
  private readonly sealer: Sealer;
  private readonly db: Sqlite;
  private readonly file: DiskFile;
  private readonly rows: Iterator<Row>;
  private boxes = 0;

  constructor(databaseFile: string, disk: Disk, sealer: Sealer, number: number, record: number) {
    this.disk = disk;
    this.sealer = sealer;
    this.number = number;
    this.record = record;
    this.db = new Database(databaseFile, { readonly: true, fileMustExist: true });
    try {
      this.db.exec('BEGIN');
      // The transaction stands from its first read on, not from its begin.
      this.db.prepare('SELECT count(*) FROM meta').get();
      this.rows = rowsOf(this.db);
      this.file = disk.create(`${nameOf(number)}.new`);
    } catch (error) {
      this.db.close();
      throw error;
    }
    try {
      this.box(encodeCbor({ record } satisfies SnapshotHead));
    } catch (error) {
      this.abandon();
      throw error;
    }
  }

  /** Writes a box of rows; true when there are no more. */
  step(): boolean {
    const rows: Row[] = [];
    for (let bytes = 0; bytes < BOX_BYTES;) {
      const next = this.rows.next();
      if (next.done === true) {
        if (rows.length > 0) this.box(encodeCbor(rows));
        this.box(new Uint8Array(0));
        return true;
      }
      rows.push(next.value);
      for (const part of next.value) bytes += part instanceof Uint8Array ? part.length : 9;
    }
    this.box(encodeCbor(rows));
    return false;
  }

  /** Syncs without keeping the thread; `publish` when it is done. */
  finish(): Promise<void> {
    this.db.close();
    return this.file.syncLater();
  }

  /** Takes the place of all earlier ones. */
  publish(): void {
    this.file.close();
    this.disk.rename(`${nameOf(this.number)}.new`, nameOf(this.number));
    this.disk.sync();
    for (const name of this.disk.names()) if (name !== nameOf(this.number)) this.disk.remove(name);
  }

  abandon(): void {
    if (this.db.open) this.db.close();
    this.file.close();
    this.disk.remove(`${nameOf(this.number)}.new`);
  }

  private box(plain: Uint8Array): void {
    const sealed = this.sealer.seal('snapshot', [this.number, this.boxes], plain);
    const framed = Buffer.allocUnsafe(4 + sealed.length);
    framed.writeUInt32LE(sealed.length, 0);
    framed.set(sealed, 4);
    this.file.write(this.bytes, framed);
    this.bytes += framed.length;
    this.boxes++;
  }
}

type Row = [table: number, ...columns: unknown[]];

const headSchema = z.object({ record: z.number() }) satisfies z.ZodType<SnapshotHead>;
const rowsSchema = z.array(z.tuple([z.number()], z.unknown()));

function* rowsOf(db: Sqlite): Generator<Row> {
  for (const [table, name] of SNAPSHOT_TABLES.entries())
    // The header's copy stays out: a shred could not reach it there.
    for (const row of db
      .prepare<unknown[], unknown[]>(`SELECT * FROM ${name}${name === 'meta' ? " WHERE name <> 'keys'" : ''}`)
      .raw()
      .iterate())
      yield [table, ...row];
}

/** Numbers of the snapshots that are there, newest first. */
export function snapshots(disk: Disk): number[] {
  return disk
    .names()
    .flatMap((name) => {
      const match = /^(\d{10})\.tide$/.exec(name);
      return match === null ? [] : [Number(match[1])];
    })
    .toSorted((a, b) => b - a);
}

/** Newest journal record that the newest readable snapshot includes; 0 without one. */
export function snapshotRecord(disk: Disk, sealer: Sealer): number {
  for (const number of snapshots(disk)) {
    const head = boxesOf(disk, sealer, number).next().value;
    if (head instanceof Uint8Array) return headSchema.parse(decodeCbor(head)).record;
  }
  return 0;
}

export interface Restored {
  record: number;
  rows: number;
  /** Boxes of rows that do not open: their rows are lost. */
  damaged: number;
  /** The last box is there. */
  whole: boolean;
}

/** Puts the rows of a snapshot into an empty catalogue. Undefined when not even its head can be read. */
export function restoreSnapshot(disk: Disk, sealer: Sealer, number: number, db: Sqlite): Restored | undefined {
  const boxes = boxesOf(disk, sealer, number);
  const first = boxes.next();
  if (first.done === true || first.value === undefined) return undefined;
  const { record } = headSchema.parse(decodeCbor(first.value));
  const restored: Restored = { record, rows: 0, damaged: 0, whole: false };
  const inserts = SNAPSHOT_TABLES.map((name) => {
    const columns = z.array(z.unknown()).parse(db.pragma(`table_info(${name})`));
    return db.prepare(`INSERT OR REPLACE INTO ${name} VALUES (${columns.map(() => '?').join(', ')})`);
  });
  db.transaction(() => {
    for (const box of boxes) {
      if (box === undefined) restored.damaged++;
      else if (box.length === 0) restored.whole = true;
      else
        for (const [table, ...columns] of rowsSchema.parse(decodeCbor(box))) {
          inserts[table].run(...columns.map((one) => (one instanceof Uint8Array ? Buffer.from(one) : one)));
          restored.rows++;
        }
    }
  })();
  return restored;
}

/** The plain boxes in order; undefined for one that does not open. */
export function* boxesOf(disk: Disk, sealer: Sealer, number: number): Generator<Uint8Array | undefined> {
  const file = disk.open(nameOf(number));
  try {
    let index = 0;
    for (let at = 0; at + 4 <= file.size; index++) {
      const head = unlessBroken(() => file.read(at, 4));
      const length = head === undefined ? Infinity : Buffer.from(head).readUInt32LE(0);
      if (length > MAX_BOX || at + 4 + length > file.size) {
        yield undefined;
        return;
      }
      const from = at + 4;
      const place = [number, index];
      // What is lost with one that does not open is the caller's to count.
      yield unlessBroken(() => sealer.open('snapshot', place, file.read(from, length)));
      at = from + length;
    }
  } finally {
    file.close();
  }
}

/** Undefined for what is broken; throws what the disk may give later. */
function unlessBroken(read: () => Uint8Array): Uint8Array | undefined {
  try {
    return read();
  } catch (error) {
    if (mayPass(error)) throw error;
    return undefined;
  }
}
