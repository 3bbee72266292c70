import { TideError } from '../../node/errors.ts';
import type { Sealer } from '../keys/sealed.ts';
import { PAGE } from './pages.ts';

/** What the first page of a journal file says of it. */
export interface FirstPage {
  /** Counts the files that were ever begun; a recycled file gets a new one. */
  sequence: number;
  /** Number of the first record, and the position at which it begins. */
  first: number;
  position: number;
  /** Tag of the record before the first, zeros when there was none. */
  previous: Uint8Array;
  /** Number of the data key that seals all of the file. */
  keyId: number;
}

/*
 * magic 8 | version u32 | 0 u32 | sequence f64 | first f64 | position f64 | previous 16 | seal 45 | zeros
 */
const MAGIC = Buffer.from('TIDEJRNL', 'latin1');
const VERSION = 1;
const CLEAR = 56;
const SEAL = 45;
/** First member of the place of a seal: what in the journal it is of. */
const FIRST_PAGE = 1;
const NOTHING = new Uint8Array(0);

/** Writes the page into `page`. */
export function sealFirstPage(page: Buffer, said: FirstPage, sealer: Sealer): void {
  page.fill(0, 0, PAGE);
  page.set(MAGIC, 0);
  page.writeUInt32LE(VERSION, 8);
  page.writeDoubleLE(said.sequence, 16);
  page.writeDoubleLE(said.first, 24);
  page.writeDoubleLE(said.position, 32);
  page.set(said.previous, 40);
  page.set(sealer.seal('journal', [FIRST_PAGE, page.subarray(0, CLEAR)], NOTHING, said.keyId), CLEAR);
}

/** Undefined when the page is none, or its seal is broken. */
export function openFirstPage(page: Uint8Array, sealer: Sealer): FirstPage | undefined {
  const bytes = Buffer.from(page.buffer, page.byteOffset, page.length);
  if (bytes.length < CLEAR + SEAL || !bytes.subarray(0, 8).equals(MAGIC) || bytes.readUInt32LE(8) !== VERSION)
    return undefined;
  if (!isSealed(sealer, FIRST_PAGE, bytes.subarray(0, CLEAR), bytes.subarray(CLEAR, CLEAR + SEAL))) return undefined;
  return {
    sequence: bytes.readDoubleLE(16),
    first: bytes.readDoubleLE(24),
    position: bytes.readDoubleLE(32),
    previous: Uint8Array.from(bytes.subarray(40, 56)),
    keyId: bytes.readUInt32LE(CLEAR + 1),
  };
}

/** Whether a seal without contents is that of these clear bytes. */
export function isSealed(sealer: Sealer, what: number, clear: Uint8Array, seal: Uint8Array): boolean {
  try {
    return sealer.open('journal', [what, clear], seal).length === 0;
  } catch (error) {
    if (error instanceof TideError && error.code === 'damaged-record') return false;
    throw error;
  }
}
