import type { Ending, VaultAccounts } from './accounts.ts';
import type { KeyCalls } from './keys/vault-keys.ts';
import type { BatchChunk } from './batch-codec.ts';
import type { Finding } from './disk.ts';
import type { CutReport, InventoryKind, InventoryPage } from './inventory.ts';
import type { QueryCursor, QueryPage } from './readings/reading-store.ts';
import type { Block, QueuedAlert, Range, SeriesEntry, StreamBacklog, VaultStats } from './vault.ts';

/**
 * What the vault asks of the engine that keeps the records: plain data in, plain data out, so that it may live in
 * another thread. Calls are answered one after the other; at most one `write` is under way at a time.
 */
export interface EngineCalls extends KeyCalls {
  open(): OpenReport;
  /** One transaction, synced. A conflict rejects its item alone; any other failure rejects the whole group. */
  write(group: WriteGroup): WriteResult;
  /** As `WriteResult` says it. */
  savesWanted(): number | undefined;
  readJournal(from: number, limit: number, source: string | undefined): JournalPart;
  cause(source: string): number;
  /** Digests, eight bytes each, oldest first. */
  receipts(): Uint8Array;
  /** Encoded rejections, newest first. */
  rejections(limit: number): Uint8Array[];
  checkpoints(consumer: string): EncodedCheckpoint | undefined;
  replayFrom(): number;
  /** What became of readings, and what these consumers have saved, each state cut to `stateBytes`; all as one commit left it. */
  accounts(consumers: readonly string[], stateBytes: number): VaultAccounts;
  streams(): StreamBacklog[];
  peek(stream: string, order: 'newest' | 'oldest', skip: readonly Range[], maxBytes: number): Block[];
  alerts(limit: number, skip: ReadonlySet<string>): QueuedAlert[];
  document(namespace: string, key: string): Uint8Array | undefined;
  documents(namespace: string): { key: string; value: Uint8Array }[];
  /** Holds the catalogue as it is now for `inventory`, until `endCut`; at most one is held. */
  beginCut(): CutReport;
  /** Items of one kind in the catalogue that is held, after a place (0 at the begin), about `maxBytes` of them. */
  inventory<Kind extends InventoryKind>(kind: Kind, after: number, maxBytes: number): InventoryPage<Kind>;
  endCut(): void;
  /** Readings of some series in a span of time, some thousand at once; `next` where to go on. */
  query(
    series: readonly number[],
    from: number,
    to: number,
    below: number,
    cursor: QueryCursor | undefined,
    most: number,
  ): QueryPage;
  /** Whether `query` sees every committed reading: after a start the newest ones are read back first. */
  ready(): boolean;
  /** Asks for a fold; how many folds must have ended (`folds`) for it to be done. */
  requestFold(): number;
  folds(): number;
  /**
   * A slice of the background work; milliseconds until the next one, undefined when the vault is closed. Throws nothing:
   * what fails is among the problems of `stats` until it goes well.
   */
  maintain(): number | undefined;
  /** Findings, some at a time; `begin` starts from the beginning. */
  verify(begin: boolean): { findings: Finding[]; done: boolean };
  stats(): EngineStats;
  close(): void;
}

export interface OpenReport {
  directory: string;
  incarnation: string;
  head: number;
  series: SeriesEntry[];
  /** Highest number given out; above the entries' when the newest entry was damaged. */
  lastSeries: number;
}

export interface WriteGroup {
  /** New and changed catalogue entries, written before the items. */
  series: SeriesEntry[];
  items: WriteItem[];
}

export type WriteItem = AppendItem | CommitItem;

export interface AppendItem {
  kind: 'append';
  source: string;
  chunks: BatchChunk[];
  receipts?: Uint8Array;
  cause?: number;
  rejections?: Uint8Array[];
}

export interface CommitItem {
  kind: 'commit';
  changes: EncodedChange[];
}

/** A change as it crosses to the engine: values are encoded. */
export type EncodedChange =
  | { kind: 'checkpoint'; consumer: string; series: number; position: number; state: Uint8Array }
  | { kind: 'consumer'; consumer: string; replayFrom: number }
  | { kind: 'forget-consumer'; consumer: string }
  | { kind: 'block'; stream: string; body: Uint8Array; tally?: Uint8Array }
  | { kind: 'rewrite-block'; stream: string; number: number; body: Uint8Array; tally?: Uint8Array }
  | { kind: 'orphan-block'; stream: string; number: number; body: Uint8Array; tally?: Uint8Array }
  | { kind: 'blocks-acknowledged'; stream: string; ranges: readonly Range[]; as?: Ending }
  | { kind: 'withheld'; stream: string; tally: Uint8Array }
  | { kind: 'alert'; id: string; revision: number; body: Uint8Array }
  | { kind: 'alerts-acknowledged'; alerts: readonly { id: string; revision: number }[] }
  | { kind: 'advance'; to: number }
  | { kind: 'document'; namespace: string; key: string; value: Uint8Array | undefined }
  | { kind: 'expect-document'; namespace: string; key: string; value: Uint8Array | undefined };

export type ItemResult =
  | { kind: 'appended'; first: number }
  | { kind: 'committed'; numbers: number[] }
  | { kind: 'conflict'; reason: string }
  /** Nothing of it was written, for want of room; the rest of the group was. */
  | { kind: 'refused'; code: string; reason: string };

export interface WriteResult {
  head: number;
  results: ItemResult[];
  /** Consumers that have not saved up to this position keep the vault from letting go of its journal. */
  savesWanted?: number;
}

export interface JournalPart {
  chunks: {
    /** Position of the chunk's first reading. */
    position: number;
    source: string;
    /** Readings to leave out at its begin, and to take after these. */
    skip: number;
    take: number;
    bytes: Uint8Array;
    /** Readings of times below this are destroyed (`destroyed.ts`): to be left out. Absent when none is. */
    destroyedBelow?: number;
  }[];
  next: number | undefined;
}

export interface EncodedCheckpoint {
  replayFrom: number;
  series: { series: number; position: number; state: Uint8Array }[];
}

export type EngineStats = Omit<
  VaultStats,
  'incarnation' | 'head' | 'commits' | 'commitP50Ms' | 'commitP99Ms' | 'commitMaxMs' | 'commitTotalMs'
> & {
  problems: string[];
};

/** An engine as its caller sees it, whatever lies between the two. */
export interface EngineChannel {
  call<Method extends keyof EngineCalls>(
    method: Method,
    parameters: Parameters<EngineCalls[Method]>,
    transfer?: readonly ArrayBuffer[],
  ): Promise<ReturnType<EngineCalls[Method]>>;
}
