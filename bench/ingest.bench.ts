/**
 * Durable QoS 1 readings a second through the shipped flow (broker -> vault -> detect -> summarize -> bridge), beside the
 * flow that people wire by hand (mosquitto -> mqtt in -> function -> sqlite) and beside aedes with nothing behind it.
 * One reading for each PUBLISH, 100 clients, 20 in flight each. Ours and aedes count what was acknowledged; the stock flow,
 * whose broker acknowledges before anything is stored, is offered more than it can take and its rows are counted. The three
 * are measured one after the other, three times: a machine that is shared changes its speed by half within minutes, so a
 * ratio is taken of neighbours and the median of the three is told.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { Program } from '../test/support/process.ts';
import { shimLibrary } from '../test/support/shim.ts';
import { load as publish, type LoadResult } from './support/load.ts';
import type { LoadOptions } from './support/load-worker.ts';
import { requirePeers, startMosquitto, startStockFlow } from './support/peers.ts';
import type { Report } from './support/report.ts';
import { startBareGateway } from './support/gateway.ts';
import { CLIENTS, IN_FLIGHT, measureSlowDisk, SYNC_MS } from './support/slow-disk.ts';

const ROUNDS = 3;
const SECONDS = 10;
/** Time for the flow to take in what was committed last. */
const SETTLE_SECONDS = 10;
const LOAD: Omit<LoadOptions, 'port'> = {
  clients: 100,
  inFlight: 20,
  seriesPerClient: 10,
  warmUpSeconds: 3,
  seconds: SECONDS,
  noise: 0.2,
};
/** More than the stock flow stores on any machine we know, little enough to leave it the processor. */
const STOCK_OFFERED_PER_S = 6_000;

export async function run(progress: (text: string) => void): Promise<Report> {
  // What is missing is said before anything is measured.
  requirePeers(progress);
  shimLibrary();
  const directory = mkdtempSync(path.join(os.tmpdir(), 'tidegate-bench-'));
  try {
    const rounds: { aedes: number; stock: number; tidegate: number; flowedShare: number }[] = [];
    for (let round = 1; round <= ROUNDS; round++) {
      const folder = path.join(directory, `round-${round}`);
      mkdirSync(folder);
      progress(`round ${round} of ${ROUNDS}: bare aedes`);
      const aedes = await measureAedes();
      progress(`round ${round} of ${ROUNDS}: stock flow`);
      const stock = await measureStock(folder, progress);
      progress(`round ${round} of ${ROUNDS}: tidegate, shipped flow, noise 0.2`);
      const { perSecond: tidegate, flowedShare } = await measureTidegate(path.join(folder, 'gateway'), 0.2);
      rounds.push({ aedes, stock, tidegate, flowedShare });
    }
    const ratios = rounds.map(({ tidegate, stock }) => tidegate / stock);
    progress('tidegate, shipped flow, noise 1');
    const noisy = await measureTidegate(path.join(directory, 'noisy'), 1);
    progress(`tidegate, shipped flow, syncs of ${SYNC_MS} ms`);
    const slow = await measureSlowDisk(path.join(directory, 'slow'));
    return {
      figures: {
        tidegate_per_s: median(rounds.map(({ tidegate }) => tidegate)),
        tidegate_noise_1_per_s: noisy.perSecond,
        stock_per_s: median(rounds.map(({ stock }) => stock)),
        aedes_per_s: median(rounds.map(({ aedes }) => aedes)),
        ratio_stock: median(ratios),
        ratio_stock_min: Math.min(...ratios),
        ratio_stock_max: Math.max(...ratios),
        ratio_aedes: median(rounds.map(({ tidegate, aedes }) => tidegate / aedes)),
        flowed_share: Math.min(...rounds.map(({ flowedShare }) => flowedShare)),
        slow_fsync_loop_p99_ms: slow.loopP99Ms,
        slow_fsync_start_loop_p99_ms: slow.startLoopP99Ms,
        slow_fsync_idle_loop_p99_ms: slow.idleLoopP99Ms,
        slow_fsync_per_s: slow.perSecond,
      },
      goals: {
        ratio_stock: { min: 60 },
        ratio_aedes: { min: 0.25 },
        slow_fsync_loop_p99_ms: { max: 20 },
        slow_fsync_per_s: { min: 2_000 },
      },
      notes: [
        `${LOAD.clients} clients, ${LOAD.inFlight} in flight, ${LOAD.clients * LOAD.seriesPerClient} series, ${SECONDS} s each, load generator on the same machine; medians of ${ROUNDS} rounds`,
        `flowed_share: part of the readings in the vault that detection and summaries had taken in ${SETTLE_SECONDS} s after the load ended; the least of the rounds`,
        `slow_fsync: each sync takes ${SYNC_MS} ms, ${CLIENTS} clients, ${IN_FLIGHT} in flight; delay of the gateway's event loop`,
      ],
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

const load = (options: Partial<LoadOptions> & { port: number }): Promise<LoadResult> =>
  publish({ ...LOAD, ...options });

async function measureAedes(): Promise<number> {
  const broker = Program.node('aedes', 'bench/support/bare-aedes-worker.ts');
  try {
    const { port } = await broker.json<{ port: number }>();
    return (await load({ port })).perSecond;
  } finally {
    await broker.stop();
  }
}

async function measureStock(directory: string, progress: (text: string) => void): Promise<number> {
  const peers = requirePeers(progress);
  const mosquitto = await startMosquitto(peers.mosquitto, directory);
  const flow = await startStockFlow(directory, mosquitto.port, peers.sqliteNode);
  try {
    const publishing = load({ port: mosquitto.port, rate: STOCK_OFFERED_PER_S });
    await sleep(LOAD.warmUpSeconds * 1000);
    const database = new Database(flow.database, { readonly: true, timeout: 10_000 });
    const rows = (): number =>
      (database.prepare('SELECT max(rowid) AS n FROM readings').get() as { n: number | null }).n ?? 0;
    const before = rows();
    const start = performance.now();
    await sleep(SECONDS * 1000 - 500);
    const perSecond = ((rows() - before) * 1000) / (performance.now() - start);
    database.close();
    const { perSecond: offered } = await publishing;
    if (perSecond < 10) throw new Error(`the stock flow stored ${perSecond} rows a second:\n${flow.program.output()}`);
    if (offered < perSecond * 1.2)
      throw new Error(`the stock flow took all of the ${offered} messages a second that it was offered`);
    return perSecond;
  } finally {
    await flow.program.stop();
    await mosquitto.program.stop();
  }
}

async function measureTidegate(directory: string, noise: number): Promise<LoadResult & { flowedShare: number }> {
  const gateway = await startBareGateway(directory);
  try {
    const result = await load({ port: gateway.mqttPort, noise });
    await sleep(SETTLE_SECONDS * 1000);
    const { readings, flowed } = await gateway.stop();
    if (readings < result.acknowledged)
      throw new Error(`${result.acknowledged} readings were acknowledged, the vault holds ${readings}`);
    return { ...result, flowedShare: flowed / readings };
  } finally {
    await gateway.program.stop();
  }
}
