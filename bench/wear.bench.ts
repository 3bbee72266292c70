/**
 * Bytes written to the block device for each reading at 1,000 readings a second, everything included: journal, folding,
 * catalogue, snapshots, the file system's own. Counted by the kernel on a device of our own (needs root). Readings carry
 * the receipts of QoS 1 publishes, the summarizer of the shipped flow closes windows and saves those that are open, its
 * blocks are acknowledged, and a consumer as large as a detector saves its states about hourly. Beside it plain SQLite
 * with one transaction a second.
 *
 * Hours of readings are handed over second by second without waiting for the clock: a commit a second is
 * what a commit delay of a second gives. The table of latency against wear does the same with other delays.
 */
import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { openVault, type Vault } from '@tidegate/nodes/vault';
import type { Reading } from '@tidegate/nodes/reading';
import { BlockDevice } from './support/block-device.ts';
import type { Report } from './support/report.ts';
import { SummarizedVault } from './support/summaries.ts';
import { BenchFolder, Sensors } from './support/vaults.ts';

const SERIES = 1_000;
const HOUR = 3_600;
/** The table's other rows fold that often, for they have more commits: the catalogue's pages are written four times as often there. */
const QUARTER = 900;
/** Seconds between two folds, and by which the detector's checkpoints lag. */
const cycleOf = (commitsPerSecond: number): number => (commitsPerSecond === 1 ? HOUR : QUARTER);
/** Commits a second; 1 is a PUBACK within a second. */
const RATES = [10, 4, 1, 0.2] as const;
/** Cycles from fold to fold, at most, until one needs no journal file that is not there yet. */
const CYCLES = 12;
const SQLITE_SECONDS = 1_200;
const DETECTOR = 'detect/bench';
const STATE_BYTES = 600;
const DEVICE_BYTES = 2 ** 30;

export async function run(progress: (text: string) => void): Promise<Report> {
  const figures: Record<string, number> = {};
  progress('plain SQLite, a transaction a second');
  const plain = await onDevice(async ({ mount, written }) => {
    const rows = sqlite(mount, SQLITE_SECONDS);
    return written() / rows;
  });
  for (const rate of RATES) {
    progress(`vault, ${rate} commits a second`);
    const name = rate === 1 ? 'bytes_per_reading' : `bytes_per_reading_delay_${1000 / rate}_ms`;
    const found = await onDevice((device) => wear(device, rate));
    figures[name] = found.device;
    if (rate === 1)
      for (const [what, bytes] of Object.entries(found.parts)) figures[`${what}_bytes_per_reading`] = bytes;
  }
  figures['sqlite_bytes_per_row'] = plain;
  figures['ratio_sqlite'] = figures['sqlite_bytes_per_row'] / figures['bytes_per_reading'];
  return {
    figures,
    goals: { bytes_per_reading: { max: 16 } },
    notes: [
      `${SERIES} readings a second, noise sd 0.2, a receipt for each; one cycle from fold to fold, the first for which no journal file is laid out anew`,
      'sectors written to a loop device with ext4 as the kernel counts them (/sys/block/*/stat)',
    ],
  };
}

interface Measured {
  device: number;
  /** What the vault handed to the disk, by what it was for. */
  parts: { journal: number; segments: number; catalogue: number };
}

interface Device {
  mount: string;
  written: () => number;
}

async function onDevice<T>(measure: (device: Device) => Promise<T>): Promise<T> {
  const device = BlockDevice.make(DEVICE_BYTES);
  const before = device.written();
  try {
    return await measure({ mount: device.mount, written: () => device.written() - before });
  } finally {
    device.remove();
  }
}

