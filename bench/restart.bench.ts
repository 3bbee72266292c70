/**
 * From the exec of `tidegate run` to the first PUBACK of its broker, after a kill, with 10 million readings and 100,000
 * blocks that the cloud does not have yet, beside a gateway with an empty vault; both open their vault with a passphrase.
 * Then the memory of both processes at a thousand readings a second, beside a Node-RED that does nothing.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Program } from '../test/support/process.ts';
import type { Vault } from '@tidegate/nodes/vault';
import { firstPuback } from './support/first-puback.ts';
import { cli, type GatewayFolder, makeGateway, metric, openGatewayVault, runGateway } from './support/gateway.ts';
import { load } from './support/load.ts';
import { memoryOf } from './support/memory.ts';
import { startIdleNodeRed } from './support/peers.ts';
import { quantileOf, type Report } from './support/report.ts';
import { Sensors } from './support/vaults.ts';

const CLIENTS = 20;
const SERIES_PER_CLIENT = 50;
const SERIES = CLIENTS * SERIES_PER_CLIENT;
const SECONDS = 10_000;
/** Of these, seconds that no segment holds yet at the kill. */
const UNFOLDED_SECONDS = 2_000;
/** Consumers save a series about hourly: what they read again after the kill. */
const UNSAVED_SECONDS = 3_600;
const BLOCKS = 100_000;
const BLOCK_BYTES = 4_096;
const BLOCKS_AT_ONCE = 500;
/** Blocks come a few a minute and are filed at each fold; so many between two folds here. */
const BLOCKS_A_FOLD = 10_000;
const ROUNDS = 3;
const LOAD_SECONDS = 60;
const CATCH_UP_MS = 60_000;
const PASSPHRASE = 'TIDEGATE_BENCH_PASSPHRASE';

