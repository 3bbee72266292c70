import { TideError } from '../node/errors.ts';

/**
 * Unsigned LEB128 integers (DWARF 5, section 7.6) in their shortest form, and zigzag for signed ones (Protocol Buffers
 * encoding guide), so that a number has exactly one encoding. Numbers up to 2^53 - 1 and big integers share one format.
 */

/** Longest big integer that is read, bytes of LEB128; sums of squares of a whole block stay far below. */
const MAX_BIG_BYTES = 96;
const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER);

export class ByteWriter {
  private bytes: Uint8Array;
  private used = 0;

  constructor(capacity = 64) {
    this.bytes = new Uint8Array(capacity);
  }

  get length(): number {
    return this.used;
  }

  byte(value: number): void {
    if (this.used === this.bytes.length) this.grow(1);
    this.bytes[this.used++] = value;
  }

  /** A non-negative safe integer. */
  uint(value: number): void {
    let rest = value;
    if (!(rest >= 0 && rest <= Number.MAX_SAFE_INTEGER))
      throw new RangeError(`${value} is not a non-negative safe integer`);
    while (rest > 0x7fff_ffff) {
      this.byte((rest % 128) | 128);
      rest = Math.floor(rest / 128);
    }
    while (rest > 127) {
      this.byte((rest & 127) | 128);
      rest >>>= 7;
    }
    this.byte(rest);
  }

  /** An integer of at most 52 bits and a sign. */
  int(value: number): void {
    this.uint(value < 0 ? -2 * value - 1 : 2 * value);
  }

  /** A non-negative big integer. */
  bigUint(value: bigint): void {
    let rest = value;
    while (rest > MAX_SAFE) {
      this.byte(Number(rest & 127n) | 128);
      rest >>= 7n;
    }
    this.uint(Number(rest));
  }

  bigInt(value: bigint): void {
    this.bigUint(value < 0n ? -2n * value - 1n : 2n * value);
  }

  append(chunk: Uint8Array): void {
    if (this.used + chunk.length > this.bytes.length) this.grow(chunk.length);
    this.bytes.set(chunk, this.used);
    this.used += chunk.length;
  }

  /** Copies what a reader has read from one place to another: short pieces, byte by byte. */
  copy(from: ByteReader, start: number, end: number): void {
    if (this.used + end - start > this.bytes.length) this.grow(end - start);
    for (let at = start; at < end; at++) this.bytes[this.used++] = from.at(at);
  }

  /** Copies one integer; returns where it ends. */
  copyInteger(from: ByteReader, start: number): number {
    let end = start;
    while (from.at(end) >= 128) end++;
    this.copy(from, start, ++end);
    return end;
  }

  /** Begins anew in the same memory. */
  reset(): void {
    this.used = 0;
  }

  /** What was written, copied. */
  finish(): Uint8Array {
    return this.bytes.slice(0, this.used);
  }

  /** What was written, without a copy; valid until the next write. */
  view(): Uint8Array {
    return this.bytes.subarray(0, this.used);
  }

  private grow(atLeast: number): void {
    const larger = new Uint8Array(Math.max(this.bytes.length * 2, this.used + atLeast));
    larger.set(this.view());
    this.bytes = larger;
  }
}

/** Reads what a ByteWriter wrote. Every way in which bytes can be wrong is a TideError `malformed`. */
export class ByteReader {
  private readonly bytes: Uint8Array;
  private readonly what: string;
  private place = 0;

  /** `what` is named in errors, e.g. `block`. */
  constructor(bytes: Uint8Array, what: string) {
    this.bytes = bytes;
    this.what = what;
  }

  /** Bytes that were read. */
  get position(): number {
    return this.place;
  }

  /** The byte at a place that was read. */
  at(place: number): number {
    return this.bytes[place];
  }

  get remaining(): number {
    return this.bytes.length - this.place;
  }

  fail(found: string): never {
    throw new TideError('malformed', `${this.what} is malformed at byte ${this.place}: ${found}`);
  }

  byte(): number {
    const value = this.bytes[this.place];
    if (value === undefined) this.fail(`it ends after ${this.bytes.length} bytes`);
    this.place++;
    return value;
  }

  uint(): number {
    let value = this.byte();
    if (value < 128) return value;
    value &= 127;
    for (let factor = 128; ; factor *= 128) {
      const next = this.byte();
      value += (next & 127) * factor;
      // Seven more bits than 2^49 pass 2^53: 2^49 is the last factor that can carry a digit of a safe integer.
      if (value > Number.MAX_SAFE_INTEGER || factor > 2 ** 49) this.fail('an integer is larger than 2^53 - 1');
      if (next < 128) {
        if (next === 0) this.fail('an integer is not in its shortest form');
        return value;
      }
    }
  }

  int(): number {
    const value = this.uint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  bigUint(): bigint {
    const start = this.place;
    let end = start;
    while (end - start <= MAX_BIG_BYTES && (this.bytes[end] ?? 0) >= 128) end++;
    const length = end - start + 1;
    if (length <= 7) return BigInt(this.uint());
    if (length > MAX_BIG_BYTES) this.fail(`an integer has more than ${MAX_BIG_BYTES} bytes`);
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const next = this.byte();
      value |= BigInt(next & 127) << shift;
      if (next < 128) {
        if (next === 0) this.fail('an integer is not in its shortest form');
        return value;
      }
    }
  }

  bigInt(): bigint {
    const value = this.bigUint();
    return (value & 1n) === 0n ? value >> 1n : -((value + 1n) >> 1n);
  }

  take(length: number): Uint8Array {
    if (length > this.remaining) this.fail(`${length} bytes are announced and ${this.remaining} are left`);
    const chunk = this.bytes.subarray(this.place, this.place + length);
    this.place += length;
    return chunk;
  }

  end(): void {
    if (this.remaining > 0) this.fail(`${this.remaining} bytes follow its end`);
  }
}
