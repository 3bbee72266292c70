/**
 * CBOR (RFC 8949) as the tide protocol uses it: definite lengths, no tags. `decodeCbor` walks the bytes once before it
 * lets cbor-x build anything, because a length that a stranger claims is allocated before it is found to be a lie, and a
 * tag can ask for a RegExp or a shared structure.
 */
import { Decoder, Encoder } from 'cbor-x';
import { TideError, reasonOf } from '../node/errors.ts';

const options = { useRecords: false, mapsAsObjects: true, variableMapSize: true, tagUint8Array: false } as const;
const encoder = new Encoder(options);
const decoder = new Decoder(options);

const MAX_DEPTH = 16;
const MAX_ITEMS = 1 << 20;

export function encodeCbor(value: unknown): Uint8Array {
  // A copy: cbor-x hands out a view of a buffer that it goes on writing into.
  return Uint8Array.from(encoder.encode(value));
}

/** The one value that `bytes` hold. Throws TideError `malformed` for anything else than one well-formed, tagless item. */
export function decodeCbor(bytes: Uint8Array): unknown {
  checkCbor(bytes);
  try {
    return decoder.decode(bytes);
  } catch (error) {
    throw malformed(reasonOf(error));
  }
}

function malformed(what: string): TideError {
  return new TideError('malformed', `not the CBOR of a tide frame: ${what}`);
}

/** RFC 8949, appendix C, made iterative and bounded in depth and number of items. */
function checkCbor(bytes: Uint8Array): void {
  const open: number[] = [];
  let remaining = 1;
  let items = 0;
  let at = 0;
  while (true) {
    while (remaining === 0) {
      const outer = open.pop();
      if (outer === undefined) {
        if (at !== bytes.length) throw malformed(`${bytes.length - at} bytes after the end`);
        return;
      }
      remaining = outer;
    }
    remaining--;
    if (++items > MAX_ITEMS) throw malformed(`more than ${MAX_ITEMS} items`);
    if (at >= bytes.length) throw malformed('it ends too early');
    const initial = bytes[at];
    const major = initial >> 5;
    const info = initial & 31;
    if (info > 27) throw malformed('an indefinite length');
    const width = info < 24 ? 0 : 1 << (info - 24);
    const argument = at + 1 + width;
    if (argument > bytes.length) throw malformed('it ends too early');
    const length = width === 0 ? info : unsigned(bytes, at + 1, width);
    at = argument;
    if (major === 2 || major === 3) {
      if (length > bytes.length - at)
        throw malformed(`a string of ${length} bytes where ${bytes.length - at} are left`);
      at += length;
    } else if (major === 4 || major === 5) {
      const members = major === 4 ? length : length * 2;
      if (members > bytes.length - at) throw malformed(`${members} members where ${bytes.length - at} bytes are left`);
      if (open.length >= MAX_DEPTH) throw malformed(`nested deeper than ${MAX_DEPTH}`);
      open.push(remaining);
      remaining = members;
    } else if (major === 6) {
      throw malformed(`tag ${length}`);
    }
  }
}

function unsigned(bytes: Uint8Array, at: number, width: number): number {
  let value = 0;
  for (let i = 0; i < width; i++) value = value * 256 + bytes[at + i];
  return value;
}
