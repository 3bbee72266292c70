/**
 * Readings a second that the vault takes in durably when they are handed over in batches, sustained over several folds,
 * beside plain better-sqlite3 with a thousand rows a transaction (WAL, synchronous=FULL: as durable, not encrypted).
 */
import path from 'node:path';
import Database from 'better-sqlite3';
import { openVault } from '@tidegate/nodes/vault';
import type { Report } from './support/report.ts';
import { BenchFolder, Sensors } from './support/vaults.ts';

const SERIES = 1_000;
const SECONDS = 20;
const IN_FLIGHT = 64;
const PEER_SECONDS = 5;

export async function run(progress: (text: string) => void): Promise<Report> {
  progress('vault');
  const ours = await vault();
  progress('plain better-sqlite3');
  const plain = sqlite();
  return {
    figures: {
      readings_per_s: ours.perSecond,
      folds: ours.folds,
      unfolded_share: ours.unfolded,
      commit_p99_ms: ours.commitP99Ms,
      sqlite_per_s: plain,
      ratio_sqlite: ours.perSecond / plain,
    },
    goals: { readings_per_s: { min: 1_000_000 } },
    notes: [
      `batches of ${SERIES} readings (one of each series), ${IN_FLIGHT} under way, ${SECONDS} s; the readings are made beforehand and used again with later times`,
      'unfolded_share: part of the readings that was not in a segment yet at the end: folding keeps up when it is small',
    ],
  };
}

async function vault(): Promise<{ perSecond: number; folds: number; unfolded: number; commitP99Ms: number }> {
  const folder = new BenchFolder();
  try {
    const store = await openVault(folder.options);
    const sensors = new Sensors(SERIES, 0.2);
    const seconds = Array.from({ length: 600 }, () => sensors.next());
    let taken = 0;
    let turn = 0;
    const started = performance.now();
    const until = started + SECONDS * 1000;
    const lane = async (): Promise<void> => {
      while (performance.now() < until) {
        const at = turn++;
        const readings = seconds[at % seconds.length];
        const later = 600_000 * Math.floor(at / seconds.length);
        if (later > 0) for (const reading of readings) reading.time += 600_000;
        await store.journal.append({ source: 'bench', readings });
        taken += readings.length;
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
    const perSecond = (taken * 1000) / (performance.now() - started);
    const { segments = 0, commitP99Ms } = await store.stats();
    const before = segments;
    const openBytes = (await store.stats()).openChunkBytes ?? 0;
    await store.fold();
    const after = await store.stats();
    await store.close();
    if (after.readings !== taken)
      throw new Error(`${taken} readings were acknowledged, the vault holds ${after.readings}`);
    const unfolded = openBytes / Math.max(1, (after.bytesPerReading ?? 2) * taken);
    return { perSecond, folds: before, unfolded, commitP99Ms };
  } finally {
    folder.remove();
  }
}

function sqlite(): number {
  const folder = new BenchFolder();
  try {
    const db = new Database(path.join(folder.root, 'rows.db'));
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = FULL');
    db.exec('CREATE TABLE readings (series INTEGER, time INTEGER, value REAL)');
    const insert = db.prepare('INSERT INTO readings VALUES (?, ?, ?)');
    const sensors = new Sensors(SERIES, 0.2);
    const seconds = Array.from({ length: 100 }, () => sensors.next());
    let taken = 0;
    const started = performance.now();
    while (performance.now() - started < PEER_SECONDS * 1000) {
      const readings = seconds[(taken / SERIES) % seconds.length];
      db.transaction(() => {
        for (const [i, { time, value }] of readings.entries()) insert.run(i, time + taken, value);
      })();
      taken += readings.length;
    }
    const perSecond = (taken * 1000) / (performance.now() - started);
    db.close();
    return perSecond;
  } finally {
    folder.remove();
  }
}
