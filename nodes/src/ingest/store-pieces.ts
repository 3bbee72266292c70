import type { Reading } from '../reading/reading.ts';
import type { Door } from './door.ts';

const PIECE = 5_000;

/** Commits readings of any number in pieces that a door takes, in order; resolves to how many were new. */
export async function storeInPieces(
  door: Door,
  source: string,
  readings: readonly Reading[],
  cause?: number,
): Promise<number> {
  const pieces: Promise<Reading[]>[] = [];
  for (let i = 0; i < readings.length; i += PIECE) pieces.push(door.store(source, readings.slice(i, i + PIECE), cause));
  let stored = 0;
  for (const made of await Promise.all(pieces)) stored += made.length;
  return stored;
}