async function wear({ mount, written }: Device, commitsPerSecond: number): Promise<Measured> {
  const folder = new BenchFolder(mount);
  const vault = await openVault(folder.options);
  const sensors = new Sensors(SERIES, 0.2);
  const summarized = await SummarizedVault.open(vault);
  await vault.commit([{ kind: 'consumer', consumer: DETECTOR, replayFrom: 1 }]);
  const source = { vault, summarized, sensors, rate: commitsPerSecond };
  const cycle = cycleOf(commitsPerSecond);
  let turn = 0;
  const measured = async (): Promise<Measured> => {
    const [before, first] = [written(), await vault.stats()];
    await feed(source, turn * cycle, (turn + 1) * cycle);
    turn++;
    await vault.fold();
    const last = await vault.stats();
    const readings = (last.readingsWritten ?? 0) - (first.readingsWritten ?? 0);
    const part = (name: keyof Measured['parts']): number =>
      ((last.bytesWritten?.[name] ?? 0) - (first.bytesWritten?.[name] ?? 0)) / readings;
    return {
      device: (written() - before) / readings,
      parts: { journal: part('journal'), segments: part('segments'), catalogue: part('catalogue') },
    };
  };
  // A file of the journal is laid out once, and used again as long as the vault lives.
  const laidOut = (): number => {
    const journal = path.join(folder.options.directory, 'journal');
    return Math.max(...readdirSync(journal).map((name) => statSync(path.join(journal, name)).birthtimeMs));
  };
  await measured();
  for (;;) {
    const before = laidOut();
    const found = await measured();
    if (laidOut() === before) {
      await vault.close();
      return found;
    }
    if (turn === CYCLES) throw new Error(`files of the journal are still laid out after ${turn} cycles`);
  }
}

interface Source {
  vault: Vault;
  summarized: SummarizedVault;
  sensors: Sensors;
  /** Commits a second. */
  rate: number;
}

async function feed({ vault, summarized, sensors, rate }: Source, from: number, to: number): Promise<void> {
  let pending: Reading[] = [];
  const commit = async (readings: Reading[], second: number, taken: number): Promise<void> => {
    summarized.release();
    const first = await append(vault, readings, taken);
    summarized.take(readings, first, sensors.start + 1000 * (second + 1));
  };
  for (let second = from; second < to; second++) {
    pending = pending.concat(sensors.next());
    const saved = save(vault, second, cycleOf(rate));
    if (rate >= 1) {
      const step = Math.ceil(pending.length / rate);
      for (let at = 0; at < pending.length; at += step)
        await commit(pending.slice(at, at + step), second, second * SERIES + at);
      pending = [];
    } else if ((second + 1) % Math.round(1 / rate) === 0) {
      await commit(pending, second, second * SERIES);
      pending = [];
    }
    await saved;
  }
  await summarized.settled();
}

function append(vault: Vault, readings: Reading[], taken: number): Promise<number> {
  // A hundred clients that count their packet identifiers up, and 16 bits of content.
  const receipts = readings.map(
    (_, i) =>
      (((BigInt((i % 100) + 1) * 0x9e3779b1n) % 2n ** 32n) << 32n) |
      (BigInt(Math.floor((taken + i) / 100) & 0xffff) << 16n) |
      BigInt(Math.imul(taken + i, 0x85eb) & 0xffff),
  );
  return vault.journal.append({ source: 'bench', readings, receipts });
}

/** Every series once an hour, spread over it. */
async function save(vault: Vault, second: number, lag: number): Promise<void> {
  if (second % 10 !== 0) return;
  const { head } = vault.journal;
  const due = Array.from({ length: 3 }, (_, i) => 1 + ((Math.floor(second / 10) * 3 + i) % SERIES));
  await vault.commit([
    ...due.map((series) => ({
      kind: 'checkpoint' as const,
      consumer: DETECTOR,
      series,
      position: head - 1,
      state: randomState(second + series),
    })),
    { kind: 'consumer', consumer: DETECTOR, replayFrom: Math.max(1, head - lag * SERIES) },
  ]);
}

function randomState(seed: number): Uint8Array {
  const bytes = new Uint8Array(STATE_BYTES);
  let state = seed + 1;
  for (let i = 0; i < STATE_BYTES; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** Rows of (series, time, value) without an index, one transaction a second, synced. */
function sqlite(mount: string, seconds: number): number {
  const db = new Database(path.join(mount, 'rows.db'));
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = FULL');
  db.exec('CREATE TABLE readings (series INTEGER, time INTEGER, value REAL)');
  const insert = db.prepare('INSERT INTO readings VALUES (?, ?, ?)');
  const sensors = new Sensors(SERIES, 0.2);
  for (let second = 0; second < seconds; second++) {
    db.transaction(() => {
      for (const [i, { time, value }] of sensors.next().entries()) insert.run(i, time, value);
    })();
  }
  db.close();
  return SERIES * seconds;
}
