import { isMonthBefore } from '../keys/key-numbers.ts';
import { addToCounter } from './sqlite-damage.ts';
import type { Stores } from './sqlite-apply.ts';

/** Waiting blocks by stream, and how many alerts, that a shred takes with it. */
export function doomedRows(
  { db, outbox }: Pick<Stores, 'db' | 'outbox'>,
  before: number,
): { blocks: Map<string, number[]>; alerts: number } {
  const gone = (body: Buffer): boolean => isMonthBefore(body.readUInt32LE(1), before);
  const alerts = db.prepare<unknown[], Buffer>('SELECT body FROM alerts').pluck().all();
  return { blocks: outbox.chosen(gone), alerts: alerts.filter(gone).length };
}

/** Rows that were sealed under the key of the month in which they were made. The key's number is in each sealed body. */
export function shredRows(stores: Stores, before: number): void {
  const { db, outbox } = stores;
  const gone = (body: Buffer): boolean => isMonthBefore(body.readUInt32LE(1), before);
  const alerts = db.prepare<unknown[], { id: number; body: Buffer }>('SELECT id, body FROM alerts').all();
  const dropAlert = db.prepare('DELETE FROM alerts WHERE id = ?');
  for (const { id, body } of alerts) {
    if (!gone(body)) continue;
    dropAlert.run(id);
    addToCounter(db, 'alerts', -1);
  }
  const rejections = db.prepare<unknown[], { id: number; body: Buffer }>('SELECT id, body FROM quarantine').all();
  for (const { id, body } of rejections) if (gone(body)) db.prepare('DELETE FROM quarantine WHERE id = ?').run(id);
  outbox.empty(gone);
}
