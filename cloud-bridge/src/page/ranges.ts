import type { Range, Span } from './route.ts';

/** What a chart needs to know of a series to choose what to ask for. */
export interface Extent {
  /** Resolutions at hand, seconds. */
  resolutions: readonly number[];
  /** First and last reading, as starts of windows of the finest resolution, epoch milliseconds; null without any. */
  firstWindow: number | null;
  lastWindow: number | null;
}

export interface Interval {
  /** Epoch milliseconds. */
  from: number;
  to: number;
}

const MINUTE = 60_000;
const LENGTHS: Record<Exclude<Span, 'all' | 'auto'>, number> = {
  '15m': 15 * MINUTE,
  '1h': 60 * MINUTE,
  '6h': 6 * 60 * MINUTE,
  '24h': 24 * 60 * MINUTE,
};

/** Most windows that one chart asks for: about two for each pixel of a wide screen. */
export const MAX_WINDOWS = 2_000;

/** The last hour; everything of a series that is younger, or silent for more than a day; a day of one silent for an hour. */
export function usualSpan(extent: Extent, now: number): Exclude<Span, 'auto'> {
  const silence = now - (extent.lastWindow ?? now);
  const age = now - (extent.firstWindow ?? now);
  if (age <= LENGTHS['1h'] || silence > LENGTHS['24h']) return 'all';
  return silence < LENGTHS['1h'] ? '1h' : '24h';
}

/** From when to when a range reaches at `now`. */
export function intervalOf(range: Range, extent: Extent, now: number): Interval {
  if ('from' in range) return range;
  const span = range.span === 'auto' ? usualSpan(extent, now) : range.span;
  if (span !== 'all') return { from: now - LENGTHS[span], to: now };
  const last = extent.lastWindow === null ? now : extent.lastWindow + finest(extent) * 1000;
  const from = extent.firstWindow ?? now - LENGTHS['1h'];
  return { from, to: Math.max(from + MINUTE, Math.min(now, last)) };
}

/** The finest resolution that shows the interval in at most `limit` windows, else the coarsest there is; seconds. */
export function resolutionFor(interval: Interval, resolutions: readonly number[], limit = MAX_WINDOWS): number {
  const seconds = (interval.to - interval.from) / 1000;
  const ascending = resolutions.toSorted((a, b) => a - b);
  return ascending.find((resolution) => seconds / resolution <= limit) ?? ascending.at(-1) ?? 60;
}

/** An interval `factor` times as long around the same middle, at least one minute. */
export function zoomed(interval: Interval, factor: number): Interval {
  const middle = (interval.from + interval.to) / 2;
  const half = Math.max(MINUTE, (interval.to - interval.from) * factor) / 2;
  return { from: middle - half, to: middle + half };
}

/** The same length, moved by a share of it: -0.5 is half of it earlier. */
export function moved(interval: Interval, share: number): Interval {
  const by = (interval.to - interval.from) * share;
  return { from: interval.from + by, to: interval.to + by };
}

function finest({ resolutions }: Extent): number {
  return resolutions.length === 0 ? 0 : Math.min(...resolutions);
}
