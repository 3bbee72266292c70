import type { Block, QueuedAlert, StreamBacklog } from './vault.ts';

/** What a vault holds beside readings and series, kind by kind, as whoever copies it reads it. */
export interface InventoryItems {
  /** Values encoded as CBOR. */
  documents: { namespace: string; key: string; value: Uint8Array };
  /** A consumer without a name comes from a row that was damaged: it reads everything again, under whatever name. */
  consumers: { consumer: string | undefined; replayFrom: number };
  checkpoints: { consumer: string; series: number; position: number; state: Uint8Array };
  causes: { source: string; cause: number };
  streams: StreamBacklog;
  blocks: Block;
  alerts: QueuedAlert;
  /** Digests of eight bytes each, oldest first. */
  receipts: Uint8Array;
  /** Encoded as CBOR, oldest first. */
  rejections: Uint8Array;
}

export type InventoryKind = keyof InventoryItems;

export interface InventoryPage<Kind extends InventoryKind> {
  items: InventoryItems[Kind][];
  /** Where the next page begins; undefined after the last. */
  next: number | undefined;
  /** Records on this page that could not be opened or named. */
  lost: number;
}

export interface CutReport {
  /** Position of the next reading: what lies below it belongs to the cut. */
  head: number;
  /** Readings from here on are in no saved state of at least one consumer. */
  replayFrom: number;
}
