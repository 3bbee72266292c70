import type { AppendItem, ItemResult, WriteItem } from '../engine.ts';
import type { NewRecord } from '../journal/record.ts';
import type { ReadingStore } from '../readings/reading-store.ts';
import { encodeReceipts } from '../receipt-codec.ts';
import { effectBoxes, readingBoxes, receiptBox } from './boxes.ts';
import type { Effect } from './effects.ts';

/** What a group of writes comes to. */
export interface GroupRecord {
  /** Position after the group's readings. */
  head: number;
  /** As if every commit of the group went well; the catalogue knows better where it has a part in it. */
  results: ItemResult[];
  appends: AppendItem[];
  /** Digests of the publishes, packed. */
  receipts: Uint8Array | undefined;
  /** For the journal, all but its time; undefined when there is nothing to be written down. */
  content: Omit<NewRecord, 'boot' | 'monotonic' | 'wall'> | undefined;
}

/** Puts the readings of a group, `first` being the position of the first one, and its effects into boxes. */
export function recordOf(items: readonly WriteItem[], effects: readonly Effect[], first: number): GroupRecord {
  const appends = items.filter((item): item is AppendItem => item.kind === 'append');
  const results: ItemResult[] = [];
  let head = first;
  let [timeFrom, timeTo] = [Infinity, -Infinity];
  for (const item of items) {
    results.push(item.kind === 'append' ? { kind: 'appended', first: head } : { kind: 'committed', numbers: [] });
    if (item.kind !== 'append') continue;
    for (const chunk of item.chunks) {
      head += chunk.count;
      timeFrom = Math.min(timeFrom, chunk.timeFrom);
      timeTo = Math.max(timeTo, chunk.timeTo);
    }
  }
  const receipts = packedReceipts(appends);
  const boxes = [...readingBoxes(appends), ...effectBoxes(effects)];
  if (receipts !== undefined) boxes.push(receiptBox(receipts));
  const count = head - first;
  const span = count === 0 ? { timeFrom: 0, timeTo: 0 } : { timeFrom, timeTo };
  const content = boxes.length === 0 ? undefined : { first, count, ...span, boxes };
  return { head, results, appends, receipts, content };
}

/** Takes readings that are on the disk into the open chunks. */
export function takeIn(readings: ReadingStore, appends: readonly AppendItem[], first: number): void {
  let position = first;
  for (const { chunks } of appends) {
    for (const { bytes, count } of chunks) {
      readings.add(bytes, position);
      position += count;
    }
  }
}

function packedReceipts(appends: readonly AppendItem[]): Uint8Array | undefined {
  const digests = appends.flatMap(({ receipts }) =>
    receipts === undefined || receipts.length === 0 ? [] : [receipts],
  );
  if (digests.length === 0) return undefined;
  const all = Uint8Array.from(Buffer.concat(digests));
  return encodeReceipts(new BigUint64Array(all.buffer));
}
