import { z } from 'zod';
import { decodeCbor, encodeCbor } from '../cbor.ts';
import { addToCounter, counter, openOrNote, type Store } from './sqlite-damage.ts';
import type { Statement } from './sqlite-schema.ts';
import type { QueuedAlert } from '../vault.ts';

interface Row {
  id: number;
  name: Buffer;
  body: Buffer;
}

const alertSchema = z.object({ id: z.string(), revision: z.number(), body: z.instanceof(Uint8Array) });

const PAGE = 64;
const MAX_ALERTS = 1_024;

/** Alerts that the cloud has not acknowledged, in the order in which they came. */
export class SqliteAlerts {
  private readonly store: Store;
  private readonly insert: Statement;
  private readonly remove: Statement;

  constructor(store: Store) {
    this.store = store;
    const { db } = store;
    this.insert = db.prepare('INSERT INTO alerts (id, name, body) VALUES (?, ?, ?)');
    this.remove = db.prepare('DELETE FROM alerts WHERE name = ?');
  }

  /** Queues an alert; nothing changes when this revision is there already. */
  add(id: string, revision: number, body: Uint8Array): void {
    const { db, sealer } = this.store;
    const name = this.name(`${id}/${revision}`);
    if (db.prepare('SELECT 1 FROM alerts WHERE name = ?').get(name) !== undefined) return;
    const row = db.prepare<unknown[], number>('SELECT coalesce(max(id), 0) + 1 FROM alerts').pluck().get() ?? 1;
    this.insert.run(
      row,
      name,
      sealer.seal('alert', [row, name], encodeCbor({ id, revision, body }), this.store.monthKey()),
    );
    addToCounter(db, 'alerts', 1);
  }

  acknowledge(alerts: readonly { id: string; revision: number }[]): void {
    let removed = 0;
    for (const { id, revision } of alerts) removed += this.remove.run(this.name(`${id}/${revision}`)).changes;
    if (removed > 0) addToCounter(this.store.db, 'alerts', -removed);
  }

  /** Oldest first, at most `limit`, without those in `skip` (`id/revision`). */
  peek(limit: number, skip: ReadonlySet<string>): QueuedAlert[] {
    const skipped = new Set([...skip].map((alert) => this.name(alert).toString('latin1')));
    const page = this.store.db.prepare<unknown[], Row>(
      'SELECT id, name, body FROM alerts WHERE id > ? ORDER BY id LIMIT ?',
    );
    const alerts: QueuedAlert[] = [];
    const most = Math.min(limit, MAX_ALERTS);
    let last = 0;
    while (alerts.length < most) {
      const rows = page.all(last, PAGE);
      if (rows.length === 0) break;
      for (const { id, name, body } of rows) {
        last = id;
        if (alerts.length >= most || skipped.has(name.toString('latin1'))) continue;
        const plain = openOrNote(this.store, 'alert', [id, name], body, () => {
          if (this.remove.run(name).changes > 0) addToCounter(this.store.db, 'alerts', -1);
        });
        if (plain !== undefined) alerts.push(alertSchema.parse(decodeCbor(plain)));
      }
    }
    return alerts;
  }

  get waiting(): number {
    return counter(this.store.db, 'alerts');
  }

  private name(alert: string): Buffer {
    return this.store.keys.nameHash('alert', alert);
  }
}
