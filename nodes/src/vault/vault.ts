import type { Finding } from './disk.ts';
import type { Reading, Rejection } from '../reading/reading.ts';
import type { VaultKeys } from './keys/vault-keys.ts';
import type { BudgetOptions } from './budget/budget-options.ts';
import type { VaultCut } from './cut.ts';
import type { Ending, VaultAccounts } from './accounts.ts';

/**
 * The encrypted local store as the rest of the gateway sees it. One process owns a vault; the work is done by a writer
 * in a worker thread. Every promise that a writing call returns resolves after the data is synced to the disk, and
 * rejects with a TideError when it is not there.
 */
export interface Vault {
  readonly directory: string;
  /** 32 hexadecimal digits: identity of this store as a writer. A restored or copied store gets a new one. */
  readonly incarnation: string;
  readonly series: SeriesCatalogue;
  readonly journal: Journal;
  readonly checkpoints: Checkpoints;
  readonly outbox: Outbox;
  readonly documents: Documents;
  readonly keys: VaultKeys;

  /** Applies all changes in one transaction, in order; results are in the order of the changes. */
  commit(changes: readonly Change[]): Promise<readonly ChangeResult[]>;

  /** Calls back after each commit that put blocks or alerts into the outbox or changed documents, and when saves are wanted. Returns the unsubscriber. */
  onChange(listener: (change: VaultNotice) => void): () => void;

  /**
   * Readings of some series in a span of time, some thousand at once: series in order of name, within a series in the
   * order in which they came. Memory does not grow with the answer.
   */
  query(query: ReadingQuery): AsyncIterableIterator<readonly Reading[]>;

  /** All but the readings as it stands at one commit, for a copy (a backup). One at a time; has to be closed. */
  cut(): Promise<VaultCut>;

  /** Reads everything that is stored, and tells what is not as it was written. */
  verify(): AsyncIterableIterator<Finding>;
  /** Resolves when all that is committed by now lies in sealed segments, and the journal is let go as far as consumers allow. */
  fold(): Promise<void>;

  /** What became of readings, and what these consumers have saved, each state cut to `stateBytes`; all as one commit left it. */
  accounts(consumers: readonly string[], stateBytes: number): Promise<VaultAccounts>;

  stats(): Promise<VaultStats>;
  close(): Promise<void>;
}

export interface ReadingQuery {
  /** Names of series; those that the vault does not know are passed over. */
  series: readonly string[];
  /** Epoch milliseconds: from inclusive, to exclusive. Absent: from the first, to the last. */
  from?: number;
  to?: number;
  /** Only readings at positions below this one, the head of a cut. */
  below?: number;
}

export type VaultNotice =
  | {
      kind: 'block' | 'alert' | 'document';
      /** Stream of a block, namespace of a document; empty for an alert. */
      name: string;
    }
  /**
   * The vault asks consumers that have not saved up to a position to do so now: it cannot let go of its journal before, or
   * of a key that a shred left. It asks again for as long as it has to.
   */
  | { kind: 'saves'; name: ''; below: number };

/** Numbers stand for series wherever data lies or travels; the names are sealed. Held in memory while the vault is open. */
export interface SeriesCatalogue {
  /** The number of a series; a new name gets the next number, which is stored with the next commit that uses it. */
  number(name: string): number;
  /** The name of a number, or undefined when this vault never gave it out. */
  name(number: number): string | undefined;
  /** Entries in order of number. `unit` and `kind` are those of the newest reading that named them. */
  entries(): IterableIterator<SeriesEntry>;
  entry(number: number): SeriesEntry | undefined;
}

export interface SeriesEntry {
  number: number;
  name: string;
  unit?: string;
  kind: 'number' | 'boolean' | 'string';
}

export interface JournalBatch {
  /** Id of the node (its door) that the readings come through. */
  source: string;
  readings: readonly Reading[];
  /** Eight-byte digests of the QoS 1 publishes in this batch, so that one sent again (DUP) is known again. */
  receipts?: readonly bigint[];
  /** Highest position that derived readings were made from: the same cause is not committed twice (tide-store). */
  cause?: number;
  /** Messages that could not be read; kept in quarantine, newest `QUARANTINE_LIMIT` of them. */
  rejections?: readonly Rejection[];
}

