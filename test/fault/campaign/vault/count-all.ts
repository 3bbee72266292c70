import type { Group } from '../kind.ts';
import type { Ledger } from './ledger.ts';

/** What the vault did while it was hurt. */
export function countAll(group: Group, ledger: Ledger): void {
  group.count('acknowledged', ledger.acknowledged);
  for (const word of ['folded', 'shredded']) group.count(word, ledger.count(word));
}
