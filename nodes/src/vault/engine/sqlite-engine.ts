import { mkdirSync, realpathSync } from 'node:fs';
import path from 'node:path';
import type { Clock } from '../../node/clock.ts';
import { TideError } from '../../node/errors.ts';
import { SqliteInventory } from '../catalogue/sqlite-inventory.ts';
import { applyItems, seriesEffect } from '../catalogue/sqlite-apply.ts';
import { markDamaged } from '../catalogue/sqlite-catalogue.ts';
import { Owner } from '../catalogue/sqlite-owner.ts';
import { DATABASE_FILE, engineError } from '../catalogue/sqlite-schema.ts';
import type { Finding } from '../disk.ts';
import type {
  AppendItem,
  EncodedCheckpoint,
  EngineCalls,
  EngineStats,
  ItemResult,
  JournalPart,
  OpenReport,
  WriteGroup,
  WriteResult,
} from '../engine.ts';
import type { CutReport, InventoryKind, InventoryPage } from '../inventory.ts';
import type { NewRecord } from '../journal/record.ts';
import { EngineKeys } from '../keys/file-engine-keys.ts';
import { readKey } from '../keys/file-key.ts';
import { monthFrom } from '../keys/key-numbers.ts';
import type { KeyStatus } from '../keys/key-status.ts';
import type { ShredReport } from '../keys/vault-keys.ts';
import type { QueryCursor, QueryPage } from '../readings/reading-store.ts';
import { encodeReceipts } from '../receipt-codec.ts';
import type { Block, KeyReference, QueuedAlert, Range, StreamBacklog, VaultOptions, VaultSizes } from '../vault.ts';
import { effectBoxes, readingBoxes, receiptBox } from './boxes.ts';
import type { Effect } from './effects.ts';
import { JournalReader } from './journal-reader.ts';
import { BudgetKeeper } from './budget-keeper.ts';
import { Ballast, freeOn, releaseBallast, rightTime, sizesOf } from './file-room.ts';
import { Maintenance } from './maintenance.ts';
import { openParts, type Parts } from './sqlite-open.ts';
import { redoInto } from './redo.ts';
import { statsOf } from './sqlite-stats.ts';
import { verifyParts } from './sqlite-verify.ts';

/** What stands while the vault is open. */
interface Open {
  readonly parts: Parts;
  readonly owner: Owner;
  readonly reader: JournalReader;
  readonly keys: EngineKeys;
  readonly maintenance: Maintenance;
  readonly budget: BudgetKeeper;
}

/**
 * The vault's records: a journal of all that is committed, segments of readings, a catalogue for the rest. Synchronous: it
 * runs in the writer's thread.
 */
export class SqliteEngine implements EngineCalls {
  private readonly options: VaultOptions;
  private readonly clock: Clock;
  private state: Open | undefined;
  private damage: TideError | undefined;
  private lastStats: EngineStats | undefined;
  private shredded: ShredReport | undefined;
  /** Number of the fold that completes a shred. */
  private shredAfter = 0;
  private inventoryHeld: SqliteInventory | undefined;
  private verification: Iterator<Finding | undefined, void> | undefined;

  constructor(options: VaultOptions, clock: Clock) {
    this.options = options;
    this.clock = clock;
  }

  open(): OpenReport {
    mkdirSync(this.options.directory, { recursive: true, mode: 0o700 });
    const directory = realpathSync(this.options.directory);
    const secret = readKey(this.options.key, directory);
    const { clock } = this;
    const budget = this.options.budget ?? {};
    const { sizes = {} } = this.options;
    checkSizes(sizes);
    const parts = openAgain(directory, () =>
      openParts({ directory, secret, clock, budget, sizes, claim: () => Owner.claim(directory) }),
    );
    const { catalogue, owner, incarnation } = parts;
    const keys = new EngineKeys({
      store: parts.keys,
      directory,
      reference: this.options.key,
      keepCopy: () => parts.keepKeys(),
      shredData: ({ before }) => parts.shredBefore(monthFrom(before)!),
    });
    const completeShred = (fold: number): void => {
      // A fold that was under way when the shred began did not take what came since it began itself.
      if (fold < this.shredAfter) return;
      this.shredded = keys.completeShred() ?? this.shredded;
    };
    const keeper = keeperOf(parts, clock);
    const maintenance = new Maintenance(parts, clock, keeper, completeShred);
    this.shredAfter = keys.shredding ? maintenance.requestFold() : 0;
    this.state = {
      parts,
      owner,
      keys,
      maintenance,
      budget: keeper,
      reader: new JournalReader(parts.log, (finding) => parts.note(finding)),
    };
    this.lastStats = this.stats();
    return {
      directory,
      incarnation: incarnation.toString('hex'),
      head: catalogue.head,
      series: catalogue.series.entries(),
      lastSeries: catalogue.series.last,
    };
  }