export interface Journal {
  /** Position that the next committed reading gets. Everything below it is on the disk. Positions start at 1. */
  readonly head: number;
  /** Commits a batch; resolves to the position of its first reading, the others follow without gaps. */
  append(batch: JournalBatch): Promise<number>;
  /** Readings at or after `from` in order, at most `limit`, only of `source` when given. `next` is where to go on; undefined at the head. */
  read(from: number, limit: number, source?: string): Promise<JournalSlice>;
  /** Highest cause committed for a source, 0 when none. */
  cause(source: string): Promise<number>;
  /** Digests of the newest publishes (at most RECEIPT_WINDOW), oldest first. */
  receipts(): Promise<readonly bigint[]>;
  /** Newest rejections first. */
  rejections(limit: number): Promise<readonly Rejection[]>;
}

export interface JournalSlice {
  /** With `position` set. */
  readings: Reading[];
  next: number | undefined;
}

/** How many publishes back a DUP is recognised; beyond that the guarantee is at-least-once. */
export const RECEIPT_WINDOW = 65_536;
export const QUARANTINE_LIMIT = 1_000;

/** What a restartable node (a consumer of readings) has saved. */
export interface Checkpoints {
  /** Undefined for a consumer that this vault does not know. */
  load(consumer: string): Promise<ConsumerCheckpoint | undefined>;
  /** Lowest `replayFrom` of all consumers, `head` when there are none: where doors start to read again. */
  replayFrom(): Promise<number>;
}

export interface ConsumerCheckpoint {
  /** Readings from this position on have to be seen again. */
  replayFrom: number;
  /** State of each series, and the position of the last reading that it includes. */
  series: { series: number; position: number; state: Uint8Array }[];
}

/** Blocks wait here, by stream and number, until the cloud says that its database holds them; alerts wait beside them. */
export interface Outbox {
  /** Those of earlier incarnations, too: their names are `orphanName`s, and no number is given out in them. */
  streams(): Promise<readonly StreamBacklog[]>;
  /** Blocks of a stream outside `skip`, up to `maxBytes` (at least one if there is one). */
  peek(stream: string, order: 'newest' | 'oldest', skip: readonly Range[], maxBytes: number): Promise<readonly Block[]>;
  /** Unacknowledged alerts, oldest first, outside `skip` (`id/revision`). */
  alerts(limit: number, skip: ReadonlySet<string>): Promise<readonly QueuedAlert[]>;
}

/** Inclusive range of block numbers. */
export type Range = readonly [from: number, to: number];

export interface StreamBacklog {
  stream: string;
  /** Lowest and highest block waiting; the last number ever given out is `sealed`. */
  lowest: number;
  highest: number;
  sealed: number;
  count: number;
  bytes: number;
}

/** All summary parts of one stream that closed together: immutable, the unit of acknowledgement. */
export interface Block {
  stream: string;
  /** Without gaps within the stream, from 1. */
  number: number;
  /** Encoded parts (summary/block) or catalogue entries (sync/catalogue). */
  body: Uint8Array;
}

export interface QueuedAlert {
  /** Hex id of the alert. */
  id: string;
  /** Opening is revision 1; each update or closing is the next. */
  revision: number;
  /** Encoded alert (detect/alert). */
  body: Uint8Array;
}

/** Small sealed documents by namespace and key: shared state, grants, identity, counters. Values are CBOR-encodable. */
export interface Documents {
  get(namespace: string, key: string): Promise<unknown>;
  list(namespace: string): Promise<readonly { key: string; value: unknown }[]>;
}

