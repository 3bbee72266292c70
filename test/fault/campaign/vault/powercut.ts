import { cpSync, mkdirSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { check } from './check.ts';
import { ENTRY, readLog, type LogEntry } from './disk-log.ts';
import type { Group, Kind } from '../kind.ts';
import { countAll } from './count-all.ts';
import { filesBelow, type StoredFile } from './layout.ts';
import type { Ledger } from './ledger.ts';
import { Random } from '../random.ts';
import { RecordedDisk } from './recorded-disk.ts';
import { Site } from './site.ts';
import type { Workload } from './workload.ts';

/** Cuts of one recording. */
const CUTS = 20;

/** A record of what a process did to a vault, with the ledger of the time before. */
export interface Recording {
  root: string;
  entries: LogEntry[];
  before: StoredFile[];
  inode: bigint;
  ledger: Ledger;
  seed: string;
}

/** The power goes while a vault is made, worked with, closed, and opened again after an earlier cut. */
export const powercut: Kind = { rounds: 1_000, group: 40, run: (group) => run(group, false) };
/** The same, and sectors that were being written hold garbage. */
export const torn: Kind = { rounds: 500, group: 40, run: (group) => run(group, true) };

async function run(group: Group, garbage: boolean): Promise<void> {
  const random = new Random(group.seed);
  const site = new Site(group.seed);
  let failures = 0;
  try {
    for (let done = 0; done < group.rounds; done += CUTS) {
      const recording = await record(site, random, group.seed);
      const rounds = Math.min(CUTS, group.rounds - done);
      failures += await cutAll(site, recording, rounds, random, { group, garbage });
      if (failures > 0) return;
      await goOnAfterCut(site, recording, random, garbage);
    }
  } finally {
    if (failures === 0) site.remove();
  }
}

/** Lets a process work on the vault for a while, and records what it does. */
export async function record(
  site: Site,
  random: Random,
  seed: string,
  options: { meanwhile?: (workload: Workload) => Promise<void>; close?: boolean } = {},
): Promise<Recording> {
  const { meanwhile, close = random.chance(0.5) } = options;
  rmSync(site.log, { force: true });
  mkdirSync(site.directory, { recursive: true, mode: 0o700 });
  const ledger = site.ledger.fork();
  const before = filesBelow(site.directory);
  const inode = statSync(site.directory, { bigint: true }).ino;
  const workload = site.workload({ shim: { log: site.log }, shreds: random.chance(0.4) });
  await workload.go();
  if (random.chance(0.9)) await workload.opened();
  if (meanwhile !== undefined) await meanwhile(workload);
  else await site.acknowledges(workload, random.between(10, 160), random.between(0, 5));
  if (workload.shim!.get('unseen') > 0) throw new Error('files are changed through a mapping, which no record shows');
  if (close) await workload.stop();
  else await workload.kill();
  site.layout.keep();
  return { root: site.directory, entries: readLog(site.log), before, inode, ledger, seed };
}

/** Where it is worth cutting: some while the vault opens, half of the others where something else than a write happens. */
function places(entries: readonly LogEntry[], count: number, random: Random): number[] {
  const turns = entries.flatMap(({ entry }, i) => (entry === ENTRY.write || entry === ENTRY.mark ? [] : [i]));
  const opened = Math.max(
    0,
    entries.findIndex(({ entry }) => entry === ENTRY.mark),
  );
  const later = turns.filter((i) => i > opened);
  return Array.from({ length: count }, () => {
    if (random.chance(0.2)) return random.below(opened + 1);
    if (later.length === 0 || random.chance(0.5)) return random.between(opened, entries.length);
    return Math.min(entries.length, random.pick(later) + random.below(3));
  }).sort((a, b) => a - b);
}

interface How {
  group: Group;
  garbage: boolean;
  /** First entry to cut at. */
  from?: number;
  /** A sync has failed before. */
  failedSync?: boolean;
}

/** Cuts a recording at many places and holds each vault against what was acknowledged until then; how many failed. */
export async function cutAll(
  site: Site,
  recording: Recording,
  rounds: number,
  random: Random,
  how: How,
): Promise<number> {
  const { entries, root, before, inode, seed } = recording;
  const disk = new RecordedDisk(root, before, inode, seed);
  const ledger = recording.ledger.fork();
  const from = how.from ?? 0;
  let taken = 0;
  let failures = 0;
  for (const place of places(entries.slice(from), rounds, random).map((place) => place + from)) {
    for (; taken < place; taken++) {
      disk.take(entries[taken]);
      if (entries[taken].entry === ENTRY.mark) ledger.take(Buffer.from(entries[taken].data).toString());
    }
    const cutSeed = `${seed}/cut ${place}/${random.word()}`;
    const left = disk.cut(new Random(cutSeed), how.garbage);
    site.layout.put(left);
    const then = ledger.fork();
    then.cut();
    try {
      await site.with((vault) => check(vault, then, how));
      // What was found once has to stay.
      await site.with((vault) => check(vault, then));
      how.group.passed();
    } catch (error) {
      failures++;
      const kept = path.join(site.home, `failed-${place}`);
      site.layout.put(left);
      cpSync(root, kept, { recursive: true });
      how.group.failed(cutSeed, error, kept);
    }
  }
  countAll(how.group, ledger);
  return failures;
}

/** The next recording begins with what a cut left, so that the cuts of the next one come while it recovers. */
async function goOnAfterCut(site: Site, recording: Recording, random: Random, garbage: boolean): Promise<void> {
  const { root, before, inode, entries, seed } = recording;
  const disk = new RecordedDisk(root, before, inode, seed);
  const place = random.below(entries.length + 1);
  const ledger = recording.ledger.fork();
  for (const entry of entries.slice(0, place)) {
    disk.take(entry);
    if (entry.entry === ENTRY.mark) ledger.take(Buffer.from(entry.data).toString());
  }
  const cut = random.word();
  site.layout.put(disk.cut(new Random(`${cut}`), garbage));
  ledger.cut();
  // What of the last steps is there has to be known; then the vault is recovered once more, under record.
  if (ledger.shredding === undefined) await site.ask((vault) => check(vault, ledger));
  // What the next process would go on with, nobody could tell from what it began.
  else await site.with((vault) => check(vault, ledger));
  site.ledger.become(ledger);
}
