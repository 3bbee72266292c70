import type { Ack, Blocks, Verdict } from '@tidegate/nodes/sync';

import { EMPTY_DIGEST, type ForkRecord, type Settled } from '../store/store.ts';
import type { MergerParts } from './merger.ts';
import type { Sender } from './opener.ts';

/**
 * Tells a gateway what stands under numbers of an earlier incarnation of which it has blocks left, so that it sends only
 * what is missing. Where other bytes stand they stay, and it is noted that there were two.
 */
export async function answerTo(
  { store, clock, replies, changed }: MergerParts,
  sender: Sender,
  stream: string,
  ask: NonNullable<Blocks['ask']>,
): Promise<void> {
  const { gatewayId, incarnationId, label } = sender;
  const there = await store.settled(
    incarnationId,
    stream,
    ask.blocks.map(([number]) => number),
  );
  const forks: ForkRecord[] = [];
  const blocks = ask.blocks.map(([number, digest]): [number, Verdict] => {
    const verdict = verdictOn(there.get(number), digest);
    if (verdict === 'other')
      forks.push({ kind: 'fork', gatewayId, incarnationId, stream, number, digest, body: new Uint8Array() });
    return [number, verdict];
  });
  if (forks.length > 0) {
    await store.merge(forks, clock.now());
    changed('gateways', label);
  }
  const body: Ack = { streams: {}, alerts: [], answer: { id: ask.id, blocks } };
  replies.acknowledge(sender, body);
}

function verdictOn(there: Settled | undefined, digest: Uint8Array): Verdict {
  if (there === undefined) return 'wanted';
  const same = Buffer.compare(there.digest, digest) === 0;
  if (there.as === 'poison') return same ? 'poison' : 'wanted';
  if (same || Buffer.compare(digest, EMPTY_DIGEST) === 0) return 'held';
  return Buffer.compare(there.digest, EMPTY_DIGEST) === 0 ? 'wanted' : 'other';
}