  /**
   * Throws SQLite's own error with code SQLITE_BUSY, and has done nothing, while another process writes. Where the disk is
   * full, what may go is given up until the group fits, or it throws `disk-full`.
   */
  write(group: WriteGroup): WriteResult {
    const { parts, budget } = this.require();
    if (this.damage !== undefined) throw this.damage;
    const { refusal } = budget;
    if (refusal !== undefined && group.items.some(({ kind }) => kind === 'append'))
      return this.writeWithoutAppends(group, refusal);
    for (;;) {
      try {
        const result = this.writeOnce(parts, group);
        budget.wrote();
        return result;
      } catch (error) {
        const found = engineError(error, parts.directory);
        if (this.damage !== undefined || found.code !== 'disk-full' || !budget.giveWay(found.message)) throw error;
      }
    }
  }

  /** Readings wait at their doors while there is no room; acknowledgements and checkpoints are what makes some. */
  private writeWithoutAppends(group: WriteGroup, refusal: TideError): WriteResult {
    const rest = group.items.filter(({ kind }) => kind !== 'append');
    if (rest.length === 0) throw refusal;
    const { head, results } = this.write({ series: group.series, items: rest });
    const left = results.values();
    const refused: ItemResult = { kind: 'refused', code: refusal.code, reason: refusal.message };
    return {
      head,
      results: group.items.map(({ kind }) => (kind === 'append' ? refused : (left.next().value ?? refused))),
    };
  }

  private writeOnce(parts: Parts, group: WriteGroup): WriteResult {
    const { catalogue } = parts;
    const inCatalogue = group.series.length > 0 || catalogue.damage.pending || group.items.some(concernsCatalogue);
    if (!inCatalogue) return this.append(parts, group, []);
    catalogue.begin();
    catalogue.db.exec('SAVEPOINT commit_group');
    const { head } = catalogue;
    try {
      catalogue.damage.settle();
      const effects: Effect[] = group.series.map(seriesEffect);
      catalogue.apply(effects);
      const results = applyItems(catalogue, group.items, head, effects);
      const advanced = catalogue.head;
      catalogue.head = head;
      const written = this.append(parts, group, effects);
      catalogue.advance(advanced);
      catalogue.db.exec('RELEASE commit_group');
      catalogue.damage.settled();
      return { head: catalogue.head, results: results.length > 0 ? results : written.results };
    } catch (error) {
      catalogue.head = head;
      this.undo(parts, error);
      throw error;
    }
  }

  readJournal(from: number, limit: number, source: string | undefined): JournalPart {
    const { reader, parts } = this.require();
    return reader.read(from, limit, source, parts.catalogue.head);
  }

  query(
    series: readonly number[],
    from: number,
    to: number,
    below: number,
    cursor: QueryCursor | undefined,
    most: number,
  ): QueryPage {
    return this.require().parts.readings.query(series, from, to, cursor, most, below);
  }

  cause(source: string): number {
    return this.require().parts.catalogue.door.cause(source);
  }

  receipts(): Uint8Array {
    return this.require().parts.receipts.digests();
  }

  rejections(limit: number): Uint8Array[] {
    return this.require().parts.catalogue.door.rejections(limit);
  }

  checkpoints(consumer: string): EncodedCheckpoint | undefined {
    return this.require().parts.catalogue.checkpoints.load(consumer);
  }

  replayFrom(): number {
    const { catalogue } = this.require().parts;
    return catalogue.checkpoints.replayFrom(catalogue.head);
  }

  streams(): StreamBacklog[] {
    return this.require().parts.catalogue.outbox.streams();
  }

  peek(stream: string, order: 'newest' | 'oldest', skip: readonly Range[], maxBytes: number): Block[] {
    return this.require().parts.catalogue.outbox.peek(stream, order, skip, maxBytes);
  }

  alerts(limit: number, skip: ReadonlySet<string>): QueuedAlert[] {
    return this.require().parts.catalogue.alerts.peek(limit, skip);
  }

  document(namespace: string, key: string): Uint8Array | undefined {
    return this.require().parts.catalogue.documents.get(namespace, key);
  }

  documents(namespace: string): { key: string; value: Uint8Array }[] {
    return this.require().parts.catalogue.documents.list(namespace);
  }

