import { z } from 'zod';
import { decodeBody, encodeBody } from './body.ts';
import { catalogueEntry, type CatalogueEntry } from './messages.ts';

/** Most lines that one block of stream `catalogue` holds. */
export const MAX_CATALOGUE_ENTRIES = 10_000;

const entries = z.array(catalogueEntry).max(MAX_CATALOGUE_ENTRIES);

/** Body of a block of stream `catalogue`. */
export function encodeCatalogue(lines: readonly CatalogueEntry[]): Uint8Array {
  return encodeBody(entries, [...lines]);
}

/** Throws FrameError `malformed`. */
export function decodeCatalogue(bytes: Uint8Array): CatalogueEntry[] {
  return bytes.length === 0 ? [] : decodeBody(entries, bytes);
}