export type Change =
  /** Saves the state of one series for a consumer. */
  | { kind: 'checkpoint'; consumer: string; series: number; position: number; state: Uint8Array }
  /** Moves a consumer's low-watermark; creates the consumer. */
  | { kind: 'consumer'; consumer: string; replayFrom: number }
  | { kind: 'forget-consumer'; consumer: string }
  /** Seals a block under the next number of its stream. `tally` says what is in it, by series (accounts.ts). */
  | { kind: 'block'; stream: string; body: Uint8Array; tally?: Uint8Array }
  /** Replaces the body of a waiting block (a grant was revoked); an empty body keeps the number and sends an empty block. */
  | { kind: 'rewrite-block'; stream: string; number: number; body: Uint8Array; tally?: Uint8Array }
  /** A block that an earlier incarnation sealed (a restored backup), under its number there; `stream` is an orphan's (`orphans.ts`). */
  | { kind: 'orphan-block'; stream: string; number: number; body: Uint8Array; tally?: Uint8Array }
  /** Lets go of blocks; `as` says what became of their readings, otherwise `delivered`. */
  | { kind: 'blocks-acknowledged'; stream: string; ranges: readonly Range[]; as?: Ending }
  /** Counts readings in parts that no grant lets leave. */
  | { kind: 'withheld'; stream: string; tally: Uint8Array }
  /** Queues an alert; one with the same id and revision is already there and nothing changes. */
  | { kind: 'alert'; id: string; revision: number; body: Uint8Array }
  | { kind: 'alerts-acknowledged'; alerts: readonly { id: string; revision: number }[] }
  /** Gives out no position below `to`: a restored vault goes on with the positions that its checkpoints name. */
  | { kind: 'advance'; to: number }
  /** Puts a document; an undefined value removes it. */
  | { kind: 'document'; namespace: string; key: string; value: unknown }
  /** Applies the changes only if the document still has this value (compared as encoded bytes); otherwise the commit rejects with code `conflict`. */
  | { kind: 'expect-document'; namespace: string; key: string; value: unknown };

export interface ChangeResult {
  /** Number given to a block; 0 for other changes. */
  number: number;
}

export interface VaultStats {
  incarnation: string;
  /** Position of the next reading. */
  head: number;
  readings: number;
  /** Bytes of all files of the vault. */
  bytes: number;
  /** Blocks and alerts waiting for the cloud. */
  blocksWaiting: number;
  blockBytesWaiting: number;
  alertsWaiting: number;
  /** Of the blocks, those that an earlier incarnation of this vault sealed. */
  orphanBlocksWaiting?: number;
  quarantined: number;
  /** Records that could not be opened and were set aside. */
  damaged: number;
  /** What was found damaged when the vault was opened or since, in words for a person. */
  problems: readonly string[];
  commits: number;
  /** Milliseconds of the newest 1000 commits. */
  commitP50Ms: number;
  commitP99Ms: number;
  commitMaxMs?: number;
  /** Milliseconds that all `commits` took together. */
  commitTotalMs?: number;
  /** Bytes that what is stored takes on the disk, without room that is only reserved (the journal's, the ballast). */
  bytesAtRest?: number;
  /** `bytesAtRest` without blocks and catalogue, for each reading; absent while there are none. */
  bytesPerReading?: number;
  /** Bytes handed to the disk since the vault was opened, by what they were for. */
  bytesWritten?: { journal: number; segments: number; catalogue: number };
  /** Readings taken in since the vault was opened: what `bytesWritten` is to be divided by. */
  readingsWritten?: number;
  /** Memory of the readings that no segment holds yet. */
  openChunkBytes?: number;
  segments?: number;
  /** Epoch milliseconds of the oldest reading that is still there; absent when there is none. */
  oldestReadingTime?: number;
  /** What the vault may take on the disk, and how much of it is taken, bytes. Absent when no quota is set. */
  quota?: { bytes: number; used: number };
  /** At the present rate, until quota or disk is full. Absent: no end in sight, or too early to tell. */
  timeToFullMs?: number;
  /** Declared gaps: spans of readings or blocks that were given up, each recorded with its cause. */
  gaps?: number;
  /** Whether the clock's time is taken for right, and how many readings wait to be dated. */
  clock?: { trusted: boolean; undated: number };
}

/** Where a vault's key-encryption key comes from; the secret itself never stands in a flow or in configuration. */
export type KeyReference = { file: string } | { env: string } | { credential: string };

export interface VaultOptions {
  directory: string;
  key: KeyReference;
  /** How long a commit waits for company when it is quiet, milliseconds. 0 commits at once. */
  commitDelayMs?: number;
  /** How much room it may take, and for how long it keeps readings. */
  budget?: BudgetOptions;
  /** For machines that are smaller or busier than most. */
  sizes?: VaultSizes;
}

/** Bytes; absent: what does well on a gateway with 1 GB of memory. */
export interface VaultSizes {
  /** Memory of readings that no segment holds yet at which they are folded, 65,536 to 2^30; 8 MiB. Less makes more and smaller chunks. */
  unfolded?: number;
  /** A file of the journal, 32,768 to 2^30; 4 MiB. The journal lets go of its records a file at a time. */
  journalFile?: number;
}