  beginCut(): CutReport {
    const { parts } = this.require();
    const { catalogue, log, store, blockFiles, receipts, directory } = parts;
    this.endCut();
    parts.readings.freeze();
    catalogue.flush(log.last);
    const file = path.join(directory, DATABASE_FILE);
    this.inventoryHeld = new SqliteInventory(
      { ...store, db: catalogue.db, damage: catalogue.damage },
      blockFiles,
      receipts.digests(),
      file,
    );
    const replayFrom = this.replayFrom();
    parts.pinned = log.find(replayFrom) ?? log.last + 1;
    return { head: catalogue.head, replayFrom };
  }

  inventory<Kind extends InventoryKind>(kind: Kind, after: number, maxBytes: number): InventoryPage<Kind> {
    if (this.inventoryHeld === undefined) throw new TideError('no-cut', 'no cut of this vault is held');
    return this.inventoryHeld.page(kind, after, maxBytes);
  }

  endCut(): void {
    if (this.state !== undefined) this.state.parts.pinned = Infinity;
    this.inventoryHeld?.close();
    this.inventoryHeld = undefined;
  }

  /** A slice of what goes on in the background; how long until the next one, milliseconds. */
  maintain(): number {
    const { maintenance } = this.require();
    return this.damage === undefined ? maintenance.step() : maintenance.idle;
  }

  /** Whether queries see every committed reading: after a start the newest ones are read back first. */
  ready(): boolean {
    return this.require().parts.catchUp.done;
  }

  /** Asks for a fold as soon as may be; the number of folds that must have ended for it to be done. */
  requestFold(): number {
    return this.require().maintenance.requestFold();
  }

  folds(): number {
    return this.require().maintenance.folds;
  }

  /** Findings so far, some at a time: the first call begins, an empty answer ends. */
  verify(begin: boolean): { findings: Finding[]; done: boolean } {
    const { parts } = this.require();
    const reading = (this.verification = begin ? verifyParts(parts) : (this.verification ?? verifyParts(parts)));
    const findings: Finding[] = [];
    const until = this.clock.monotonic() + VERIFY_SLICE_MS;
    while (this.clock.monotonic() < until) {
      const next = reading.next();
      if (next.done === true) {
        this.verification = undefined;
        return { findings, done: true };
      }
      if (next.value !== undefined) findings.push(next.value);
    }
    return { findings, done: false };
  }

  keyStatus(): KeyStatus {
    return this.require().keys.keyStatus();
  }

  prepareRotation(to: KeyReference): 'prepared' | 'done' {
    return this.require().keys.prepareRotation(to);
  }

  confirmRotation(to: KeyReference): void {
    this.require().keys.confirmRotation(to);
  }

  cancelRotation(): void {
    this.require().keys.cancelRotation();
  }

  beginShred(before: string): number {
    const { keys, maintenance } = this.require();
    keys.beginShred(before);
    return (this.shredAfter = maintenance.requestFold());
  }

  shredReport(): ShredReport | undefined {
    return this.shredded;
  }

  derivedSecret(purpose: string): string {
    return this.require().keys.derivedSecret(purpose);
  }

  stats(): EngineStats {
    const { parts, maintenance, budget } = this.require();
    try {
      return (this.lastStats = statsOf(parts, maintenance, budget, this.damage));
    } catch (error) {
      // A damaged catalogue may not be countable any more.
      if (this.lastStats === undefined || engineError(error, parts.directory).code !== 'damaged') throw error;
      return { ...this.lastStats, problems: [...parts.problems] };
    }
  }

  close(): void {
    const { state } = this;
    if (state === undefined) return;
    this.state = undefined;
    this.endCut();
    const { parts, owner, maintenance, budget } = state;
    try {
      maintenance.stop();
      budget.close();
      if (this.damage === undefined) settle(parts);
    } finally {
      parts.close();
      owner.release();
    }
  }

  /** Writes the group's record, and takes its readings into the open chunks. */
  private append(parts: Parts, group: WriteGroup, effects: readonly Effect[]): WriteResult {
    const { catalogue, log, readings, receipts, catchUp } = parts;
    const first = catalogue.head;
    const appends = group.items.filter((item): item is AppendItem => item.kind === 'append');
    const results: ItemResult[] = [];
    let position = first;
    let [timeFrom, timeTo] = [Infinity, -Infinity];
    for (const item of group.items) {
      results.push(item.kind === 'append' ? { kind: 'appended', first: position } : { kind: 'committed', numbers: [] });
      if (item.kind !== 'append') continue;
      for (const chunk of item.chunks) {
        position += chunk.count;
        timeFrom = Math.min(timeFrom, chunk.timeFrom);
        timeTo = Math.max(timeTo, chunk.timeTo);
      }
    }
    const packed = packedReceipts(appends);
    const boxes = [...readingBoxes(appends), ...effectBoxes(effects)];
    if (packed !== undefined) boxes.push(receiptBox(packed));
    if (boxes.length === 0) return { head: first, results };
    const count = position - first;
    const span = count === 0 ? { timeFrom: 0, timeTo: 0 } : { timeFrom, timeTo };
    const record: NewRecord = { first, count, ...span, ...parts.now(), boxes };
    const { number, bytes } = log.append(record);
    parts.written.journal += bytes;
    parts.written.readings += count;
    catalogue.head = position;
    if (packed !== undefined) receipts.add(number, packed);
    if (catchUp.reached(number)) takeIn(readings, appends, first);
    return { head: position, results };
  }

