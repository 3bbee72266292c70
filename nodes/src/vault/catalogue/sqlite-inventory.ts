import Database from 'better-sqlite3';
import { z } from 'zod';
import { decodeCbor } from '../cbor.ts';
import type { InventoryItems, InventoryKind, InventoryPage } from '../inventory.ts';
import type { Kind, Place } from '../keys/sealed.ts';
import { consumerIn } from './sqlite-checkpoints.ts';
import { Damage, openOrNote, type Store } from './sqlite-damage.ts';
import type { BlockFiles } from '../engine/block-files.ts';
import { causeIn } from './sqlite-door.ts';
import type { Sqlite } from './sqlite-schema.ts';
import { SqliteStreams } from './sqlite-streams.ts';

/** A row of any of the tables; `at` is its place in its table's order. */
interface Row {
  at: number;
  body: Buffer;
  name: Buffer;
  key: Buffer;
  stream: number;
  number: number;
  size: number;
  file: number;
  place: number;
  length: number;
  consumer: number;
  series: number;
}

const documentSchema = z.object({ namespace: z.string(), key: z.string(), value: z.instanceof(Uint8Array) });
const alertSchema = z.object({ id: z.string(), revision: z.number(), body: z.instanceof(Uint8Array) });

const SELECT: Record<Exclude<InventoryKind, 'streams' | 'receipts'>, string> = {
  documents: 'SELECT rowid AS at, namespace AS name, key, body FROM documents WHERE rowid > ? ORDER BY rowid',
  consumers: 'SELECT id AS at, name, body FROM consumers WHERE id > ? ORDER BY id',
  checkpoints: 'SELECT rowid AS at, consumer, series, body FROM checkpoints WHERE rowid > ? ORDER BY rowid',
  // Sources are few, and their table has no numbers: the place is the one in the list.
  causes: 'SELECT row_number() OVER (ORDER BY source) AS at, source AS name, body FROM causes LIMIT -1 OFFSET ?',
  blocks: 'SELECT id AS at, stream, number, size, file, place, length, body FROM blocks WHERE id > ? ORDER BY id',
  alerts: 'SELECT id AS at, name, body FROM alerts WHERE id > ? ORDER BY id',
  rejections: 'SELECT id AS at, body FROM quarantine WHERE id > ? ORDER BY id',
};

/**
 * The catalogue as one commit left it, read page by page while others go on writing: a read transaction of a second
 * connection (SQLite's snapshot isolation in WAL mode). The log cannot be emptied while it stands, so it is not to
 * stand longer than reading it takes. The catalogue has to be committed when this is made.
 */
export class SqliteInventory {
  private readonly store: Store;
  private readonly files: BlockFiles;
  private readonly receipts: Uint8Array;
  private consumers: Map<number, string | undefined> | undefined;
  private streams: Map<number, string> | undefined;

  /** `receipts`: digests of the publishes at the cut. */
  constructor(store: Store, files: BlockFiles, receipts: Uint8Array, file: string) {
    this.files = files;
    this.receipts = receipts;
    const db = new Database(file, { readonly: true, fileMustExist: true });
    // What is found damaged is only counted here; the writer finds it, too, and sets it aside.
    this.store = { ...store, db, damage: new Damage(db) };
    try {
      db.exec('BEGIN');
      // The transaction stands from the first read on, not from its BEGIN.
      db.prepare('SELECT count(*) FROM meta').get();
    } catch (error) {
      db.close();
      throw error;
    }
  }

  page<Of extends InventoryKind>(kind: Of, after: number, maxBytes: number): InventoryPage<Of> {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `read` gives the items of the kind asked for
    return this.read(kind, after, maxBytes) as InventoryPage<Of>;
  }

  close(): void {
    this.store.db.close();
  }

  private read(kind: InventoryKind, after: number, maxBytes: number): InventoryPage<InventoryKind> {
    if (kind === 'streams') return { items: new SqliteStreams(this.store).list(), next: undefined, lost: 0 };
    if (kind === 'receipts') return { items: [this.receipts], next: undefined, lost: 0 };
    const items: InventoryItems[InventoryKind][] = [];
    let lost = 0;
    let bytes = 0;
    for (const row of this.rows(SELECT[kind]).iterate(after)) {
      if (bytes >= maxBytes) return { items, next: after, lost };
      after = row.at;
      bytes += row.body?.length ?? row.length;
      const item = this.item(kind, row);
      if (item === undefined) lost++;
      else items.push(item);
    }
    return { items, next: undefined, lost };
  }

  private item(
    kind: Exclude<InventoryKind, 'streams' | 'receipts'>,
    row: Row,
  ): InventoryItems[InventoryKind] | undefined {
    switch (kind) {
      case 'documents':
        return this.as(documentSchema, this.open('document', [row.name, row.key], row.body));
      case 'alerts':
        return this.as(alertSchema, this.open('alert', [row.at, row.name], row.body));
      case 'consumers': {
        const plain = this.open('consumer', [row.at, row.name], row.body);
        return plain === undefined ? undefined : consumerIn(plain);
      }
      case 'causes': {
        const plain = this.open('cause', [row.name], row.body);
        const { source, cause } = plain === undefined ? { source: undefined, cause: 0 } : causeIn(plain);
        return source === undefined ? undefined : { source, cause };
      }
      case 'rejections':
        return this.open('rejection', [row.at], row.body);
      case 'checkpoints':
        return this.checkpoint(row);
      default: {
        const stream = this.streamName(row.stream);
        if (stream === undefined) return undefined;
        // As in the outbox: a damaged block is an empty one under its number.
        const sealed = row.body ?? Buffer.from(this.files.read(row.file, row.place, row.length));
        const body = this.open('block', [row.stream, row.number, row.size], sealed) ?? new Uint8Array(0);
        return { stream, number: row.number, body };
      }
    }
  }

  private checkpoint({ consumer: id, series, body }: Row): InventoryItems['checkpoints'] | undefined {
    const consumer = this.consumerName(id);
    const plain = this.open('checkpoint', [id, series], body);
    if (consumer === undefined || plain === undefined) return undefined;
    const position = Buffer.from(plain.buffer, plain.byteOffset, 8).readDoubleLE(0);
    return { consumer, series, position, state: Uint8Array.from(plain.subarray(8)) };
  }

  private consumerName(id: number): string | undefined {
    this.consumers ??= new Map(
      this.rows(SELECT.consumers)
        .all(0)
        .map(({ at, name, body }) => {
          const plain = this.open('consumer', [at, name], body);
          return [at, plain === undefined ? undefined : consumerIn(plain).consumer];
        }),
    );
    return this.consumers.get(id);
  }

  private streamName(id: number): string | undefined {
    this.streams ??= new Map(
      this.rows('SELECT id AS at, name, body FROM streams WHERE id > ?')
        .all(0)
        .flatMap(({ at, name, body }) => {
          const plain = this.open('stream', [at, name], body);
          return plain === undefined ? [] : [[at, String(decodeCbor(plain))] as const];
        }),
    );
    return this.streams.get(id);
  }

  private open(kind: Kind, place: Place, body: Buffer): Uint8Array | undefined {
    return openOrNote(this.store, kind, place, body, () => undefined);
  }

  private as<Item>(schema: z.ZodType<Item>, plain: Uint8Array | undefined): Item | undefined {
    return plain === undefined ? undefined : schema.parse(decodeCbor(plain));
  }

  private rows(sql: string): ReturnType<typeof Database.prototype.prepare<unknown[], Row>> {
    const { db }: { db: Sqlite } = this.store;
    return db.prepare<unknown[], Row>(sql);
  }
}
