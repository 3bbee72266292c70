import { systemClock, type Clock } from '../node/clock.ts';
import { TideError } from '../node/errors.ts';
import { markDamaged } from './catalogue/file-damage-mark.ts';
import { openVault } from './file-vault.ts';
import type { VaultOptions, VaultStats } from './vault.ts';

/** What a vault held once its catalogue had been made again. */
export type Rebuilt = Pick<
  VaultStats,
  'readings' | 'segments' | 'blocksWaiting' | 'alertsWaiting' | 'damaged' | 'problems' | 'incarnation'
>;

/**
 * Makes the catalogue of a vault again from its snapshot, its journal and its segments; the one that was there is set
 * aside in the vault's directory. Nobody may have the vault open. Throws TideError `damaged`, and has changed nothing, when a
 * snapshot or the journal is not whole: what was lost with it might be in the catalogue alone.
 */
export async function rebuildVault(options: VaultOptions, clock: Clock = systemClock): Promise<Rebuilt> {
  const before = await openVault(options, clock);
  const { directory } = before;
  try {
    for await (const { place, kind, text } of before.verify())
      if (kind !== 'torn' && /^(snapshot|journal)\b/.test(place))
        throw new TideError(
          'damaged',
          `${place}: ${kind}, ${text}; the catalogue may hold what is lost there, so it is left as it is`,
        );
  } finally {
    await before.close();
  }
  markDamaged(directory, 'asked for');
  const after = await openVault(options, clock);
  try {
    const { readings, segments, blocksWaiting, alertsWaiting, damaged, problems, incarnation } = await after.stats();
    return {
      readings,
      ...(segments !== undefined && { segments }),
      blocksWaiting,
      alertsWaiting,
      damaged,
      problems,
      incarnation,
    };
  } finally {
    await after.close();
  }
}
