/**
 * Takes what a revocation covers out of the outbox: parts out of waiting blocks (a block keeps its number, so that the
 * cloud sees no hole), lines out of catalogue blocks, alerts altogether.
 */
import { decodeAlert } from '../detect/alert-codec.ts';
import { reasonOf } from '../node/errors.ts';
import type { Grants } from '../privacy/grants.ts';
import { blockWithout } from '../summary/block.ts';
import { purposeOf } from '../summary/stream.ts';
import { orphanOf } from '../vault/orphans.ts';
import type { Block, Change, QueuedAlert, Range, Vault } from '../vault/vault.ts';
import { blockTally } from './block-tally.ts';
import { decodeCatalogue, encodeCatalogue } from './catalogue.ts';
import { CATALOGUE_STREAM } from './messages.ts';
import { orphanNames, type NameOf } from './orphan-series.ts';

/** Bytes of blocks that are read for one slice. */
const SLICE_BYTES = 4 << 20;
const ALERTS_AT_ONCE = 1_000;

export interface Shreds {
  changes: Change[];
  blocks: number;
  alerts: number;
}

/** What has to change in the outbox for nothing to wait in it that `grants` do not allow, a slice at a time. */
export async function* shreds(vault: Vault, grants: Grants, complain: Complain): AsyncGenerator<Shreds> {
  yield await alertShreds(vault, grants, complain);
  const nameOf = await orphanNames(vault);
  for (const { stream } of await vault.outbox.streams()) {
    let done = 0;
    while (true) {
      const seen: Range[] = done === 0 ? [] : [[1, done]];
      const blocks = await vault.outbox.peek(stream, 'oldest', seen, SLICE_BYTES);
      const last = blocks.at(-1);
      if (last === undefined) break;
      done = last.number;
      const changes = blocks.flatMap((block): Change[] => {
        let readable = true;
        const body = withoutRefused(nameOf, grants, block, (reason) => {
          readable = false;
          complain(reason);
        });
        if (body === undefined) return [];
        // Of one that cannot be read nobody knows what was revoked: its readings are counted as damaged when it ends.
        const tally = readable ? blockTally(stream, body) : undefined;
        return [{ kind: 'rewrite-block', stream, number: block.number, body, ...(tally && { tally }) }];
      });
      yield { changes, blocks: changes.length, alerts: 0 };
    }
  }
}

/** Told of what cannot be read any more: nobody can say whose it is, so it does not leave. */
export type Complain = (reason: string) => void;

/** The block's body without what the grants do not allow, or undefined when it may stay as it is. */
export function withoutRefused(
  nameOf: NameOf,
  grants: Grants,
  block: Block,
  complain: Complain,
): Uint8Array | undefined {
  if (block.body.length === 0) return undefined;
  try {
    return granted(nameOf, grants, block);
  } catch (error) {
    complain(`block ${block.number} of ${block.stream} cannot be read and was emptied: ${reasonOf(error)}`);
    return new Uint8Array();
  }
}

/** Whether an alert may leave. */
export function alertGranted(grants: Grants, { id, body }: QueuedAlert, complain: Complain): boolean {
  try {
    return grants.allows(decodeAlert(body).series);
  } catch (error) {
    complain(`alert ${id} cannot be read and is not sent: ${reasonOf(error)}`);
    return false;
  }
}

function granted(nameOf: NameOf, grants: Grants, { stream: full, body }: Block): Uint8Array | undefined {
  const stream = orphanOf(full)?.name ?? full;
  if (stream === CATALOGUE_STREAM) {
    const lines = decodeCatalogue(body);
    const kept = lines.filter(({ name }) => grants.allowsAny(name));
    if (kept.length === lines.length) return undefined;
    return kept.length === 0 ? new Uint8Array() : encodeCatalogue(kept);
  }
  const purpose = purposeOf(stream) ?? '';
  const kept = blockWithout(body, (number) => {
    const name = nameOf(full, number);
    return name === undefined || !grants.allows(name, purpose);
  });
  return kept === body ? undefined : kept;
}

async function alertShreds(vault: Vault, grants: Grants, complain: Complain): Promise<Shreds> {
  const seen = new Set<string>();
  const refused: { id: string; revision: number }[] = [];
  while (true) {
    const alerts = await vault.outbox.alerts(ALERTS_AT_ONCE, seen);
    if (alerts.length === 0) break;
    for (const alert of alerts) {
      const { id, revision } = alert;
      seen.add(`${id}/${revision}`);
      if (!alertGranted(grants, alert, complain)) refused.push({ id, revision });
    }
  }
  const changes: Change[] = refused.length === 0 ? [] : [{ kind: 'alerts-acknowledged', alerts: refused }];
  return { changes, blocks: 0, alerts: refused.length };
}
