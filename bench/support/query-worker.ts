/**
 * A fresh process that opens a gateway's vault and asks it: one series over a day, again and again for other series, then
 * everything. Prints one line of JSON (QueryFigures).
 *
 * argv[2]: JSON QueryTask.
 */
import { openGatewayVault, type GatewayFolder } from './gateway.ts';

export interface QueryTask {
  folder: GatewayFolder;
  /** The first one is what the fresh process is asked for. */
  series: string[];
  from: number;
  to: number;
  /** Readings of one series between the two, give or take what jitter puts beyond the bounds. */
  expected: number;
  scanSeconds: number;
}

export interface QueryFigures {
  openMs: number;
  /** Until the newest readings are back from the journal and queries are answered. */
  readBackMs: number;
  firstMs: number;
  warmMs: number[];
  firstRowMs: number;
  scanned: number;
  scanMs: number;
}

const task = JSON.parse(process.argv[2] ?? '{}') as QueryTask;
const opening = performance.now();
const vault = await openGatewayVault(task.folder);
const openMs = performance.now() - opening;
try {
  const opened = performance.now();
  await vault.query({ series: ['no such series'] }).next();
  const readBackMs = performance.now() - opened;
  const firstMs = await day(task.series[0]);
  const warmMs: number[] = [];
  for (const series of task.series.slice(1)) warmMs.push(await day(series));
  const all = [...vault.series.entries()].map(({ name }) => name).toSorted();
  const began = performance.now();
  let [scanned, firstRowMs] = [0, 0];
  for await (const page of vault.query({ series: all })) {
    if (scanned === 0) firstRowMs = performance.now() - began;
    scanned += page.length;
    if (performance.now() - began > task.scanSeconds * 1000) break;
  }
  const scanMs = performance.now() - began;
  console.log(
    JSON.stringify({ openMs, readBackMs, firstMs, warmMs, firstRowMs, scanned, scanMs } satisfies QueryFigures),
  );
} finally {
  await vault.close();
}

/** Milliseconds until the last reading is there. */
async function day(series: string): Promise<number> {
  const { from, to, expected } = task;
  const began = performance.now();
  let [count, last] = [0, 0];
  for await (const page of vault.query({ series: [series], from, to })) {
    count += page.length;
    last = page.at(-1)?.time ?? last;
  }
  const took = performance.now() - began;
  if (Math.abs(count - expected) > 2 || to - last > 3_000)
    throw new Error(`${series}: ${count} of ${expected} readings, the last one ${to - last} ms before the end`);
  return took;
}
