import { TideError } from '@tidegate/nodes/node';
import type { Vault } from '@tidegate/nodes/vault';
import { z } from 'zod';

import { OF_THE_STORE } from './archive-progress.ts';

/** Where a restored vault keeps what it knows of its restoring. */
const PLACE = { namespace: 'restore', key: 'state' } as const;

/** What a vault knows of the backup that is brought into it. */
export interface TargetState {
  /** Digest of the backup. */
  archive: string;
  done: boolean;
  from: { incarnation: string; created: number; head: number };
  aside: { blocks: number; windows: number };
}

const stateShape = z.object({ archive: z.string(), done: z.boolean() });

export async function markTarget(vault: Vault, value: TargetState): Promise<void> {
  await vault.commit([{ kind: 'document', ...PLACE, value }]);
}

/**
 * Throws a TideError `has-data` unless the vault is empty or holds a part of this very backup. `unfinished`: the directory is
 * still marked as an import of it, so that the vault may hold all of it, and nothing else yet.
 */
export async function checkTarget(vault: Vault, archive: string, unfinished = false): Promise<void> {
  const state = stateShape.safeParse(await vault.documents.get(PLACE.namespace, PLACE.key));
  if (state.success && state.data.archive === archive && (unfinished || !state.data.done)) return;
  if (state.success && !state.data.done)
    throw new TideError(
      'other-import',
      'it holds a part of another backup; begin anew with --anew, or finish that one',
    );
  const cut = await vault.cut();
  try {
    const found: string[] = [];
    if (cut.head > 1) found.push(`${cut.head - 1} readings`);
    for (const kind of ['documents', 'blocks', 'alerts', 'consumers'] as const) {
      let count = 0;
      for await (const { items } of cut.pages(kind))
        count += items.filter((item) => !('namespace' in item && OF_THE_STORE.has(item.namespace))).length;
      if (count > 0) found.push(`${count} ${kind}`);
    }
    if (found.length > 0)
      throw new TideError(
        'has-data',
        `its vault holds ${found.join(', ')}; import into a new directory, or one made with: tidegate init --no-grants`,
      );
  } finally {
    await cut.close();
  }
}
