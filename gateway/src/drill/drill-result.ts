import type { LinkShape } from './link-shape.ts';
import type { Overtaking } from './packet-log.ts';

/** What a drill measured. Seconds count from the moment at which the link was back. */
export interface DrillResult {
  days: number;
  series: number;
  link: LinkShape;
  /** Blocks and bytes that waited when the link came back, before compression and sealing. */
  backlog: { blocks: number; bytes: number; parts: number };
  /** Until the gateway was connected and welcomed. */
  connected: number;
  /** By resolution in seconds, coarse first: when the whole gap was acknowledged; null when the drill ended before. */
  complete: { resolution: number; parts: number; seconds: number | null }[];
  /** Nothing of the backlog waited any more and the gateway said that it is up to date; null when the drill ended before. */
  upToDate: number | null;
  /** Share of the link's capacity towards the cloud that was used, while there was something to send. */
  share: { whole: number; fine: number | null };
  /** How long the fine fill was measured for, seconds. */
  fineSeconds: number;
  wire: { up: number; down: number; bytesAWindow: number | null };
  /** From the end of a window at the gateway until the cloud's API answered with it, seconds. */
  live: { windows: number; p50: number; max: number } | null;
  /** From raising until the cloud's commit, milliseconds. */
  alerts: { raised: number; p50: number; p99: number; max: number } | null;
  frames: { sent: number; again: number };
  /** How alerts passed the backlog; absent without a log of packets. */
  overtaking?: Overtaking | undefined;
}

/** The value at quantile `q` of unsorted numbers (nearest rank). */
export function quantileOf(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.min(sorted.length - 1, Math.ceil(q * sorted.length) - 1))];
}
