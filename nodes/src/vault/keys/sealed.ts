import { randomBytes } from 'node:crypto';
import { xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import { TideError } from '../../node/errors.ts';
import { flippedBit } from './one-bit.ts';

/** What a record is, part of its associated data: a record of one kind never opens as another. */
export const KINDS = [
  // Append only: a kind's number is part of what it sealed.
  'journal',
  'series',
  'receipts',
  'cause',
  'rejection',
  'consumer',
  'checkpoint',
  'stream',
  'block',
  'alert',
  'document',
  'head',
  'box',
  'chunk',
  'segment',
  'snapshot',
  'blocks',
  'dating',
  'place',
  'ledger',
] as const;
export type Kind = (typeof KINDS)[number];

/** What binds a record to its place: the columns of its row that stand in clear. */
export type Place = readonly (number | Uint8Array)[];

/** Data keys by number; a record names the one that sealed it. */
export interface RecordKeys {
  readonly current: number;
  recordKey(id: number): Uint8Array | undefined;
  /** Why there is no such key any more, in words, when it was destroyed on purpose. */
  gone?(id: number): string | undefined;
}

const FORMAT = 1;
const HEAD = 5;
const NONCE = 24;
const TAG = 16;

/**
 * Seals the records of one store with XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03). A sealed record is
 * `format u8 | key id u32 LE | nonce 24 | ciphertext | tag 16`; format, key id, store id, kind and place are
 * associated data, so that a record which was altered, moved to another row or taken from another vault does not open.
 */
export class Sealer {
  private readonly keys: RecordKeys;
  private readonly storeId: Uint8Array;

  /** `storeId`: 16 bytes, which a store keeps for life, whatever incarnation it writes to the cloud under. */
  constructor(keys: RecordKeys, storeId: Uint8Array) {
    this.keys = keys;
    this.storeId = storeId;
  }

  /** `keyId`: the data key to seal with; the current one when it is not given. */
  seal(kind: Kind, place: Place, plain: Uint8Array, keyId?: number): Buffer {
    const id = keyId ?? this.keys.current;
    const nonce = randomBytes(NONCE);
    const box = xchacha20poly1305(this.key(id), nonce, associated(id, this.storeId, kind, place)).encrypt(plain);
    const sealed = Buffer.allocUnsafe(HEAD + NONCE + box.length);
    sealed[0] = FORMAT;
    sealed.writeUInt32LE(id, 1);
    sealed.set(nonce, HEAD);
    sealed.set(box, HEAD + NONCE);
    return sealed;
  }

  /**
   * Throws TideError `damaged-record` when the record is not what this vault put in this place, `shredded` when its data
   * key was destroyed.
   */
  open(kind: Kind, place: Place, sealed: Uint8Array): Uint8Array {
    if (sealed.length < HEAD + NONCE + TAG)
      throw new TideError('damaged-record', `${kind} record: ${sealed.length} bytes`);
    if (sealed[0] !== FORMAT) throw new TideError('damaged-record', `${kind} record: format ${sealed[0]}`);
    const id = Buffer.from(sealed.buffer, sealed.byteOffset, HEAD).readUInt32LE(1);
    const nonce = sealed.subarray(HEAD, HEAD + NONCE);
    const key = this.key(id);
    try {
      const aad = associated(id, this.storeId, kind, place);
      return xchacha20poly1305(key, nonce, aad).decrypt(sealed.subarray(HEAD + NONCE));
    } catch (cause) {
      throw new TideError('damaged-record', `${kind} record: its seal is broken`, { cause });
    }
  }

  /** The record as it was when a single flipped bit keeps it from opening; undefined when it is not that. */
  mended(kind: Kind, place: Place, sealed: Uint8Array): Uint8Array | undefined {
    if (sealed.length < HEAD + NONCE + TAG) return undefined;
    const opensWith = (bit: number): Uint8Array | undefined => {
      const changed = Uint8Array.from(sealed);
      changed[bit >> 3] ^= 1 << (bit & 7);
      return this.opens(kind, place, changed) ? changed : undefined;
    };
    const id = Buffer.from(sealed.buffer, sealed.byteOffset, HEAD).readUInt32LE(1);
    const key = this.keys.recordKey(id);
    if (sealed[0] === FORMAT && key !== undefined) {
      const nonce = sealed.subarray(HEAD, HEAD + NONCE);
      const box = sealed.subarray(HEAD + NONCE);
      const bit = flippedBit({ key, nonce, associated: associated(id, this.storeId, kind, place), box });
      if (bit !== undefined) return opensWith(8 * (HEAD + NONCE) + bit);
    }
    for (let bit = 0; bit < 8 * (HEAD + NONCE); bit++) {
      const changed = opensWith(bit);
      if (changed !== undefined) return changed;
    }
    return undefined;
  }

  hasKey(id: number): boolean {
    return this.keys.recordKey(id) !== undefined;
  }

  private opens(kind: Kind, place: Place, sealed: Uint8Array): boolean {
    try {
      this.open(kind, place, sealed);
      return true;
    } catch (error) {
      if (error instanceof TideError) return false;
      throw error;
    }
  }

  private key(id: number): Uint8Array {
    const key = this.keys.recordKey(id);
    if (key !== undefined) return key;
    const gone = this.keys.gone?.(id);
    throw gone === undefined
      ? new TideError('damaged-record', `no data key ${id}`)
      : new TideError('shredded', `data key ${id} ${gone}`);
  }
}

/** Each member of the place carries its type, and bytes their length: no two places give the same associated data. */
function associated(keyId: number, storeId: Uint8Array, kind: Kind, place: Place): Uint8Array {
  let length = HEAD + 1 + storeId.length;
  for (const part of place) length += typeof part === 'number' ? 9 : 3 + part.length;
  const out = Buffer.allocUnsafe(length);
  out[0] = FORMAT;
  out.writeUInt32LE(keyId, 1);
  out[HEAD] = KINDS.indexOf(kind);
  out.set(storeId, HEAD + 1);
  let at = HEAD + 1 + storeId.length;
  for (const part of place) {
    if (typeof part === 'number') {
      out[at] = 1;
      out.writeDoubleLE(part, at + 1);
      at += 9;
    } else {
      out[at] = 2;
      out.writeUInt16LE(part.length, at + 1);
      out.set(part, at + 3);
      at += 3 + part.length;
    }
  }
  return out;
}
