/**
 * Bytes that a reading takes on the disk once it is folded: 1,000 series at 1 Hz, two decimals, an hour of the reference
 * signal, beside plain SQLite rows and SQLite rows encrypted page by page (better-sqlite3-multiple-ciphers), each with
 * the series as a number, without and with the index by series and time that one needs to read them again.
 */
import { statSync } from 'node:fs';
import path from 'node:path';
import Plain from 'better-sqlite3';
import { openVault } from '@tidegate/nodes/vault';
import { requireCiphers } from './support/peers.ts';
import type { Report } from './support/report.ts';
import { BenchFolder, Sensors, bytesBelow } from './support/vaults.ts';

const SERIES = 1_000;
const SECONDS = 3_600;
/** Peers are linear in the rows, so fewer seconds tell the same. */
const PEER_SECONDS = 600;

export async function run(progress: (text: string) => void): Promise<Report> {
  const quiet = await atRest(0.2, progress);
  const noisy = await atRest(1, progress);
  progress('plain SQLite rows');
  const plain = rows(openPlain, false);
  const plainIndexed = rows(openPlain, true);
  progress('encrypted SQLite rows');
  const Ciphers = requireCiphers(progress);
  const openCiphered = (file: string): Plain.Database => {
    const db = new Ciphers(file);
    db.pragma("key='bench'");
    return db;
  };
  const ciphered = rows(openCiphered, false);
  const cipheredIndexed = rows(openCiphered, true);
  return {
    figures: {
      bytes_per_reading: quiet.segments,
      bytes_per_reading_noise_1: noisy.segments,
      bytes_per_reading_with_catalogue: quiet.all,
      sqlite_bytes_per_row: plain,
      sqlite_indexed_bytes_per_row: plainIndexed,
      ciphers_bytes_per_row: ciphered,
      ciphers_indexed_bytes_per_row: cipheredIndexed,
      ratio_sqlite: plain / quiet.segments,
      ratio_ciphers_indexed: cipheredIndexed / quiet.segments,
    },
    goals: { bytes_per_reading: { max: 2 } },
    notes: [
      `${SERIES} series, ${SECONDS} s at 1 Hz, two decimals, 20 ms of jitter; noise sd 0.2 and 1`,
      `peers: a table (series number, time, value) of ${PEER_SECONDS} s, after VACUUM; indexed: with an index by series and time`,
      'bytes_per_reading: all segment files (tags, nonces, indexes); with_catalogue adds keys, catalogue and snapshot, without the preallocated journal',
    ],
  };
}

async function atRest(noise: number, progress: (text: string) => void): Promise<{ segments: number; all: number }> {
  progress(`vault, noise ${noise}`);
  const folder = new BenchFolder();
  try {
    const vault = await openVault(folder.options);
    const sensors = new Sensors(SERIES, noise);
    for (let second = 0; second < SECONDS; second++)
      await vault.journal.append({ source: 'bench', readings: sensors.next() });
    await vault.fold();
    const { readings } = await vault.stats();
    await vault.close();
    if (readings !== SERIES * SECONDS) throw new Error(`${readings} of ${SERIES * SECONDS} readings are there`);
    const { directory } = folder.options;
    const total = bytesBelow(directory) - bytesBelow(path.join(directory, 'journal'));
    return { segments: bytesBelow(path.join(directory, 'segments')) / readings, all: total / readings };
  } finally {
    folder.remove();
  }
}

const openPlain = (file: string): Plain.Database => new Plain(file);

/** Bytes a row of a table that holds the same, after VACUUM. */
function rows(open: (file: string) => Plain.Database, indexed: boolean): number {
  const folder = new BenchFolder();
  try {
    const file = path.join(folder.root, 'rows.db');
    const db = open(file);
    db.pragma('journal_mode = WAL');
    db.exec('CREATE TABLE readings (series INTEGER, time INTEGER, value REAL)');
    if (indexed) db.exec('CREATE INDEX by_series ON readings (series, time)');
    const insert = db.prepare('INSERT INTO readings VALUES (?, ?, ?)');
    const sensors = new Sensors(SERIES, 0.2);
    for (let second = 0; second < PEER_SECONDS; second++) {
      db.transaction(() => {
        for (const [i, { time, value }] of sensors.next().entries()) insert.run(i, time, value);
      })();
    }
    db.exec('VACUUM');
    db.pragma('wal_checkpoint(TRUNCATE)');
    db.close();
    return statSync(file).size / (SERIES * PEER_SECONDS);
  } finally {
    folder.remove();
  }
}
