import type { Random } from '../random.ts';

/** Bytes with a meaning in CBOR, in variable-length integers and in lengths. */
const TELLING = [
  0x00, 0x01, 0x1a, 0x1b, 0x3b, 0x5a, 0x5b, 0x5f, 0x7b, 0x7f, 0x80, 0x9b, 0x9f, 0xbb, 0xbf, 0xd8, 0xf9, 0xfb, 0xff,
];
const MOST_BYTES = 1 << 17;

/** A valid input that was altered in one way or several, or bytes that follow from nothing. */
export function mutated(random: Random, valid: () => Uint8Array): Uint8Array {
  if (random.chance(0.05)) return random.bytes(random.below(300));
  let bytes = valid();
  for (let times = random.pick([1, 1, 1, 2, 3, 8]); times > 0; times--) bytes = altered(random, bytes, valid);
  return bytes.subarray(0, MOST_BYTES);
}

function altered(random: Random, bytes: Uint8Array, valid: () => Uint8Array): Uint8Array {
  const at = random.below(bytes.length + 1);
  const rest = bytes.length - at;
  switch (random.below(9)) {
    case 0:
      return set(bytes, at, (bytes[at] ?? 0) ^ (1 << random.below(8)));
    case 1:
      return set(bytes, at, random.pick(TELLING));
    case 2:
      return set(bytes, at, (bytes[at] ?? 0) + random.pick([-1, 1]));
    case 3:
      return bytes.slice(0, at);
    case 4:
      return joined(bytes.subarray(0, at), random.bytes(random.between(1, 9)), bytes.subarray(at));
    case 5:
      // A length that nobody could keep.
      return joined(
        bytes.subarray(0, at),
        [random.pick(TELLING), ...Array<number>(random.pick([2, 4, 8])).fill(0xff)],
        bytes.subarray(at),
      );
    case 6:
      return joined(bytes.subarray(0, at), bytes.subarray(at + random.below(rest + 1)));
    case 7: {
      const piece = bytes.subarray(at, at + random.below(Math.min(rest, 64) + 1));
      return joined(
        bytes.subarray(0, at),
        ...Array<Uint8Array>(random.pick([2, 3, 200])).fill(piece),
        bytes.subarray(at),
      );
    }
    default:
      return joined(bytes.subarray(0, at), valid().subarray(at));
  }
}

function set(bytes: Uint8Array, at: number, value: number): Uint8Array {
  const changed = Uint8Array.from(bytes);
  if (at < changed.length) changed[at] = value;
  return changed;
}

const joined = (...pieces: (Uint8Array | readonly number[])[]): Uint8Array =>
  Uint8Array.from(Buffer.concat(pieces.map((piece) => Uint8Array.from(piece))));
