import { Program } from '../../test/support/process.ts';
import type { LoadOptions } from './load-worker.ts';

export interface LoadResult {
  acknowledged: number;
  perSecond: number;
}

/** Publishers in a process of their own; resolves when their time is over. */
export async function load(options: LoadOptions): Promise<LoadResult> {
  const program = Program.node('load', 'bench/support/load-worker.ts', [JSON.stringify(options)]);
  try {
    const patience = (options.warmUpSeconds + options.seconds + 30) * 1000;
    const result = await program.json<LoadResult>(patience);
    await program.ended();
    return result;
  } finally {
    await program.kill();
  }
}
