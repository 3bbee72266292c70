/**
 * One series over one day out of 100 million readings (1,000 series at 1 Hz, 28 hours), the newest of which lie in no
 * segment yet; the first row of everything, as `tidegate query DIR --series '**'` asks a running gateway for it; and how
 * fast everything is read. Beside it the same day out of a tenth of the rows (100 series) in plain better-sqlite3 with an
 * index by series and time.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { askControlLines } from '../gateway/src/control/http-ask.ts';
import { socketPath } from '../gateway/src/control/socket-path.ts';
import { Program } from '../test/support/process.ts';
import { CLI, type GatewayFolder, makeGateway, metric, openGatewayVault, runGateway } from './support/gateway.ts';
import type { QueryFigures, QueryTask } from './support/query-worker.ts';
import { quantileOf, type Report } from './support/report.ts';
import { deviceNames, Sensors } from './support/vaults.ts';

const SERIES = 1_000;
const SECONDS = 28 * 3_600;
const DAY = 86_400;
/** The newest seconds, which no segment holds: fewer than what brings a fold about. */
const UNFOLDED_SECONDS = 1_800;
const PEER_SERIES = SERIES / 10;
/** Different series that are asked for. */
const ASKED = 50;
const EXPORTS = 5;
const SCAN_SECONDS = 20;
const IN_FLIGHT = 64;
/** Seconds of the signal that are made beforehand and used again, later. */
const DRAWN = 600;
const CATCH_UP_MS = 60_000;

