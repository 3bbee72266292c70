/**
 * A document that two ends share: a register in which the last writer wins (Shapiro et al., "A comprehensive study of
 * convergent and commutative replicated data types", 2011, section 3.2). Equal stamps with different values happen when
 * a copy writes under its original's name; the bytes of the value then decide, so that both ends still agree.
 */
import { encodeCbor } from '../sync/cbor.ts';
import type { Stamp } from '../sync/messages.ts';
import { compareStamps } from './hlc.ts';

export interface SharedDocument {
  key: string;
  /** Plain data: what JSON can say. */
  value: unknown;
  stamp: Stamp;
}

/** Whether `candidate` takes the place of `current`. A total order: of two different versions exactly one wins. */
export function wins(candidate: SharedDocument, current: SharedDocument): boolean {
  const order = compareStamps(candidate.stamp, current.stamp);
  if (order !== 0) return order > 0;
  return Buffer.compare(encodeCanonical(candidate.value), encodeCanonical(current.value)) > 0;
}

/** The same bytes for equal values, whatever the order of their fields. */
export function encodeCanonical(value: unknown): Uint8Array {
  return encodeCbor(sorted(value));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  const fields = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(fields.map(([name, member]) => [name, sorted(member)]));
}
