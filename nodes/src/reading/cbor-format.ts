import { Decoder } from 'cbor-x';
import { MAX_DEPTH } from './limits.ts';

const decoder = new Decoder({ mapsAsObjects: true, useRecords: false });

/** Tags that are read: dates, big integers, decimal fractions are not; 55799 says that this is CBOR. */
const TAGS = new Set([0, 1, 2, 3, 55_799]);
/** The pack or object, its list, its record: what nesting the walk over the values allows, and the tags around them. */
const MAX_NESTING = MAX_DEPTH + 4;

/**
 * Decodes CBOR (RFC 8949) from anyone. The structure is checked first without building anything: a few bytes can claim a list of
 * four thousand million elements, refer to themselves, or nest until the stack ends.
 * @throws Error that says what is wrong.
 */
export function decodeCbor(bytes: Uint8Array): unknown {
  const end = new Scan(bytes).item(0, 0);
  if (end !== bytes.length) throw new Error(`${bytes.length - end} bytes follow the CBOR item`);
  return decoder.decode(bytes) as unknown;
}

/** Whether a payload can only be CBOR: what it begins with is no text, and it is well-formed to its last byte. */
export function looksLikeCbor(bytes: Uint8Array): boolean {
  const first = bytes[0] ?? 0;
  const listOrMap = first >= 0x80 && first <= 0xbf;
  const float = first >= 0xf9 && first <= 0xfb;
  const marked = first === 0xd9 && bytes[1] === 0xd9 && bytes[2] === 0xf7;
  if (!listOrMap && !float && !marked) return false;
  try {
    return new Scan(bytes).item(0, 0) === bytes.length;
  } catch {
    return false;
  }
}

/** Walks over well-formed CBOR (RFC 8949, appendix C) with definite and indefinite lengths. */
class Scan {
  private readonly bytes: Uint8Array;
  private readonly view: DataView;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Offset after the item at `at`. */
  item(at: number, depth: number): number {
    if (depth > MAX_NESTING) throw new Error(`nested deeper than ${MAX_DEPTH} levels`);
    if (at >= this.bytes.length) throw new Error('the CBOR item ends too early');
    const major = this.bytes[at] >> 5;
    const { value, next, indefinite } = this.head(at, major);
    if (major <= 1 || major === 7) return next;
    if (major === 6) {
      if (!TAGS.has(value)) throw new Error(`CBOR tag ${value} is not read`);
      return this.item(next, depth + 1);
    }
    if (indefinite) return this.untilBreak(next, depth, major);
    if (major <= 3) {
      if (next + value > this.bytes.length) throw new Error('the CBOR item ends too early');
      return next + value;
    }
    const count = major === 5 ? value * 2 : value;
    if (count > this.bytes.length - next)
      throw new Error(`a CBOR list claims ${count} elements and has no room for them`);
    let offset = next;
    for (let i = 0; i < count; i++) offset = this.item(offset, depth + 1);
    return offset;
  }

  private untilBreak(at: number, depth: number, major: number): number {
    let offset = at;
    let count = 0;
    while (this.bytes[offset] !== 0xff) {
      if (major <= 3 && this.bytes[offset] >> 5 !== major) throw new Error('a CBOR string has a foreign piece');
      offset = this.item(offset, depth + 1);
      count++;
    }
    if (major === 5 && count % 2 === 1) throw new Error('a CBOR map has a key without value');
    return offset + 1;
  }

  private head(at: number, major: number): { value: number; next: number; indefinite: boolean } {
    const info = this.bytes[at] & 31;
    if (info < 24) return { value: info, next: at + 1, indefinite: false };
    if (info === 31 && major >= 2 && major <= 5) return { value: 0, next: at + 1, indefinite: true };
    const size = [1, 2, 4, 8][info - 24];
    if (size === undefined) throw new Error('not well-formed CBOR');
    if (at + 1 + size > this.bytes.length) throw new Error('the CBOR item ends too early');
    return { value: this.argument(at + 1, size), next: at + 1 + size, indefinite: false };
  }

  private argument(at: number, size: number): number {
    if (size === 1) return this.bytes[at];
    if (size === 2) return this.view.getUint16(at);
    if (size === 4) return this.view.getUint32(at);
    return Number(this.view.getBigUint64(at));
  }
}
