import { xchacha20 } from '@noble/ciphers/chacha.js';

/** An XChaCha20-Poly1305 box as it stands on the disk, and what it needs to be opened. */
export interface BrokenBox {
  /** 32 bytes, and 24 bytes. */
  key: Uint8Array;
  nonce: Uint8Array;
  associated: Uint8Array;
  /** Ciphertext and tag. */
  box: Uint8Array;
}

const BLOCK = 16;
const TAG = 16;
/** Poly1305 reckons modulo this prime (RFC 8439, section 2.5). */
const P = (1n << 130n) - 5n;
const TWO_128 = 1n << 128n;
const CLAMP = 0x0ffffffc0ffffffc0ffffffc0fffffffn;
/** A box of these many bytes takes some tenths of a second. */
const MAX_BYTES = 4 * 1024 * 1024;

/** Powers of two that one bit of a block can be worth, by value. */
const BIT_OF = new Map(Array.from({ length: 128 }, (_, bit) => [1n << BigInt(bit), bit]));

/**
 * The only place in ciphertext or tag, as a number of bits from the beginning of the box, where one flipped bit explains
 * why a box does not open; undefined when there is none.
 *
 * Poly1305 is a polynomial in a secret r with the blocks of the message as coefficients: a flipped bit b in the block of
 * r^k changes its value by ±2^b·r^k. So the difference between what the tag says and what the contents come to, divided by
 * each r^k in turn, is a power of two in the one place where the bit belongs. That takes one multiplication for each
 * block, where trying each bit would take a whole tag for each.
 */
export function flippedBit({ key, nonce, associated, box }: BrokenBox): number | undefined {
  if (box.length < TAG || box.length > MAX_BYTES) return undefined;
  const secret = xchacha20(key, nonce, new Uint8Array(32));
  const r = numberOf(secret, 0, BLOCK) & CLAMP;
  const s = numberOf(secret, BLOCK, BLOCK);
  const text = box.subarray(0, -TAG);
  const value = valueOf(r, associated, text);
  const tag = numberOf(box, text.length, TAG);
  const inTag = BIT_OF.get(((value + s) % TWO_128) ^ tag);
  if (inTag !== undefined) return 8 * text.length + inTag;
  if (r === 0n) return undefined;
  // The tag leaves out what is above 128 bits: up to four values come to the same one.
  let differences: bigint[] = [];
  for (let sum = modulo(tag - s, TWO_128); sum < P; sum += TWO_128) differences.push(modulo(sum - value, P));
  const inverse = power(r, P - 2n);
  const divide = (): void => void (differences = differences.map((one) => (one * inverse) % P));
  // The last block, that of r, holds the lengths.
  divide();
  for (let at = BLOCK * (Math.ceil(text.length / BLOCK) - 1); at >= 0; at -= BLOCK) {
    divide();
    for (const difference of differences) {
      const bit = flipIn(text, at, difference);
      if (bit !== undefined) return bit;
    }
  }
  return undefined;
}

/** The bit of the block at a byte whose change of value this is. */
function flipIn(text: Uint8Array, at: number, difference: bigint): number | undefined {
  const set = BIT_OF.get(difference);
  const bit = set ?? BIT_OF.get(P - difference);
  if (bit === undefined || at + (bit >> 3) >= text.length) return undefined;
  // A bit that was set and is clear now is missing from the value, and the other way round.
  const isSet = ((text[at + (bit >> 3)] >> (bit & 7)) & 1) === 1;
  return isSet === (set === undefined) ? 8 * at + bit : undefined;
}

/** Of the message that the tag is made of: both parts filled up to whole blocks, then their lengths. */
function valueOf(r: bigint, associated: Uint8Array, text: Uint8Array): bigint {
  let value = 0n;
  const add = (block: bigint): void => void (value = ((value + block + TWO_128) * r) % P);
  for (const part of [associated, text])
    for (let at = 0; at < part.length; at += BLOCK) add(numberOf(part, at, Math.min(BLOCK, part.length - at)));
  add(BigInt(associated.length) + (BigInt(text.length) << 64n));
  return value;
}

/** Of at most 16 bytes, the lowest first. */
function numberOf(bytes: Uint8Array, at: number, length: number): bigint {
  const whole = Buffer.alloc(BLOCK);
  whole.set(bytes.subarray(at, at + length));
  return whole.readBigUInt64LE(0) + (whole.readBigUInt64LE(8) << 64n);
}

const modulo = (value: bigint, by: bigint): bigint => ((value % by) + by) % by;

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  let square = base;
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if ((rest & 1n) === 1n) result = (result * square) % P;
    square = (square * square) % P;
  }
  return result;
}
