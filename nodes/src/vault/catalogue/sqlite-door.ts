import { z } from 'zod';
import { decodeCbor, encodeCbor } from '../cbor.ts';
import { openOrNote, type Store } from './sqlite-damage.ts';
import type { Statement } from './sqlite-schema.ts';
import { QUARANTINE_LIMIT } from '../vault.ts';

interface ReceiptRow {
  id: number;
  count: number;
  body: Buffer;
}

/** What doors keep beside the readings: the window of receipts, causes of derived readings, messages nobody could read. */
export class SqliteDoor {
  private readonly store: Store;
  private readonly putReceipts: Statement;
  private readonly putCause: Statement;
  private readonly putRejection: Statement;
  private readonly trimRejections: Statement;

  constructor(store: Store) {
    this.store = store;
    const { db } = store;
    this.putReceipts = db.prepare('INSERT INTO receipts (id, count, body) VALUES (?, ?, ?)');
    this.putCause = db.prepare('INSERT OR REPLACE INTO causes (source, body) VALUES (?, ?)');
    this.putRejection = db.prepare('INSERT INTO quarantine (id, body) VALUES (?, ?)');
    this.trimRejections = db.prepare('DELETE FROM quarantine WHERE id <= ?');
  }

  /** The publishes that a table of receipts holds: those before `record`. */
  loadReceipts(): Uint8Array[] {
    const { db } = this.store;
    const rows = db.prepare<unknown[], ReceiptRow>('SELECT id, count, body FROM receipts ORDER BY id').all();
    return rows.flatMap(({ id, count, body }) => {
      const plain = openOrNote(this.store, 'receipts', [id, count], body, () =>
        db.prepare('DELETE FROM receipts WHERE id = ?').run(id),
      );
      return plain === undefined ? [] : [plain];
    });
  }

  /** Writes the window anew; each part is encoded receipts. */
  saveReceipts(parts: readonly Uint8Array[]): void {
    this.store.db.prepare('DELETE FROM receipts').run();
    for (const [i, part] of parts.entries()) {
      const place = [i + 1, part.length];
      this.putReceipts.run(...place, this.store.sealer.seal('receipts', place, part, this.store.monthKey()));
    }
  }

  raiseCause(source: string, cause: number): void {
    if (cause <= this.cause(source)) return;
    const name = this.store.keys.nameHash('cause', source);
    this.putCause.run(name, this.store.sealer.seal('cause', [name], encodeCbor([cause, source])));
  }

  cause(source: string): number {
    const { db, keys } = this.store;
    const name = keys.nameHash('cause', source);
    const body = db.prepare<unknown[], Buffer>('SELECT body FROM causes WHERE source = ?').pluck().get(name);
    if (body === undefined) return 0;
    const plain = openOrNote(this.store, 'cause', [name], body, () =>
      db.prepare('DELETE FROM causes WHERE source = ?').run(name),
    );
    return plain === undefined ? 0 : causeIn(plain).cause;
  }

  addRejections(rejections: readonly Uint8Array[]): void {
    let id = this.newest('quarantine');
    for (const rejection of rejections.slice(-QUARANTINE_LIMIT)) {
      id++;
      this.putRejection.run(id, this.store.sealer.seal('rejection', [id], rejection, this.store.monthKey()));
    }
    this.trimRejections.run(id - QUARANTINE_LIMIT);
  }

  rejections(limit: number): Uint8Array[] {
    const { db } = this.store;
    const rows = db
      .prepare<unknown[], { id: number; body: Buffer }>('SELECT id, body FROM quarantine ORDER BY id DESC LIMIT ?')
      .all(Math.max(0, Math.min(limit, QUARANTINE_LIMIT)));
    return rows.flatMap(({ id, body }) => {
      const plain = openOrNote(this.store, 'rejection', [id], body, () =>
        db.prepare('DELETE FROM quarantine WHERE id = ?').run(id),
      );
      return plain === undefined ? [] : [plain];
    });
  }

  get quarantined(): number {
    return this.store.db.prepare<unknown[], number>('SELECT count(*) FROM quarantine').pluck().get() ?? 0;
  }

  private newest(table: 'quarantine'): number {
    return this.store.db.prepare<unknown[], number | null>(`SELECT max(id) FROM ${table}`).pluck().get() ?? 0;
  }
}

/** The highest cause of a source; the row holds the source too, for whoever takes stock of the vault. */
export function causeIn(plain: Uint8Array): { cause: number; source: string | undefined } {
  const read = z.union([z.number(), z.tuple([z.number(), z.string()])]).parse(decodeCbor(plain));
  return typeof read === 'number' ? { cause: read, source: undefined } : { cause: read[0], source: read[1] };
}
