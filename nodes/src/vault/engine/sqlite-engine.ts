import type { Clock } from '../../node/clock.ts';
import { TideError } from '../../node/errors.ts';
import { engineError } from '../catalogue/sqlite-schema.ts';
import type { VaultAccounts } from '../accounts.ts';
import type { Finding } from '../disk.ts';
import type {
  EncodedCheckpoint,
  EngineCalls,
  EngineStats,
  JournalPart,
  OpenReport,
  WriteGroup,
  WriteResult,
} from '../engine.ts';
import type { CutReport, InventoryKind, InventoryPage } from '../inventory.ts';
import type { KeyStatus } from '../keys/key-status.ts';
import type { ShredReport } from '../keys/vault-keys.ts';
import type { QueryCursor, QueryPage } from '../readings/reading-store.ts';
import type { Block, KeyReference, QueuedAlert, Range, StreamBacklog, VaultOptions } from '../vault.ts';
import type { Parts } from './sqlite-parts.ts';
import { closeSession, openSession, type Session } from './sqlite-session.ts';
import { accountsOf } from './sqlite-accounting.ts';
import { statsOf } from './sqlite-stats.ts';

/**
 * The vault's records: a journal of all that is committed, segments of readings, a catalogue for the rest. Synchronous: it
 * runs in the writer's thread. Here each call finds who answers it.
 */
export class SqliteEngine implements EngineCalls {
  private readonly options: VaultOptions;
  private readonly clock: Clock;
  private session: Session | undefined;
  private lastStats: EngineStats | undefined;

  constructor(options: VaultOptions, clock: Clock) {
    this.options = options;
    this.clock = clock;
  }

  open(): OpenReport {
    this.session = openSession(this.options, this.clock);
    const { directory, incarnation, catalogue } = this.parts;
    this.lastStats = this.stats();
    return {
      directory,
      incarnation: incarnation.toString('hex'),
      head: catalogue.head,
      series: catalogue.series.entries(),
      lastSeries: catalogue.series.last,
    };
  }

  write(group: WriteGroup): WriteResult {
    const { commits, maintenance } = this.require();
    const result = commits.write(group);
    const { savesWanted } = maintenance;
    return savesWanted === undefined ? result : { ...result, savesWanted };
  }

  savesWanted(): number | undefined {
    return this.require().maintenance.savesWanted;
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
    return this.parts.readings.query(series, from, to, cursor, most, below);
  }

  cause(source: string): number {
    return this.parts.catalogue.door.cause(source);
  }

  receipts(): Uint8Array {
    return this.parts.receipts.digests();
  }

  rejections(limit: number): Uint8Array[] {
    return this.parts.catalogue.door.rejections(limit);
  }

  checkpoints(consumer: string): EncodedCheckpoint | undefined {
    return this.parts.catalogue.checkpoints.load(consumer);
  }

  replayFrom(): number {
    const { catalogue } = this.parts;
    return catalogue.checkpoints.replayFrom(catalogue.head);
  }

  accounts(consumers: readonly string[], stateBytes: number): VaultAccounts {
    return accountsOf(this.parts.catalogue, consumers, stateBytes);
  }

  streams(): StreamBacklog[] {
    return this.parts.catalogue.outbox.streams.list();
  }

  peek(stream: string, order: 'newest' | 'oldest', skip: readonly Range[], maxBytes: number): Block[] {
    return this.parts.catalogue.outbox.peek(stream, order, skip, maxBytes);
  }

  alerts(limit: number, skip: ReadonlySet<string>): QueuedAlert[] {
    return this.parts.catalogue.alerts.peek(limit, skip);
  }

  document(namespace: string, key: string): Uint8Array | undefined {
    return this.parts.catalogue.documents.get(namespace, key);
  }

  documents(namespace: string): { key: string; value: Uint8Array }[] {
    return this.parts.catalogue.documents.list(namespace);
  }

  beginCut(): CutReport {
    return this.require().cut.begin();
  }

  inventory<Kind extends InventoryKind>(kind: Kind, after: number, maxBytes: number): InventoryPage<Kind> {
    return this.require().cut.page(kind, after, maxBytes);
  }

  endCut(): void {
    this.session?.cut.end();
  }

  maintain(): number | undefined {
    if (this.session === undefined) return undefined;
    const { maintenance, parts } = this.session;
    return parts.undo.stopped === undefined ? maintenance.step() : maintenance.idle;
  }

  /** Whether queries see every committed reading: after a start the newest ones are read back first. */
  ready(): boolean {
    return this.parts.catchUp.done;
  }

  /** Asks for a fold as soon as may be; the number of folds that must have ended for it to be done. */
  requestFold(): number {
    return this.require().maintenance.requestFold();
  }

  folds(): number {
    return this.require().maintenance.folds;
  }

  verify(begin: boolean): { findings: Finding[]; done: boolean } {
    return this.require().verification.slice(begin);
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
    const { keys, maintenance, shredding } = this.require();
    keys.beginShred(before);
    const fold = maintenance.requestFold();
    shredding.completeWith(fold);
    return fold;
  }

  shredReport(): ShredReport | undefined {
    return this.require().shredding.report;
  }

  derivedSecret(purpose: string): string {
    return this.require().keys.derivedSecret(purpose);
  }

  stats(): EngineStats {
    const { parts, maintenance, budget } = this.require();
    try {
      return (this.lastStats = statsOf(parts, maintenance, budget));
    } catch (error) {
      // A damaged catalogue may not be countable any more.
      if (this.lastStats === undefined || engineError(error, parts.directory).code !== 'damaged') throw error;
      return { ...this.lastStats, problems: [...parts.findings.problems] };
    }
  }

  close(): void {
    const { session } = this;
    this.session = undefined;
    if (session !== undefined) closeSession(session);
  }

  private get parts(): Parts {
    return this.require().parts;
  }

  private require(): Session {
    if (this.session === undefined) throw new TideError('closed', `vault ${this.options.directory} is closed`);
    return this.session;
  }
}
