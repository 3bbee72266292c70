import { decodeBlock } from '../summary/block.ts';
import { resolutionOf } from '../summary/stream.ts';
import type { Part } from '../summary/summary.ts';
import { encodeTally } from '../vault/accounts.ts';
import { orphanOf } from '../vault/orphans.ts';

/** How many readings of which series are in parts (bad ones too), as the vault keeps it beside the block that holds them. */
export function tallyOf(parts: readonly Part[]): Uint8Array {
  const tally = new Map<number, number>();
  for (const { series, summary } of parts) tally.set(series, (tally.get(series) ?? 0) + summary.count + summary.bad);
  return encodeTally(tally);
}

/** The same of a block's body; undefined for a stream that carries no parts. Throws TideError for a body that cannot be read. */
export function blockTally(stream: string, body: Uint8Array): Uint8Array | undefined {
  const name = orphanOf(stream)?.name ?? stream;
  return resolutionOf(name) === undefined ? undefined : tallyOf(decodeBlock(body));
}
