/**
 * Takes what a revocation covers out of the outbox: parts out of waiting blocks (a block keeps its number, so that the
 * cloud sees no hole), lines out of catalogue blocks, alerts altogether.
 */
import { decodeAlert } from '../detect/alert-codec.ts';
import type { Grants } from '../privacy/grants.ts';
import { blockWithout } from '../summary/block.ts';
import { purposeOf } from '../summary/stream.ts';
import type { Block, Change, Range, Vault } from '../vault/vault.ts';
import { decodeCatalogue, encodeCatalogue } from './catalogue.ts';
import { CATALOGUE_STREAM } from './messages.ts';

/** Bytes of blocks that are read for one slice. */
const SLICE_BYTES = 4 << 20;
const ALERTS_AT_ONCE = 1_000;

export interface Shreds {
  changes: Change[];
  blocks: number;
  alerts: number;
}

/** What has to change in the outbox for nothing to wait in it that `grants` do not allow, a slice at a time. */
export async function* shreds(vault: Vault, grants: Grants): AsyncGenerator<Shreds> {
  yield await alertShreds(vault, grants);
  for (const { stream } of await vault.outbox.streams()) {
    let done = 0;
    while (true) {
      const seen: Range[] = done === 0 ? [] : [[1, done]];
      const blocks = await vault.outbox.peek(stream, 'oldest', seen, SLICE_BYTES);
      const last = blocks.at(-1);
      if (last === undefined) break;
      done = last.number;
      const changes = blocks.flatMap((block): Change[] => {
        const body = withoutRefused(vault, grants, block);
        return body === undefined ? [] : [{ kind: 'rewrite-block', stream, number: block.number, body }];
      });
      yield { changes, blocks: changes.length, alerts: 0 };
    }
  }
}

/** The block's body without what the grants do not allow, or undefined when it may stay as it is. */
export function withoutRefused(vault: Vault, grants: Grants, { stream, body }: Block): Uint8Array | undefined {
  if (body.length === 0) return undefined;
  if (stream === CATALOGUE_STREAM) {
    const lines = decodeCatalogue(body);
    const kept = lines.filter(({ name }) => grants.allowsAny(name));
    if (kept.length === lines.length) return undefined;
    return kept.length === 0 ? new Uint8Array() : encodeCatalogue(kept);
  }
  const purpose = purposeOf(stream) ?? '';
  const kept = blockWithout(body, (number) => {
    const name = vault.series.name(number);
    return name === undefined || !grants.allows(name, purpose);
  });
  return kept === body ? undefined : kept;
}

async function alertShreds(vault: Vault, grants: Grants): Promise<Shreds> {
  const seen = new Set<string>();
  const refused: { id: string; revision: number }[] = [];
  while (true) {
    const alerts = await vault.outbox.alerts(ALERTS_AT_ONCE, seen);
    if (alerts.length === 0) break;
    for (const { id, revision, body } of alerts) {
      seen.add(`${id}/${revision}`);
      if (!grants.allows(decodeAlert(body).series)) refused.push({ id, revision });
    }
  }
  const changes: Change[] = refused.length === 0 ? [] : [{ kind: 'alerts-acknowledged', alerts: refused }];
  return { changes, blocks: 0, alerts: refused.length };
}
