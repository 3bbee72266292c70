import { randomBytes } from 'node:crypto';
import { xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import { TideError } from '../../node/errors.ts';
import { checkOf, keyEncryptionKey, newDerivation } from './derivation.ts';
import { isAuthentic, isWhole, type HeaderContent, type KeyHeader, type Lock, signed } from './key-header.ts';
import { BASE_KEY, journalKey } from './key-numbers.ts';
import { KeyRing } from './key-ring.ts';

/** A header's keys, opened. */
export interface OpenKeys {
  header: KeyHeader;
  root: Uint8Array;
  dataKeys: Map<number, Uint8Array>;
  /** Which of the header's locks the secret opened. */
  lock: number;
  /** What was found wrong with a header that opened all the same. */
  altered: string[];
}

/** What a header says beside its keys. */
export interface KeyPlan {
  store: string;
  generation: number;
  journal: number;
  shredded: ReadonlyMap<number, number>;
  shredding: KeyHeader['shredding'];
}

/** New keys of a new store: base and first journal generation. */
export function freshKeys(secret: string, now: number): OpenKeys {
  const root = new Uint8Array(randomBytes(32));
  const journal = journalKey(1);
  const store = randomBytes(16).toString('base64');
  const dataKeys = new Map([BASE_KEY, journal].map((id) => [id, new Uint8Array(randomBytes(32))]));
  const plan: KeyPlan = { store, generation: 1, journal, shredded: new Map(), shredding: undefined };
  const header = lockUp(plan, [makeLock(secret, root, store, now)], root, dataKeys);
  return { header, root, dataKeys, lock: 0, altered: [] };
}

/**
 * Opens a header. Throws TideError `wrong-key` when no lock takes the secret, `damaged` when the header's bytes are
 * not as they were written so that nothing can be said. A header whose seal is broken opens as far as its keys do, and
 * `altered` says so: each key has a seal of its own under the root key.
 */
export function openHeader(header: KeyHeader, secret: string): OpenKeys {
  const whole = isWhole(header);
  const { lock, root } = openLock(header, secret) ?? {};
  if (lock === undefined || root === undefined) {
    if (!whole) throw new TideError('damaged', 'the key header is not as it was written, and its lock does not open');
    throw new TideError('wrong-key', 'the key does not fit this vault; nothing was changed');
  }
  const altered: string[] = [];
  const dataKeys = new Map<number, Uint8Array>();
  for (const { id, wrapped } of header.keys) {
    const key = unwrap(root, wrapped, dataKeyPlace(header.store, id));
    if (key === undefined) altered.push(`wrapped data key ${id}: its seal is broken`);
    else dataKeys.set(id, key);
  }
  if (altered.length === 0 && !(whole && isAuthentic(header, root)))
    altered.push('the seal of the key header is broken');
  if (!dataKeys.has(BASE_KEY)) throw new TideError('damaged', `the key header has no data key ${BASE_KEY} that opens`);
  return { header, root, dataKeys, lock, altered };
}

/** A lock for a root key: of a salt of its own and today's parameters, unless they are given. */
export function makeLock(
  secret: string,
  root: Uint8Array,
  store: string,
  since: number,
  derivation = newDerivation(secret),
): Lock {
  const kek = keyEncryptionKey(secret, derivation)!;
  const lock = { derivation, check: checkOf(kek), root: wrap(kek, root, rootPlace(store)), since };
  kek.fill(0);
  return lock;
}

/** Whether a lock takes a secret. */
export function fits(lock: Lock, secret: string, store: string): boolean {
  const root = tryLock(lock, secret, store);
  root?.fill(0);
  return root !== undefined;
}

/** Wraps data keys under a root key and signs the header. `kept`: what is wrapped under this root key already. */
export function lockUp(
  { store, generation, journal, shredded, shredding }: KeyPlan,
  locks: Lock[],
  root: Uint8Array,
  dataKeys: ReadonlyMap<number, Uint8Array>,
  kept: ReadonlyMap<number, string> = new Map(),
): KeyHeader {
  const content: HeaderContent = {
    format: 2,
    store,
    generation,
    locks,
    journal,
    keys: [...dataKeys].map(([id, key]) => ({ id, wrapped: kept.get(id) ?? wrap(root, key, dataKeyPlace(store, id)) })),
    shredded: [...shredded].map(([id, at]) => ({ id, at })),
    ...(shredding === undefined ? {} : { shredding }),
  };
  return signed(content, root);
}

export const ringOf = ({ header, dataKeys }: OpenKeys): KeyRing =>
  new KeyRing(dataKeys, header.journal, shreddedOf(header));

export const shreddedOf = (header: KeyHeader): Map<number, number> =>
  new Map(header.shredded.map(({ id, at }) => [id, at]));

function openLock({ locks, store }: KeyHeader, secret: string): { lock: number; root: Uint8Array } | undefined {
  // The next secret's first: while a rotation is under way, that is the one that is meant to open.
  for (let lock = locks.length - 1; lock >= 0; lock--) {
    const root = tryLock(locks[lock], secret, store);
    if (root !== undefined) return { lock, root };
  }
  return undefined;
}

function tryLock({ derivation, check, root }: Lock, secret: string, store: string): Uint8Array | undefined {
  const kek = keyEncryptionKey(secret, derivation);
  if (kek === undefined || checkOf(kek) !== check) return undefined;
  const opened = unwrap(kek, root, rootPlace(store));
  kek.fill(0);
  return opened;
}

function wrap(by: Uint8Array, key: Uint8Array, place: Uint8Array): string {
  const nonce = randomBytes(24);
  return Buffer.concat([nonce, xchacha20poly1305(by, nonce, place).encrypt(key)]).toString('base64');
}

function unwrap(by: Uint8Array, wrapped: string, place: Uint8Array): Uint8Array | undefined {
  const box = Buffer.from(wrapped, 'base64');
  try {
    return xchacha20poly1305(by, box.subarray(0, 24), place).decrypt(box.subarray(24));
  } catch {
    // The seal does not fit; whoever asked says what that means here.
    return undefined;
  }
}

const rootPlace = (store: string): Uint8Array => Buffer.from(`tidegate wrapped root 2 ${store}`);

const dataKeyPlace = (store: string, id: number): Uint8Array => Buffer.from(`tidegate wrapped key 2 ${store} ${id}`);
