import { createHash } from 'node:crypto';

/** Numbers that follow from a seed in words (xoshiro128**, Blackman and Vigna 2018), so that a round can be repeated. */
export class Random {
  private readonly state: Uint32Array;

  constructor(seed: string) {
    const digest = createHash('sha256').update(seed).digest();
    this.state = Uint32Array.from({ length: 4 }, (_, i) => digest.readUInt32LE(4 * i));
  }

  /** 0 to 2^32 - 1. */
  word(): number {
    const s = this.state;
    const result = Math.imul(rotate(Math.imul(s[1], 5), 7), 9) >>> 0;
    const t = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 11);
    return result;
  }

  /** 0 (inclusive) to 1 (exclusive). */
  fraction(): number {
    return this.word() / 2 ** 32;
  }

  /** 0 to `below` - 1. */
  below(below: number): number {
    return Math.floor(((this.word() >>> 5) * 2 ** 26 + (this.word() >>> 6)) * 2 ** -53 * below);
  }

  /** Inclusive at both ends. */
  between(from: number, to: number): number {
    return from + this.below(to - from + 1);
  }

  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)];
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) bytes[i] = this.word();
    return bytes;
  }
}

function rotate(x: number, by: number): number {
  return (x << by) | (x >>> (32 - by));
}
