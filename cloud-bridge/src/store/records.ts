/** What frames bring into the store; joined by `Merging.merge`. */
import type { Alert } from '@tidegate/nodes/detect';
import type { CatalogueEntry, WireGap } from '@tidegate/nodes/sync';

export interface PartRecord {
  kind: 'part';
  gatewayId: number;
  incarnationId: number;
  /** Purpose and resolution, `operations/60`. */
  stream: string;
  /** Number of the series in the gateway's catalogue. */
  series: number;
  windowStart: number;
  /** Number of the block that brought it. */
  part: number;
  /** Canonical encoding (summary/summary-codec): two parts are equal exactly when it is. */
  summary: Uint8Array;
  /** Readings that it is a summary of, bad ones too. */
  readings: number;
  /** What SQL tools are shown beside it; only of resolutions of `FIGURES_FROM_S` and coarser. */
  figures?: Figures;
}

/** What a summary says, as ordinary columns. */
export interface Figures {
  count: number;
  numeric: number;
  unit: string | null;
  /** Exact decimals in plain notation. */
  sum: string;
  squares: string;
  min: number | null;
  max: number | null;
  first: { time: number; value: number | string } | null;
  last: { time: number; value: number | string } | null;
  anomalies: number;
  uncertain: number;
  bad: number;
  /** Of switches and words, null of numbers. */
  changes: number | null;
  states: { state: boolean | string; milliseconds: number }[] | null;
}

export interface CatalogueRecord {
  kind: 'catalogue';
  gatewayId: number;
  incarnationId: number;
  /** Block that brought the line: a later block's line wins, in whatever order they arrive. */
  block: number;
  entry: CatalogueEntry;
}

/** Stands for a whole block: all its parts are in this transaction or in earlier ones. */
export interface ReceiptRecord {
  kind: 'receipt';
  gatewayId: number;
  incarnationId: number;
  stream: string;
  number: number;
  digest: Uint8Array;
}

export interface PoisonRecord {
  kind: 'poison';
  gatewayId: number;
  incarnationId: number;
  stream: string;
  number: number;
  digest: Uint8Array;
  reason: string;
  body: Uint8Array;
}

/** A block whose number the database holds with other bytes: they stay, and this one is noted. */
export interface ForkRecord {
  kind: 'fork';
  gatewayId: number;
  incarnationId: number;
  stream: string;
  number: number;
  digest: Uint8Array;
  /** Empty when the gateway only named the digest. */
  body: Uint8Array;
}

export interface AlertRecord {
  kind: 'alert';
  gatewayId: number;
  alert: Alert;
  body: Uint8Array;
  digest: Uint8Array;
}

/** The gateway gave a sign of life. */
export interface SeenRecord {
  kind: 'seen';
  gatewayId: number;
}

/** Something that the gateway gave up or lost, and says so. */
export interface GapRecord {
  kind: 'gap';
  gatewayId: number;
  /** The incarnation that declared it: the one in the gap, which may be older than the one that sends it. */
  incarnationId: number;
  gap: WireGap;
}

export type MergeRecord =
  | PartRecord
  | CatalogueRecord
  | ReceiptRecord
  | PoisonRecord
  | ForkRecord
  | AlertRecord
  | SeenRecord
  | GapRecord;
