import { ORPHAN_SERIES, orphanOf } from '../vault/orphans.ts';
import type { Vault } from '../vault/vault.ts';

/** Name of a series by its number in a stream; undefined when nobody knows it. */
export type NameOf = (stream: string, number: number) => string | undefined;

/** Blocks of an earlier incarnation name series by the numbers of that one; a vault that was restored may have given out others. */
export async function orphanNames(vault: Vault): Promise<NameOf> {
  const renumbered = new Map<string, number>();
  const taken = new Set<string>();
  for (const { key, value } of await vault.documents.list(ORPHAN_SERIES)) {
    renumbered.set(key, Number(value));
    taken.add(`${key.slice(0, key.indexOf('/'))}/${Number(value)}`);
  }
  return (stream, number) => {
    const orphan = orphanOf(stream);
    if (orphan === undefined) return vault.series.name(number);
    const there = `${orphan.incarnation}/${number}`;
    const here = renumbered.get(there);
    if (here !== undefined) return vault.series.name(here);
    // Another series has this number now, and what had it then is not known any more.
    return taken.has(there) ? undefined : vault.series.name(number);
  };
}
