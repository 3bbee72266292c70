import { z } from 'zod';
import { decodeCbor, encodeCbor } from '../cbor.ts';
import { openOrNote, type Store } from './sqlite-damage.ts';
import type { Query, Statement } from './sqlite-schema.ts';

/** A document as it is sealed; `value` is encoded by whoever put it. */
const sealedSchema = z.object({ namespace: z.string(), key: z.string(), value: z.instanceof(Uint8Array) });
type Sealed = z.infer<typeof sealedSchema>;

interface Row {
  namespace: Buffer;
  key: Buffer;
  body: Buffer;
}

/** Small documents, found by the keyed hashes of namespace and key. */
export class SqliteDocuments {
  private readonly store: Store;
  private readonly find: Query<Row>;
  private readonly upsert: Statement;
  private readonly remove: Statement;

  constructor(store: Store) {
    this.store = store;
    const { db } = store;
    this.find = db.prepare<unknown[], Row>(
      'SELECT namespace, key, body FROM documents WHERE namespace = ? AND key = ?',
    );
    this.upsert = db.prepare(
      `INSERT INTO documents (namespace, key, body) VALUES (?, ?, ?)
       ON CONFLICT (namespace, key) DO UPDATE SET body = excluded.body`,
    );
    this.remove = db.prepare('DELETE FROM documents WHERE namespace = ? AND key = ?');
  }

  put(namespace: string, key: string, value: Uint8Array | undefined): void {
    const place = this.place(namespace, key);
    if (value === undefined) this.remove.run(...place);
    else this.upsert.run(...place, this.store.sealer.seal('document', place, encodeCbor({ namespace, key, value })));
  }

  get(namespace: string, key: string): Uint8Array | undefined {
    const row = this.find.get(...this.place(namespace, key));
    return row === undefined ? undefined : this.open(row)?.value;
  }

  count(namespace: string): number {
    const { db, keys } = this.store;
    const count = db.prepare<unknown[], number>('SELECT count(*) FROM documents WHERE namespace = ?').pluck();
    return count.get(keys.nameHash('namespace', namespace)) ?? 0;
  }

  /** In order of key. */
  list(namespace: string): { key: string; value: Uint8Array }[] {
    const rows = this.store.db
      .prepare<unknown[], Row>('SELECT namespace, key, body FROM documents WHERE namespace = ?')
      .all(this.store.keys.nameHash('namespace', namespace));
    return rows
      .flatMap((row) => this.open(row) ?? [])
      .map(({ key, value }) => ({ key, value }))
      .toSorted((a, b) => (a.key < b.key ? -1 : 1));
  }

  private open({ namespace, key, body }: Row): Sealed | undefined {
    const plain = openOrNote(this.store, 'document', [namespace, key], body, () => this.remove.run(namespace, key));
    return plain === undefined ? undefined : sealedSchema.parse(decodeCbor(plain));
  }

  private place(namespace: string, key: string): [Buffer, Buffer] {
    const { keys } = this.store;
    return [keys.nameHash('namespace', namespace), keys.nameHash('document', namespace, key)];
  }
}
