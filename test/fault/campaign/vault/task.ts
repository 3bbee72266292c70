import type { WriterState } from './writer-state.ts';

import type { BudgetOptions, VaultSizes } from '@tidegate/nodes/vault';

/** What a workload process is told. */
export interface Task {
  directory: string;
  /** Key file. */
  key: string;
  /** File that acknowledgements are appended to. */
  marks: string;
  seed: string;
  writers: WriterState[];
  /** Steps of each writer, after which the vault is closed. */
  steps: number;
  sizes: VaultSizes;
  /** Absent: what the vault finds. */
  budget?: BudgetOptions | undefined;
  /** What goes on between the steps, at random. */
  upkeep: Upkeep;
  /** What is done, one after the other, once the steps are done. */
  acts: readonly Act[];
}

export interface Upkeep {
  folds: boolean;
  shreds: boolean;
}

export type Act =
  | { act: 'fold' }
  /** All months before this one. */
  | { act: 'shred'; before: string }
  /** To the secret in another file, as the command line does it: marked when the configuration would change. */
  | { act: 'rotate'; to: string }
  /** All readings are summarised, and so many blocks of minutes wait that hours cover. */
  | { act: 'summarise'; minutes: number }
  /** Until the vault takes less than nine tenths of its quota, and a fold more. */
  | { act: 'give-way' }
  /** Marks whether gaps are declared, and the ballast is gone. */
  | { act: 'look' };

/** As many steps as there is time for. */
export const WITHOUT_END = 1e9;