export async function run(progress: (text: string) => void): Promise<Report> {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'tidegate-bench-'));
  try {
    const folder = await makeGateway(path.join(directory, 'gateway'));
    const built = await build(folder, progress);
    progress('queries in a fresh process');
    const found = await ask({
      folder,
      series: chosen(SERIES),
      from: built.end - DAY * 1000,
      to: built.end,
      expected: DAY,
      scanSeconds: SCAN_SECONDS,
    });
    progress('first rows from a running gateway');
    const shown = await firstRows(folder);
    progress(`plain better-sqlite3, ${(PEER_SERIES * SECONDS) / 1e6} million rows`);
    const plain = sqlite(path.join(directory, 'rows.db'));
    return {
      figures: {
        query_p50_ms: quantileOf(found.warmMs, 0.5),
        query_p95_ms: quantileOf(found.warmMs, 0.95),
        query_fresh_ms: found.firstMs,
        open_ms: found.openMs,
        read_back_ms: found.readBackMs,
        export_first_row_ms: quantileOf(shown.socketMs, 0.5),
        export_first_row_max_ms: Math.max(...shown.socketMs),
        vault_first_row_ms: found.firstRowMs,
        cli_first_row_ms: quantileOf(shown.cliMs, 0.5),
        scan_readings_per_s: (found.scanned * 1000) / found.scanMs,
        build_readings_per_s: built.perSecond,
        unfolded_mb: built.openMb,
        sqlite_query_p50_ms: quantileOf(plain, 0.5),
        sqlite_query_p95_ms: quantileOf(plain, 0.95),
      },
      goals: { query_p95_ms: { max: 50 }, export_first_row_max_ms: { max: 200 } },
      notes: [
        `${(SERIES * SECONDS) / 1e6} million readings of ${SERIES} series; a day of one series is ${DAY} readings; ${ASKED} different series, one after the other`,
        `the newest ${(UNFOLDED_SECONDS * SERIES) / 1e6} million readings lie in no segment; read_back: after the opening, until they can be queried`,
        'fresh: the first query of a process; the files may be in the cache of the system',
        `export_first_row: on the control socket of a running gateway, ${EXPORTS} times; cli: from exec of tidegate query to the first row on its standard output`,
        `scan: everything in order of series, ${SCAN_SECONDS} s of it at most`,
        `sqlite: ${(PEER_SERIES * SECONDS) / 1e6} million rows (a tenth) of ${PEER_SERIES} series, not encrypted, index by series and time made after all rows were in; the same day of ${ASKED} series`,
      ],
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Names spread over all series. */
const chosen = (of: number): string[] => deviceNames(of).filter((_, i) => i % Math.floor(of / (ASKED + 1)) === 0);

interface Built {
  /** Epoch milliseconds after the newest reading. */
  end: number;
  perSecond: number;
  openMb: number;
}

async function build(folder: GatewayFolder, progress: (text: string) => void): Promise<Built> {
  const start = Date.now() - SECONDS * 1000;
  const sensors = new Sensors(SERIES, 0.2, start);
  const drawn = Array.from({ length: DRAWN }, () => sensors.next());
  const vault = await openGatewayVault(folder);
  try {
    let second = 0;
    const began = performance.now();
    const lane = async (until: number): Promise<void> => {
      while (second < until) {
        const at = second++;
        if (at % 7_200 === 0)
          progress(`${Math.round((at * SERIES) / 1e6)} of ${(SECONDS * SERIES) / 1e6} million readings`);
        const readings = drawn[at % DRAWN];
        if (at >= DRAWN) for (const reading of readings) reading.time += DRAWN * 1000;
        await vault.journal.append({ source: 'bench', readings });
      }
    };
    const lanes = (until: number): Promise<void[]> => Promise.all(Array.from({ length: IN_FLIGHT }, () => lane(until)));
    await lanes(SECONDS - UNFOLDED_SECONDS);
    await vault.fold();
    const perSecond = ((SECONDS - UNFOLDED_SECONDS) * SERIES * 1000) / (performance.now() - began);
    await lanes(SECONDS);
    const readings = vault.journal.head - 1;
    if (readings !== SERIES * SECONDS) throw new Error(`${readings} of ${SERIES * SECONDS} readings are there`);
    const { openChunkBytes = 0 } = await vault.stats();
    if (openChunkBytes === 0) throw new Error('nothing is left in open chunks: the newest part would not be measured');
    return { end: start + SECONDS * 1000, perSecond, openMb: openChunkBytes / 1e6 };
  } finally {
    await vault.close();
  }
}

async function ask(task: QueryTask): Promise<QueryFigures> {
  const program = Program.node('queries', 'bench/support/query-worker.ts', [JSON.stringify(task)]);
  try {
    return await program.json<QueryFigures>(150_000);
  } finally {
    await program.kill();
  }
}

async function firstRows(folder: GatewayFolder): Promise<{ socketMs: number[]; cliMs: number[] }> {
  const gateway = runGateway(folder);
  try {
    await gateway.json();
    const deadline = performance.now() + CATCH_UP_MS;
    while ((await metric(folder, 'tidegate_vault_readings')) < SERIES * SECONDS) {
      if (performance.now() > deadline) throw new Error('the newest readings were not read back after the start');
      await sleep(500);
    }
    const [socketMs, cliMs]: number[][] = [[], []];
    for (let i = 0; i < EXPORTS; i++) {
      socketMs.push(await onSocket(folder.directory));
      cliMs.push(await onCommandLine(folder.directory));
    }
    return { socketMs, cliMs };
  } finally {
    await gateway.stop();
  }
}

async function onSocket(directory: string): Promise<number> {
  const began = performance.now();
  const socket = socketPath(directory, os.tmpdir(), process.platform);
  const lines = await askControlLines(socket, 'POST', '/query', { series: ['**'] });
  if (lines === undefined) throw new Error(`no gateway listens at ${socket}`);
  for await (const line of lines) if ('rows' in line && line.rows.length > 0) return performance.now() - began;
  throw new Error('the answer has no rows');
}

async function onCommandLine(directory: string): Promise<number> {
  const began = performance.now();
  const program = new Program('tidegate query', process.execPath, [CLI, 'query', directory, '--series', '**']);
  try {
    await program.line(/^site\//);
    return performance.now() - began;
  } finally {
    await program.kill();
  }
}

/** Milliseconds of the same query. */
function sqlite(file: string): number[] {
  const db = new Database(file);
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = NORMAL');
  db.exec('CREATE TABLE readings (series INTEGER, time INTEGER, value REAL)');
  const insert = db.prepare('INSERT INTO readings VALUES (?, ?, ?)');
  const sensors = new Sensors(PEER_SERIES, 0.2);
  for (let second = 0; second < SECONDS; second += 100) {
    db.transaction(() => {
      for (let i = 0; i < 100; i++)
        for (const [number, { time, value }] of sensors.next().entries()) insert.run(number, time, value);
    })();
  }
  db.exec('CREATE INDEX by_series ON readings (series, time)');
  const to = sensors.start + SECONDS * 1000;
  const select = db
    .prepare('SELECT time, value FROM readings WHERE series = ? AND time >= ? AND time < ? ORDER BY time')
    .raw();
  const took: number[] = [];
  for (let i = 0; i < ASKED; i++) {
    const began = performance.now();
    const rows = select.all(Math.floor((i * PEER_SERIES) / ASKED), to - DAY * 1000, to);
    took.push(performance.now() - began);
    if (Math.abs(rows.length - DAY) > 2) throw new Error(`SQLite found ${rows.length} of ${DAY} rows`);
  }
  db.close();
  return took;
}
