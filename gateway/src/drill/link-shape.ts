import { TideError } from '@tidegate/nodes/node';

/** What a link can do, in each direction. */
export interface LinkShape {
  bitsPerSecond: number;
  /** From one end to the other, milliseconds. */
  delayMs: number;
  /** What waits before the link at most, bytes, as in a router's queue; senders are held back beyond it. */
  bufferBytes: number;
}

/** 250 ms of a link's capacity, as routers before slow links have it, within bounds. */
const BUFFER_MS = 250;
const MIN_BUFFER = 16_384;
const MAX_BUFFER = 4 << 20;

const UNITS: Record<string, number> = { kbit: 1e3, mbit: 1e6, gbit: 1e9 };
const MIN_BITS = 8_000;
const MAX_BITS = 1e10;
const MAX_DELAY_MS = 10_000;

/** Reads `10mbit,50ms`: capacity a second and delay one way. Throws TideError `usage`. */
export function parseLink(text: string): LinkShape {
  const match = /^(\d+(?:\.\d+)?)(kbit|mbit|gbit)(?:\/s)?,(\d+(?:\.\d+)?)ms$/.exec(text.trim().toLowerCase());
  if (match === null)
    throw new TideError(
      'usage',
      `--link: found "${text}", allowed: CAPACITY,DELAY such as 10mbit,50ms or 256kbit,300ms`,
    );
  const bitsPerSecond = Number(match[1]) * UNITS[match[2]];
  const delayMs = Number(match[3]);
  if (bitsPerSecond < MIN_BITS || bitsPerSecond > MAX_BITS)
    throw new TideError('usage', `--link: found ${match[1]}${match[2]}, allowed: 8kbit to 10gbit`);
  if (delayMs > MAX_DELAY_MS) throw new TideError('usage', `--link: found ${match[3]}ms, allowed: 0 to 10000ms`);
  return shapeOf(bitsPerSecond, delayMs);
}

/** A link with a router's usual queue before it. */
export function shapeOf(bitsPerSecond: number, delayMs: number): LinkShape {
  const bufferBytes = Math.min(MAX_BUFFER, Math.max(MIN_BUFFER, Math.ceil((bitsPerSecond / 8000) * BUFFER_MS)));
  return { bitsPerSecond, delayMs, bufferBytes };
}

/** `10 Mbit/s, 50 ms` */
export function linkText({ bitsPerSecond, delayMs }: LinkShape): string {
  const [unit, size] =
    bitsPerSecond >= 1e9 ? ['Gbit/s', 1e9] : bitsPerSecond >= 1e6 ? ['Mbit/s', 1e6] : (['kbit/s', 1e3] as const);
  return `${Number((bitsPerSecond / size).toFixed(3))} ${unit}, ${delayMs} ms`;
}
