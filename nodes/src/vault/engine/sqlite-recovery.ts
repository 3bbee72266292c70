import type { Clock } from '../../node/clock.ts';
import type { TideError } from '../../node/errors.ts';
import { sharesOf } from '../budget/shares.ts';
import { Catalogue, type CatalogueKeys } from '../catalogue/sqlite-catalogue.ts';
import type { Owner } from '../catalogue/sqlite-owner.ts';
import { snapshotRecord } from '../catalogue/sqlite-snapshot.ts';
import type { Disk, Finding } from '../disk.ts';
import { JournalLog } from '../journal/journal-log.ts';
import type { KeyStore } from '../keys/file-key-store.ts';
import { Sealer } from '../keys/sealed.ts';
import { ReadingStore, type SegmentEntry } from '../readings/reading-store.ts';
import { fileOf } from '../readings/segment-entry.ts';
import { BlockFiles } from './block-files.ts';
import { CatchUp } from './catch-up.ts';
import { settledBudget } from './file-room.ts';
import { noteClosed, noteKeyless } from './closed-journal.ts';
import { FindingLog } from './finding-log.ts';
import { wholeSegment } from './lost-readings.ts';
import { recallReceipts, redoInto } from './redo.ts';
import { settleIncarnation } from './sqlite-incarnation.ts';
import type { OpenOptions } from './sqlite-open.ts';
import { Parts } from './sqlite-parts.ts';

/** What is decided before anything else is opened. */
export interface Claimed {
  owner: Owner;
  disk: Disk;
  keys: KeyStore;
  /** Found so far. */
  problems: string[];
}

/**
 * Opens what a claimed vault holds and brings it up to the journal's end: catalogue, journal, segments, in the order in
 * which one vouches for the next. Readings that no segment holds are read back later, by `parts.catchUp`.
 */
export function recover(options: OpenOptions, { owner, disk, keys, problems }: Claimed): Parts {
  const { directory, clock, secret, sizes } = options;
  const sealer = new Sealer(keys.ring, keys.storeId);
  const store: CatalogueKeys = { keys: keys.ring, sealer, monthKey: () => keys.monthKey(clock.now()) };
  const blockFiles = new BlockFiles(disk.below('blocks'));
  const state = disk.below('state');
  const opened = Catalogue.open(directory, state, store, blockFiles);
  const { catalogue } = opened;
  problems.push(...opened.problems);
  const findings = new FindingLog(problems, catalogue.damage);
  const open: { close(): void }[] = [catalogue];
  try {
    const budget = settledBudget(options.budget, directory, catalogue.documents);
    const { journalFile, spareFiles } = sharesOf(budget.quotaBytes);
    const { log, findings: found } = JournalLog.open(disk.below('journal'), sealer, () => keys.ring.journal, {
      acknowledged: catalogue.applied,
      fileBytes: sizes.journalFile ?? journalFile,
      // As many as fill up between two folds, so that none is made anew.
      spare: spareFiles,
      onFinding: (finding) => findings.note(finding),
    });
    open.push(log);
    const { applied } = catalogue;
    const { last } = log;
    const lossyJournal = redoTail(catalogue, log, found, findings);
    const readings = openReadings(disk.below('segments'), { catalogue, keys, sealer, clock, findings }, sizes.unfolded);
    open.push(readings);
    // Of the newest one, too, when it was given up: what it held is not to be taken in again.
    const { newest } = catalogue.segments;
    const folded = Math.max(newest?.recordTo ?? 0, ...readings.entries().map(({ recordTo }) => recordTo));
    const catchUp = new CatchUp({
      log,
      readings,
      clock,
      from: folded + 1,
      destroyed: catalogue.destroyed.list(),
      onDamage: (finding, lost) => findings.note(finding, lost),
    });
    noteClosed(
      log,
      {
        // Where the catalogue has nothing left to go by, what it once had applied is not known.
        applied: opened.lossy || applied === 0 ? Infinity : applied,
        folded: Math.max(folded, catalogue.counter('folded')),
      },
      findings,
    );
    noteMissing(Math.max(last, ...log.closed.map(({ records }) => records.at(-1)!.number)), applied, findings);
    noteKeyless(readings.entries(), keys.ring, findings);
    readings.onBroken = (entry, thrown, chunk) => noteBroken(readings, findings, entry, thrown, chunk);
    const parts = new Parts({
      directory,
      clock,
      owner,
      disk,
      keys,
      store,
      catalogue,
      log,
      readings,
      blockFiles,
      state,
      catchUp,
      budget,
      findings,
      folded,
      snapshotRecord: snapshotRecord(state, sealer),
    });
    recallWindow(parts);
    parts.reconcileKeys(secret);
    settleIncarnation(parts, { isNew: opened.isNew, lossy: opened.lossy || lossyJournal });
    return parts;
  } catch (error) {
    for (const one of open.toReversed()) one.close();
    throw error;
  }
}

