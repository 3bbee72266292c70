import type { VaultSizes } from '@tidegate/nodes/vault';
import { check } from './check.ts';
import type { Ledger } from './ledger.ts';
import type { Site } from './site.ts';
import type { Act } from './task.ts';
import type { Workload } from './workload.ts';

/** A process under the shim. `end` resolves to its exit code, null after a kill. */
export type Victim = Pick<Workload, 'shim' | 'running' | 'end'>;

/** Something that a vault does in several operations on the disk; it is killed in place of each of them. */
export interface Scenario {
  name: string;
  /** Absent: any. */
  sizes?: VaultSizes;
  /** What lies there before. */
  prepare(site: Site): Promise<void>;
  /** What is killed; ends when the process has ended. */
  act(site: Site, killAt: number): Promise<Victim>;
  /** Words that the process has to have marked when nobody kills it: else it did not do what is to be killed. */
  does: readonly string[];
  /** Holds what is left against the ledger, instead of a mere look into the vault. */
  judge?(site: Site, ledger: Ledger): Promise<void>;
}

export const FOLD: Act = { act: 'fold' };

/** Lets all writers go so many steps, does something, and holds the vault against the ledger. */
export async function work(site: Site, steps: number, acts: readonly Act[] = []): Promise<void> {
  const workload = site.workload({ steps, acts });
  await workload.go();
  await workload.end();
  site.takeMarks();
  site.ledger.cut();
  await site.ask((vault) => check(vault, site.ledger));
}

/** The same, killed in place of an operation (0: of none), and nothing is looked at. */
export async function act(site: Site, steps: number, killAt: number, acts: readonly Act[] = []): Promise<Workload> {
  const workload = site.workload({ shim: {}, steps, acts });
  workload.shim!.set('killAt', killAt);
  await workload.go();
  return workload;
}

/** A vault with segments, block files and a journal that was used again, and something that is not folded yet. */
export async function settled(site: Site): Promise<void> {
  for (let times = 0; times < 2; times++) await work(site, 8, [FOLD]);
  await work(site, 6);
}
