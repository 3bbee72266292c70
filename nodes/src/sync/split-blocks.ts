import { encodeBlock } from '../summary/block.ts';
import type { Part } from '../summary/summary.ts';

/** Size of a block before compression, bytes: a frame of a block or more stays near 16 kB, so that an alert on the same link never waits long. */
export const BLOCK_BYTES = 16_384;

/** Parts as the bodies of as many blocks as it takes to keep each near `BLOCK_BYTES` (a single part may be larger). */
export function splitBlocks(parts: readonly Part[]): { body: Uint8Array; parts: readonly Part[] }[] {
  if (parts.length === 0) return [];
  const whole = encodeBlock([...parts]);
  if (whole.length <= BLOCK_BYTES || parts.length === 1) return [{ body: whole, parts }];
  // In the order in which a block stores them, so that each piece compresses as well as the whole.
  const sorted = parts.toSorted((a, b) => a.series - b.series || a.windowStart - b.windowStart);
  const pieces = Math.ceil(whole.length / (BLOCK_BYTES * 0.9));
  const size = Math.max(1, Math.min(Math.ceil(parts.length / pieces), parts.length - 1));
  const bodies: { body: Uint8Array; parts: readonly Part[] }[] = [];
  for (let at = 0; at < sorted.length; at += size) bodies.push(...splitBlocks(sorted.slice(at, at + size)));
  return bodies;
}