/** Brings the catalogue up to the journal's end. True when numbers may be given out again that were given out before. */
function redoTail(catalogue: Catalogue, log: JournalLog, found: readonly Finding[], findings: FindingLog): boolean {
  for (const finding of found) findings.note(finding);
  const before = catalogue.applied;
  // Numbers go on behind what lies there and cannot be opened, and so do positions.
  const closed = log.closed.map(({ records }) => records.at(-1)!);
  const reach = Math.max(before, ...closed.map(({ number }) => number));
  const rolledBack = log.last < reach;
  if (rolledBack) log.startAt(reach + 1);
  catalogue.advance(Math.max(1, ...closed.map(({ first, count }) => first + count)));
  const report = redoInto(catalogue, log);
  for (const finding of report.findings) findings.note(finding);
  catalogue.destroyed.forget(log.oldest);
  const newest = log.head(log.last);
  if (newest !== undefined) catalogue.advance(newest.first + newest.count);
  return rolledBack || report.lossy;
}

/** Records that the catalogue has seen, and of which nothing lies in the journal. */
function noteMissing(last: number, applied: number, findings: FindingLog): void {
  if (last >= applied) return;
  const place = `journal records ${last + 1} to ${applied}`;
  findings.note({ place, kind: 'rolled-back', text: 'the journal is older than the catalogue' });
}

interface SegmentContext {
  catalogue: Catalogue;
  keys: KeyStore;
  sealer: Sealer;
  clock: Clock;
  findings: FindingLog;
}

/** Segments as the catalogue lists them; what it lacks is put on its list, and what is gone is lost. */
function openReadings(
  disk: Disk,
  { catalogue, keys, sealer, clock, findings }: SegmentContext,
  fullBytes: number | undefined,
): ReadingStore {
  const known = catalogue.segments.all();
  const seals = {
    sealer,
    clock,
    keyFor: (time: number) => keys.monthKey(time),
    shreddedAt: (id: number) => keys.ring.shreddedAt(id),
  };
  removeGivenUp(catalogue, disk);
  const opened = ReadingStore.open(disk, seals, known, catalogue.segments.newest, fullBytes);
  for (const finding of opened.findings) findings.note(finding);
  const entries = opened.store.entries();
  const there = new Set(entries.map(({ number }) => number));
  for (const entry of known ?? []) if (!there.has(entry.number)) findings.lost.push(wholeSegment(entry));
  const listed = new Set(known?.map(({ number }) => number));
  catalogue.begin();
  for (const entry of entries) if (!listed.has(entry.number)) catalogue.segments.put(entry);
  for (const entry of opened.store.reckon((id) => keys.ring.shreddedAt(id) !== undefined))
    catalogue.segments.put(entry);
  catalogue.advance(Math.max(1, ...entries.map(({ positionTo }) => positionTo)));
  return opened.store;
}

/** What was given up just before a crash: its removal is in the journal, its file is still there. */
function removeGivenUp(catalogue: Catalogue, disk: Disk): void {
  const { segments } = catalogue;
  const numbers = segments.givenUp();
  if (numbers.length === 0) return;
  for (const number of numbers) disk.remove(fileOf(number));
  disk.sync();
  catalogue.begin();
  for (const number of numbers) segments.gone(number);
}

/** Readings that a query could not open. What the disk does not give today it may give tomorrow. */
function noteBroken(
  readings: ReadingStore,
  findings: FindingLog,
  entry: SegmentEntry,
  { code }: TideError,
  chunk: number,
): void {
  if (code !== 'damaged-record') return;
  const { number } = entry;
  const whole = chunk < 0;
  const lost = whole ? wholeSegment(entry) : { place: `segment/${number}/${chunk}`, ...readings.chunkOf(entry, chunk) };
  const place = whole ? `segment ${number}` : `segment ${number}, chunk ${chunk}`;
  findings.note({ place, kind: 'altered', text: `${lost.readings} readings cannot be read` }, lost);
}

/** The window of receipts: what was saved at the last fold, and what the journal has since. */
function recallWindow({ log, catalogue, receipts }: Parts): void {
  const saved = catalogue.counter('receipts');
  recallReceipts(log, receipts, saved);
  for (const part of catalogue.door.loadReceipts().toReversed()) receipts.addOlder(saved, part);
}
