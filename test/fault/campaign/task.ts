import type { WriterState } from './writer-state.ts';

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
}

/** As many steps as there is time for. */
export const WITHOUT_END = 1e9;
