import { hash } from 'node:crypto';

import { MAX_ALERT_BYTES, decodeAlert } from '@tidegate/nodes/detect';
import { reasonOf } from '@tidegate/nodes/node';
import { alerts as alertsBody, decodeBody } from '@tidegate/nodes/sync';

import type { AlertRecord, MergeOutcome, PoisonRecord } from '../store/store.ts';
import type { Arrival } from './intake.ts';
import type { MergerParts } from './merger.ts';
import { isBadRecord, type Opener, type Sender } from './opener.ts';
import { Receipts } from './receipts.ts';

/** Stream under which alerts that cannot be read are set aside. */
const ALERT_POISON = 'alerts';

interface Item {
  sender: Sender;
  id: string;
  revision: number;
  record: AlertRecord | PoisonRecord;
}

/** Commits alerts, all that wait in one transaction, and acknowledges them. */
export class AlertLane {
  private readonly parts: MergerParts;
  private readonly opener: Opener;

  constructor(parts: MergerParts, opener: Opener) {
    this.parts = parts;
    this.opener = opener;
  }

  async merge(arrivals: readonly Arrival[]): Promise<void> {
    const items: Item[] = [];
    for (const arrival of arrivals) {
      const opened = await this.opener.open(arrival);
      if (opened === undefined) continue;
      const { sender, body } = opened;
      const believed = this.opener.read(sender, () => decodeBody(alertsBody, body).alerts);
      for (const { id, revision, body } of believed ?? [])
        items.push({ sender, id, revision, record: this.record(sender, id, revision, body) });
    }
    if (items.length === 0) return;
    const { outcome, committed } = await this.commit(items);
    const receipts = new Receipts(this.parts.replies);
    for (const { sender, id, revision } of committed) receipts.alert(sender, id, revision);
    receipts.send();
    for (const label of new Set(committed.map(({ sender }) => sender.label))) {
      if (outcome.inserted > 0) this.parts.changed('alerts', label);
      if (outcome.forks > 0) this.parts.changed('gateways', label);
    }
  }

  private async commit(items: readonly Item[]): Promise<{ outcome: MergeOutcome; committed: readonly Item[] }> {
    const { store, clock, refusals } = this.parts;
    const records = items.map(({ record }) => record);
    const signs = this.opener.signsOfLife(new Set(items.map(({ sender }) => sender)));
    try {
      return { outcome: await store.merge([...records, ...signs], clock.now()), committed: items };
    } catch (error) {
      if (!isBadRecord(error)) throw error;
    }
    // One of them does not fit into the database: it must not keep the others out.
    const outcome: MergeOutcome = { inserted: 0, duplicates: 0, forks: 0 };
    const committed: Item[] = [];
    for (const item of items) {
      try {
        const one = await store.merge([item.record], clock.now());
        outcome.inserted += one.inserted;
        outcome.forks += one.forks;
        committed.push(item);
      } catch (error) {
        if (!isBadRecord(error)) throw error;
        refusals.failed(item.sender.label, error);
      }
    }
    return { outcome, committed };
  }

  /** An alert that cannot be read is set aside under a number made from its id, so that the gateway can go on. */
  private record(sender: Sender, id: string, revision: number, body: Uint8Array): AlertRecord | PoisonRecord {
    const { gatewayId, incarnationId } = sender;
    const digest = hash('sha256', body, 'buffer');
    try {
      const alert = decodeAlert(body);
      if (alert.id !== id || alert.revision !== revision)
        throw new Error(`its body is of ${alert.id} revision ${alert.revision}`);
      return { kind: 'alert', gatewayId, alert, body, digest };
    } catch (error) {
      const reason = `alert ${id} revision ${revision}: ${reasonOf(error)}`.slice(0, 500);
      this.parts.refusals.count(sender.label, 'poison', reason);
      const kept = body.subarray(0, MAX_ALERT_BYTES);
      const number = Number.parseInt(id.slice(0, 12), 16);
      return { kind: 'poison', gatewayId, incarnationId, stream: ALERT_POISON, number, digest, reason, body: kept };
    }
  }
}
