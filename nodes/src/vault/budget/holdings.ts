/** What a vault has on the disk, as the budget looks at it. All sizes in bytes, all times in epoch milliseconds. */
import type { Loss } from '../gaps.ts';

/** A file of folded readings, or a part of the journal that stands for one. */
export interface SegmentHolding {
  id: string;
  bytes: number;
  readings: number;
  positions: [from: number, to: number];
  timeFrom: number;
  timeTo: number;
  /** Every consumer has saved what it made of them. */
  passed: boolean;
  /** Coarsest resolution of the summaries that were made of them, seconds; undefined when none were. */
  coarsest?: number;
}

/** Waiting blocks of one stream that lie together: what one step may take away, a few hundred at most. */
export interface BlockHolding {
  numbers: [from: number, to: number];
  count: number;
  bytes: number;
  /** Of their windows: begin of the first, end of the last. */
  timeFrom: number;
  timeTo: number;
}

export interface StreamHolding {
  stream: string;
  purpose: string;
  /** Seconds. */
  resolution: number;
  /** Windows that ended by then are sealed in blocks of this stream, whether they wait or are at the cloud. */
  sealedUntil: number;
  blocks: readonly BlockHolding[];
}

export interface Holdings {
  /** Best known time; undefined while the clock is not trusted: age is not judged then. */
  now: number | undefined;
  /** All files but the ballast. */
  used: number;
  quota: number;
  segments: readonly SegmentHolding[];
  streams: readonly StreamHolding[];
  /** Alerts that wait for the cloud, oldest first in time. */
  alerts: { count: number; bytes: number; timeFrom: number; timeTo: number };
}

/** The next thing to give up, and what has to be declared in the same commit. */
export type Step = { bytes: number; loss: Loss } & (
  | { kind: 'segment'; id: string }
  | { kind: 'blocks'; stream: string; numbers: [from: number, to: number] }
  /** The oldest `count` alerts of the outbox. */
  | { kind: 'alerts'; count: number }
);
