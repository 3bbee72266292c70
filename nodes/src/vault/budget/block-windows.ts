import { unzigzag, VarintReader } from '../varint.ts';

/** Begin of a block's layout (summary/block.ts): version, number of parts, the length of each column, the columns. */
const VERSION = 1;
const COLUMNS = 22;
/** Latest time that a Date can have. */
const MAX_TIME = 8.64e15;

/** Resolution of a stream of summaries, seconds, and the purpose that it travels for; undefined for another stream. */
export function summaryStream(stream: string): { purpose: string; resolution: number } | undefined {
  const match = /^(.+)\/([1-9]\d{0,4})$/.exec(stream);
  return match === null ? undefined : { purpose: match[1], resolution: Number(match[2]) };
}

/**
 * Begin of the first window and of the last one in a block, epoch milliseconds. Undefined for a block that is empty or of
 * another layout: nothing is known of its times then.
 */
export function windowsOf(body: Uint8Array): { from: number; to: number } | undefined {
  if (body.length === 0 || body[0] !== VERSION) return undefined;
  try {
    return windowsIn(new VarintReader(body, 1), body.length);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function windowsIn(reader: VarintReader, bytes: number): { from: number; to: number } | undefined {
  const count = reader.next();
  const lengths = Array.from({ length: COLUMNS }, () => reader.next());
  if (reader.at + lengths.reduce((sum, length) => sum + length, 0) !== bytes) return undefined;
  reader.take(lengths[0]);
  const windows = new VarintReader(reader.take(lengths[1]));
  let [at, from, to] = [0, Infinity, -Infinity];
  for (let i = 0; i < count; i++) {
    at += unzigzag(windows.next());
    from = Math.min(from, at);
    to = Math.max(to, at);
  }
  return from >= -MAX_TIME && to <= MAX_TIME ? { from, to } : undefined;
}