export async function run(progress: (text: string) => void): Promise<Report> {
  memoryOf(process.pid);
  process.env[PASSPHRASE] = `bench ${randomBytes(9).toString('base64url')}`;
  const directory = mkdtempSync(path.join(os.tmpdir(), 'tidegate-bench-'));
  const running: Program[] = [];
  try {
    const empty = await gatewayWithPassphrase(path.join(directory, 'empty'));
    const full = await gatewayWithPassphrase(path.join(directory, 'full'));
    await fill(full, progress);
    progress(`starting after a kill, ${ROUNDS} times each`);
    const emptyStarts = await restarts(empty, running);
    const fullStarts = await restarts(full, running);
    const nodeRed = await startIdleNodeRed(directory);
    running.push(nodeRed);
    progress(`a minute at ${SERIES} readings a second`);
    const atStart = memoryOf(fullStarts.program.pid).rssMb;
    await allThere(full);
    const rates = await Promise.all([empty, full].map(({ mqttPort }) => minute(mqttPort)));
    const idle = memoryOf(nodeRed.pid).rssMb;
    const [ofEmpty, ofFull] = [emptyStarts, fullStarts].map(({ program }) => memoryOf(program.pid));
    return {
      figures: {
        first_puback_ms: quantileOf(fullStarts.pubackMs, 0.5),
        first_puback_max_ms: Math.max(...fullStarts.pubackMs),
        flows_running_ms: quantileOf(fullStarts.flowsMs, 0.5),
        empty_first_puback_ms: quantileOf(emptyStarts.pubackMs, 0.5),
        empty_first_puback_max_ms: Math.max(...emptyStarts.pubackMs),
        empty_flows_running_ms: quantileOf(emptyStarts.flowsMs, 0.5),
        rss_over_idle_mb: ofFull.rssMb - idle,
        empty_rss_over_idle_mb: ofEmpty.rssMb - idle,
        rss_after_start_mb: atStart,
        rss_mb: ofFull.rssMb,
        rss_peak_mb: ofFull.peakMb,
        empty_rss_mb: ofEmpty.rssMb,
        idle_node_red_mb: idle,
        readings_per_s: Math.min(...rates),
      },
      goals: { first_puback_max_ms: { max: 3_000 }, rss_over_idle_mb: { max: 70 } },
      notes: [
        `${SERIES * SECONDS} readings of ${SERIES} series, the newest ${SERIES * UNFOLDED_SECONDS} in no segment, ${SERIES * UNSAVED_SECONDS} in no saved state; ${BLOCKS} blocks of ${BLOCK_BYTES} bytes`,
        `${ROUNDS} starts each, SIGKILL before each; a passphrase (scrypt) opens the vault; files are in the system's cache`,
        `memory: resident, of the whole process; after start: once the flows ran; rss: after ${LOAD_SECONDS} s at ${SERIES} readings a second, of which detection and summaries read again what was in no saved state`,
        'idle: Node-RED without flows, same Node, same run',
      ],
    };
  } finally {
    for (const program of running) await program.kill();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** A gateway whose flows ran once, so that its vault knows the nodes that read from it. */
async function gatewayWithPassphrase(directory: string): Promise<GatewayFolder> {
  const folder = await makeGateway(directory);
  await cli('key', 'rotate', directory, '--to', `env:${PASSPHRASE}`);
  const program = runGateway(folder);
  try {
    await program.json();
  } finally {
    await program.stop();
  }
  return folder;
}

async function fill(folder: GatewayFolder, progress: (text: string) => void): Promise<void> {
  const flow = JSON.parse(readFileSync(path.join(folder.directory, 'node-red/flows.json'), 'utf8')) as {
    id: string;
    type: string;
  }[];
  const source = flow.find(({ type }) => type === 'tide-ingest')?.id;
  if (source === undefined) throw new Error('the shipped flow has no tide-ingest node');
  const vault = await openGatewayVault(folder, { env: PASSPHRASE });
  try {
    const names = Array.from({ length: SERIES }, (_, i) => `site/line${i % CLIENTS}/sensor${Math.floor(i / CLIENTS)}`);
    const sensors = new Sensors(names, 0.2, Date.now() - SECONDS * 1000);
    for (let second = 0; second < SECONDS; second++) {
      if (second % 1_000 === 0) progress(`${(second * SERIES) / 1e6} of ${(SECONDS * SERIES) / 1e6} million readings`);
      if (second === SECONDS - UNFOLDED_SECONDS) {
        await blocks(vault, progress);
        await vault.fold();
      }
      await vault.journal.append({ source, readings: sensors.next(), receipts: receipts(second) });
      if (second % 60 === 0) await keepUp(vault);
    }
  } finally {
    await vault.close();
  }
}

const receipts = (second: number): bigint[] =>
  Array.from({ length: SERIES }, (_, i) => BigInt.asUintN(64, BigInt(second * SERIES + i) * 0x9e3779b97f4a7c15n));

/** The flow's nodes have read all but what they save hourly. */
async function keepUp(vault: Vault): Promise<void> {
  const replayFrom = Math.max(1, vault.journal.head - SERIES * UNSAVED_SECONDS);
  const cut = await vault.cut();
  const consumers: string[] = [];
  for await (const { items } of cut.pages('consumers'))
    for (const { consumer } of items) if (consumer !== undefined) consumers.push(consumer);
  await cut.close();
  if (consumers.length === 0) throw new Error('the vault knows no node of the shipped flow');
  await vault.commit(consumers.map((consumer) => ({ kind: 'consumer', consumer, replayFrom })));
}

async function blocks(vault: Vault, progress: (text: string) => void): Promise<void> {
  progress(`${BLOCKS} blocks`);
  for (let i = 0; i < BLOCKS; i += BLOCKS_AT_ONCE) {
    if (i % BLOCKS_A_FOLD === 0) await vault.fold();
    await vault.commit(
      Array.from({ length: BLOCKS_AT_ONCE }, () => ({
        kind: 'block',
        stream: 'operations/60',
        body: randomBytes(BLOCK_BYTES),
      })),
    );
  }
}

/** Readings that no segment holds are counted once they are read back from the journal. */
async function allThere(folder: GatewayFolder): Promise<void> {
  const deadline = performance.now() + CATCH_UP_MS;
  for (;;) {
    const readings = await metric(folder, 'tidegate_vault_readings');
    const waiting = await metric(folder, 'tidegate_outbox_blocks');
    if (readings >= SERIES * SECONDS && waiting >= BLOCKS) return;
    if (performance.now() > deadline)
      throw new Error(`${CATCH_UP_MS / 1000} s after a kill ${readings} readings and ${waiting} blocks are there`);
    await sleep(500);
  }
}

interface Starts {
  pubackMs: number[];
  flowsMs: number[];
  /** Of the last start; it runs. */
  program: Program;
}

async function restarts(folder: GatewayFolder, running: Program[]): Promise<Starts> {
  const [pubackMs, flowsMs]: number[][] = [[], []];
  for (let round = 0; ; round++) {
    const began = performance.now();
    const program = runGateway(folder);
    running.push(program);
    await firstPuback(folder.mqttPort);
    const puback = performance.now() - began;
    await program.json();
    // The first start comes after an orderly stop.
    if (round > 0) {
      pubackMs.push(puback);
      flowsMs.push(performance.now() - began);
    }
    if (round === ROUNDS) return { pubackMs, flowsMs, program };
    await program.kill();
    running.splice(running.indexOf(program), 1);
  }
}

/** Readings a second that were acknowledged. */
async function minute(port: number): Promise<number> {
  const { perSecond } = await load({
    port,
    clients: CLIENTS,
    inFlight: 20,
    seriesPerClient: SERIES_PER_CLIENT,
    warmUpSeconds: 0,
    seconds: LOAD_SECONDS,
    noise: 0.2,
    rate: SERIES,
  });
  await sleep(1_000);
  return perSecond;
}
