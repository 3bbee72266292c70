import type { KeyHeader } from './key-header.ts';
import { monthOfKey, monthText, useOf } from './key-numbers.ts';

/** What `tidegate key status` shows: times are epoch milliseconds, months `2026-03`; never a key. */
export interface KeyStatus {
  /** Raised by each change. */
  generation: number;
  /** How the secret becomes a key: `hkdf` for random bytes, `scrypt` for a passphrase. */
  method: 'hkdf' | 'scrypt';
  /** Cost of scrypt. */
  scrypt?: { N: number; r: number; p: number };
  /** When the vault was made, or its key last rotated or changed by a shred. */
  since: number;
  /** Since when the next secret opens the vault too: a rotation that was not confirmed. */
  rotating?: number;
  /** Months that have a key. */
  months: string[];
  shredded: { month: string; at: number }[];
  /** A shred that began and has not ended. */
  shredding?: { before: string; since: number };
  /** Journal keys that are kept. */
  journalKeys: number;
}

export function keyStatusOf({ generation, locks, keys, shredded, shredding }: KeyHeader): KeyStatus {
  const [{ derivation, since }, next] = locks;
  const months = keys.filter(({ id }) => useOf(id) === 'month').map(({ id }) => monthText(monthOfKey(id)));
  return {
    generation,
    method: derivation.method,
    ...(derivation.method === 'scrypt' ? { scrypt: { N: derivation.N, r: derivation.r, p: derivation.p } } : {}),
    since,
    ...(next === undefined ? {} : { rotating: next.since }),
    months: [...new Set(months)].toSorted(),
    shredded: shredded.map(({ id, at }) => ({ month: monthText(monthOfKey(id)), at })),
    ...(shredding === undefined ? {} : { shredding: { before: monthText(shredding.before), since: shredding.since } }),
    journalKeys: keys.filter(({ id }) => useOf(id) === 'journal').length,
  };
}
