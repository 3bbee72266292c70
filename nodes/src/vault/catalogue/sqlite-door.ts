import { z } from 'zod';
import { decodeCbor, encodeCbor } from '../cbor.ts';
import { openOrNote, type Store } from './sqlite-damage.ts';
import type { Statement } from './sqlite-schema.ts';
import { QUARANTINE_LIMIT, RECEIPT_WINDOW } from '../vault.ts';

interface ReceiptRow {
  id: number;
  count: number;
  body: Buffer;
}

/** Bytes of a digest. */
const DIGEST = 8;
/** More rows than this are written anew as few: small commits leave small rows. */
const MAX_RECEIPT_ROWS = 1_024;
const RECEIPTS_A_ROW = 8_192;

/** What doors keep beside the readings: receipts of publishes, causes of derived readings, messages nobody could read. */
export class SqliteDoor {
  private readonly store: Store;
  private readonly putReceipts: Statement;
  private readonly putCause: Statement;
  private readonly putRejection: Statement;
  private readonly trimRejections: Statement;
  /** Rows and digests in the table; undefined when they have to be counted again. */
  private kept: { rows: number; digests: number } | undefined;

  constructor(store: Store) {
    this.store = store;
    const { db } = store;
    this.putReceipts = db.prepare('INSERT INTO receipts (id, count, body) VALUES (?, ?, ?)');
    this.putCause = db.prepare('INSERT OR REPLACE INTO causes (source, body) VALUES (?, ?)');
    this.putRejection = db.prepare('INSERT INTO quarantine (id, body) VALUES (?, ?)');
    this.trimRejections = db.prepare('DELETE FROM quarantine WHERE id <= ?');
  }

  /** Adds digests of eight bytes each, and drops rows that lie wholly beyond the window. */
  addReceipts(digests: Uint8Array): void {
    const kept = this.count();
    this.putRow(digests);
    kept.rows++;
    kept.digests += digests.length / DIGEST;
    const { db } = this.store;
    const oldestRow = db.prepare<unknown[], Omit<ReceiptRow, 'body'>>(
      'SELECT id, count FROM receipts ORDER BY id LIMIT 1',
    );
    while (kept.digests > RECEIPT_WINDOW) {
      const oldest = oldestRow.get();
      if (oldest === undefined) break;
      if (kept.digests - oldest.count < RECEIPT_WINDOW) break;
      db.prepare('DELETE FROM receipts WHERE id = ?').run(oldest.id);
      kept.rows--;
      kept.digests -= oldest.count;
    }
    if (kept.rows > MAX_RECEIPT_ROWS) this.compact();
  }

  /** The newest digests, oldest first, at most the window. */
  receipts(): Uint8Array {
    const rows = this.store.db.prepare<unknown[], ReceiptRow>('SELECT id, count, body FROM receipts ORDER BY id').all();
    const parts: Uint8Array[] = [];
    for (const { id, count, body } of rows) {
      const digests = openOrNote(this.store, 'receipts', [id, count], body, () => {
        this.store.db.prepare('DELETE FROM receipts WHERE id = ?').run(id);
        this.kept = undefined;
      });
      if (digests !== undefined) parts.push(digests);
    }
    return Uint8Array.from(Buffer.concat(parts).subarray(-RECEIPT_WINDOW * DIGEST));
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
      this.putRejection.run(id, this.store.sealer.seal('rejection', [id], rejection));
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

  /** Counts again: what was counted in a transaction that was rolled back is not there. */
  rollBack(): void {
    this.kept = undefined;
  }

  private count(): { rows: number; digests: number } {
    this.kept ??= this.store.db
      .prepare<unknown[], { rows: number; digests: number }>(
        'SELECT count(*) AS rows, coalesce(sum(count), 0) AS digests FROM receipts',
      )
      .get() ?? { rows: 0, digests: 0 };
    return this.kept;
  }

  private compact(): void {
    const digests = this.receipts();
    this.store.db.prepare('DELETE FROM receipts').run();
    const step = RECEIPTS_A_ROW * DIGEST;
    for (let at = 0; at < digests.length; at += step) this.putRow(digests.subarray(at, at + step));
    this.kept = undefined;
  }

  private putRow(digests: Uint8Array): void {
    const id = this.newest('receipts') + 1;
    const count = digests.length / DIGEST;
    this.putReceipts.run(id, count, this.store.sealer.seal('receipts', [id, count], digests));
  }

  private newest(table: 'receipts' | 'quarantine'): number {
    return this.store.db.prepare<unknown[], number | null>(`SELECT max(id) FROM ${table}`).pluck().get() ?? 0;
  }
}

/** The highest cause of a source; the row holds the source too, for whoever takes stock of the vault. */
export function causeIn(plain: Uint8Array): { cause: number; source: string | undefined } {
  const read = z.union([z.number(), z.tuple([z.number(), z.string()])]).parse(decodeCbor(plain));
  return typeof read === 'number' ? { cause: read, source: undefined } : { cause: read[0], source: read[1] };
}
