import { reasonOf } from '@tidegate/nodes/node';
import type { WireGap } from '@tidegate/nodes/sync';

import type { GapRecord } from '../store/store.ts';
import type { MergerParts } from './merger.ts';
import { isBadRecord, type Opener, type Sender, type SentFrame } from './opener.ts';
import { Receipts } from './receipts.ts';

/** Takes in what gateways declare as given up or lost, and acknowledges it. */
export class GapLane {
  private readonly parts: MergerParts;
  private readonly opener: Opener;

  constructor(parts: MergerParts, opener: Opener) {
    this.parts = parts;
    this.opener = opener;
  }

  async merge({ sender }: SentFrame, gaps: readonly WireGap[]): Promise<void> {
    if (gaps.length === 0) return;
    const records: GapRecord[] = [];
    for (const gap of gaps) records.push(await this.record(sender, gap));
    const inserted = await this.commit(sender, records);
    const receipts = new Receipts(this.parts.replies);
    for (const { id, last } of gaps) receipts.gap(sender, id, last);
    receipts.send();
    if (inserted === 0) return;
    this.parts.changed('gaps', sender.label);
    this.parts.changed('gateways', sender.label);
  }

  private async record({ gatewayId }: Sender, gap: WireGap): Promise<GapRecord> {
    const writer = Uint8Array.from(Buffer.from(gap.writer, 'hex'));
    const incarnationId = await this.parts.store.incarnation(gatewayId, writer, this.parts.clock.now());
    return { kind: 'gap', gatewayId, incarnationId, gap };
  }

  private async commit(sender: Sender, records: readonly GapRecord[]): Promise<number> {
    const { store, clock, refusals } = this.parts;
    const signs = this.opener.signsOfLife([sender]);
    try {
      return (await store.merge([...records, ...signs], clock.now())).inserted;
    } catch (error) {
      if (!isBadRecord(error)) throw error;
    }
    // One that the database cannot hold must not keep the others out; it is counted, and told no more.
    let inserted = 0;
    for (const record of records) {
      try {
        inserted += (await store.merge([record], clock.now())).inserted;
      } catch (error) {
        if (!isBadRecord(error)) throw error;
        refusals.count(sender.label, 'bad-record', `a declared gap: ${reasonOf(error)}`);
      }
    }
    return inserted;
  }
}
