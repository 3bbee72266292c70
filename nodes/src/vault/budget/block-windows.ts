import { unzigzag, VarintReader } from '../varint.ts';

/** First byte of a block's layout (summary/block.ts); number of parts, the earliest window and how much later the latest is follow. */
export const BLOCK_VERSION = 3;
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
  if (body.length === 0 || body[0] !== BLOCK_VERSION) return undefined;
  try {
    const reader = new VarintReader(body, 1);
    reader.next();
    const from = unzigzag(reader.next());
    const to = from + reader.next();
    return from >= -MAX_TIME && to <= MAX_TIME ? { from, to } : undefined;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