  /** Brings the catalogue back to before the group. SQLite may have rolled the whole long transaction back by itself. */
  private undo(parts: Parts, error: unknown): void {
    const { catalogue, log, directory } = parts;
    try {
      if (catalogue.db.inTransaction) catalogue.db.exec('ROLLBACK TO commit_group; RELEASE commit_group');
      else redoInto(catalogue, log);
    } catch (failure) {
      this.stopWriting(parts, engineError(failure, directory));
    }
    const found = engineError(error, directory);
    if (found.code === 'damaged') this.stopWriting(parts, found);
  }

  private require(): Open {
    if (this.state === undefined) throw new TideError('closed', `vault ${this.options.directory} is closed`);
    return this.state;
  }

  /** A catalogue that lost rows must not give out numbers any more: it is made again at the next start. */
  private stopWriting(parts: Parts, found: TideError): void {
    this.damage = new TideError(
      'damaged',
      `${found.message}; nothing more is written: start again, and it is made anew`,
      { cause: found },
    );
    parts.problems.push(this.damage.message);
    markDamaged(parts.directory, found.message);
  }
}

/** Before closing. On a full disk the journal has all that the catalogue could not take. */
function settle(parts: Parts): void {
  try {
    parts.settle();
  } catch (error) {
    const found = engineError(error, parts.directory);
    if (found.code !== 'disk-full') throw found;
  }
}

function keeperOf(parts: Parts, clock: Clock): BudgetKeeper {
  const { directory, disk, budget, ledger, catalogue } = parts;
  return new BudgetKeeper({
    parts,
    clock,
    ledger,
    ...budget,
    room: {
      sizes: () => sizesOf(directory),
      free: () => freeOn(directory),
      ballast: new Ballast(disk, budget.ballastBytes),
    },
    now: () => rightTime(catalogue.documents, clock),
  });
}

const VERIFY_SLICE_MS = 20;
const MIN_UNFOLDED = 65_536;
const MIN_JOURNAL_FILE = 32_768;
const MAX_SIZE = 2 ** 30;

function checkSizes({ unfolded, journalFile }: VaultSizes): void {
  checkSize('memory of unfolded readings', unfolded, MIN_UNFOLDED);
  checkSize('file of the journal', journalFile, MIN_JOURNAL_FILE);
}

/** Throws TideError `bad-option`. */
function checkSize(what: string, value: number | undefined, least: number): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= least && value <= MAX_SIZE)) return;
  throw new TideError(
    'bad-option',
    `the ${what} is ${value} bytes; allowed are whole numbers from ${least} to ${MAX_SIZE}`,
  );
}

/** Damage of the catalogue that shows only once its tables are read: with the mark, the second try makes it anew. */
function openAgain(directory: string, open: () => Parts): Parts {
  try {
    return open();
  } catch (error) {
    const found = engineError(error, directory);
    // With the ballast gone there is room to open, and for what then gives way.
    if (found.code === 'disk-full' && releaseBallast(directory)) return open();
    if (found.code !== 'damaged') throw found;
    markDamaged(directory, found.message);
    return open();
  }
}

const concernsCatalogue = (item: WriteGroup['items'][number]): boolean =>
  item.kind === 'commit' || item.cause !== undefined || (item.rejections !== undefined && item.rejections.length > 0);

function takeIn(readings: Parts['readings'], appends: readonly AppendItem[], first: number): void {
  let position = first;
  for (const { chunks } of appends) {
    for (const { bytes, count } of chunks) {
      readings.add(bytes, position);
      position += count;
    }
  }
}

function packedReceipts(appends: readonly AppendItem[]): Uint8Array | undefined {
  const digests = appends.flatMap(({ receipts }) =>
    receipts === undefined || receipts.length === 0 ? [] : [receipts],
  );
  if (digests.length === 0) return undefined;
  const all = Uint8Array.from(Buffer.concat(digests));
  return encodeReceipts(new BigUint64Array(all.buffer));
}
