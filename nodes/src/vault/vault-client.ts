import { z } from 'zod';
import type { Clock } from '../node/clock.ts';
import { TideError } from '../node/errors.ts';
import type { Reading } from '../reading/reading.ts';
import type { VaultAccounts } from './accounts.ts';
import { BatchEncoder, decodeBatch } from './batch-codec.ts';
import { decodeCbor, encodeCbor } from './cbor.ts';
import { VaultCut } from './cut.ts';
import { isDestroyed } from './destroyed.ts';
import type { Finding } from './disk.ts';
import { readingsOf } from './readings/reading-columns.ts';
import type { QueryCursor, QueryPage } from './readings/reading-store.ts';
import { encodeChange, sizeOf } from './change-codec.ts';
import type { AppendItem, EngineChannel, ItemResult, OpenReport, WriteItem } from './engine.ts';
import type { ShredReport, VaultKeys } from './keys/vault-keys.ts';
import { GroupCommit } from './group-commit.ts';
import { Latencies } from './latencies.ts';
import { SaveNotices } from './save-notices.ts';
import { MemoryCatalogue } from './series-catalogue.ts';
import type {
  Change,
  ChangeResult,
  Checkpoints,
  Documents,
  Journal,
  JournalBatch,
  JournalSlice,
  Outbox,
  ReadingQuery,
  Vault,
  VaultNotice,
  VaultStats,
} from './vault.ts';

export interface ClientOptions {
  channel: EngineChannel;
  clock: Clock;
  commitDelayMs: number;
  after: (ms: number, callback: () => void) => () => void;
}

const rejectionSchema = z.object({
  code: z.string(),
  reason: z.string(),
  topic: z.string(),
  head: z.instanceof(Uint8Array),
  size: z.number(),
  time: z.number(),
});

/** Most readings that one append takes. */
const MAX_APPEND = 1_000_000;
const QUERY_PAGE = 8_192;
const READY_POLL_MS = 10;
const FOLD_POLL_MS = 10;
/** What a person or another site waits for: committed without waiting for company. */
const URGENT: ReadonlySet<Change['kind']> = new Set<Change['kind']>(['alert', 'document', 'expect-document']);

/**
 * The vault on the thread of its users: gives out series numbers, packs readings, groups commits and tells of changes.
 * The engine behind the channel keeps the records.
 */
export class VaultClient implements Vault {
  readonly directory: string;
  readonly incarnation: string;
  readonly series: MemoryCatalogue;
  readonly journal: Journal;
  readonly checkpoints: Checkpoints;
  readonly outbox: Outbox;
  readonly documents: Documents;
  readonly keys: VaultKeys;
  private readonly channel: EngineChannel;
  private readonly clock: Clock;
  private readonly after: ClientOptions['after'];
  private readonly commits: GroupCommit<WriteItem, ItemResult>;
  private readonly latencies = new Latencies(1_000);
  private readonly listeners = new Set<(change: VaultNotice) => void>();
  private readonly saves: SaveNotices;
  private readonly encoder = new BatchEncoder();
  private head: number;
  private closing: Promise<void> | undefined;

  private constructor(report: OpenReport, { channel, clock, commitDelayMs, after }: ClientOptions) {
    this.directory = report.directory;
    this.incarnation = report.incarnation;
    this.head = report.head;
    this.series = new MemoryCatalogue(report.series, report.lastSeries);
    this.channel = channel;
    this.clock = clock;
    this.after = after;
    this.commits = new GroupCommit<WriteItem, ItemResult>({
      write: (items) => this.write(items),
      delayMs: commitDelayMs,
      after,
      clock,
    });
    this.saves = new SaveNotices({
      after,
      ask: () => channel.call('savesWanted', []),
      tell: (below) => this.notify({ kind: 'saves', name: '', below }),
    });
    this.journal = this.journalView();
    this.checkpoints = {
      load: (consumer) => channel.call('checkpoints', [consumer]),
      replayFrom: () => channel.call('replayFrom', []),
    };
    this.outbox = {
      streams: () => channel.call('streams', []),
      peek: (stream, order, skip, maxBytes) => channel.call('peek', [stream, order, skip, maxBytes]),
      alerts: (limit, skip) => channel.call('alerts', [limit, skip]),
    };
    this.keys = this.keysView();
    this.documents = {
      get: async (namespace, key) => {
        const value = await channel.call('document', [namespace, key]);
        return value === undefined ? undefined : decodeCbor(value);
      },
      list: async (namespace) =>
        (await channel.call('documents', [namespace])).map(({ key, value }) => ({ key, value: decodeCbor(value) })),
    };
  }

  private keysView(): VaultKeys {
    const { channel } = this;
    return {
      status: () => channel.call('keyStatus', []),
      prepareRotation: (to) => channel.call('prepareRotation', [to]),
      confirmRotation: (to) => channel.call('confirmRotation', [to]),
      cancelRotation: () => channel.call('cancelRotation', []),
      shred: (before) => this.shred(before),
      derived: (purpose) => channel.call('derivedSecret', [purpose]),
    };
  }

  static async open(options: ClientOptions): Promise<VaultClient> {
    return new VaultClient(await options.channel.call('open', []), options);
  }

  async commit(changes: readonly Change[]): Promise<readonly ChangeResult[]> {
    if (changes.length === 0) return [];
    const encoded = changes.map(encodeChange);
    const bytes = encoded.reduce((sum, change) => sum + sizeOf(change), 0);
    const urgent = changes.some(({ kind }) => URGENT.has(kind));
    const result = await this.commits.submit({ kind: 'commit', changes: encoded }, bytes, urgent);
    if (result.kind === 'conflict') throw new TideError('conflict', result.reason);
    if (result.kind !== 'committed') throw new TypeError(`a commit was answered with "${result.kind}"`);
    this.tell(changes);
    return result.numbers.map((number) => ({ number }));
  }

  onChange(listener: (change: VaultNotice) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  async *query(query: ReadingQuery): AsyncIterableIterator<readonly Reading[]> {
    const { series, from = -Infinity, to = Infinity, below = Infinity } = query;
    const numbers = [...new Set(series)].toSorted().flatMap((name) => this.series.find(name) ?? []);
    // After a start what no segment holds yet is read back first; a query waits for it, commits do not.
    await this.ready();
    for (let cursor: QueryCursor | undefined, first = true; first || cursor !== undefined; first = false) {
      const page: QueryPage = await this.channel.call('query', [numbers, from, to, below, cursor, QUERY_PAGE]);
      const readings = page.parts.flatMap((part) => {
        const name = this.series.name(part.series);
        return name === undefined ? [] : readingsOf(part, name);
      });
      if (readings.length > 0) yield readings;
      cursor = page.next;
    }
  }

  async cut(): Promise<VaultCut> {
    await this.ready();
    return VaultCut.begin(this.channel, (number) => this.series.name(number));
  }

  async *verify(): AsyncIterableIterator<Finding> {
    for (let begin = true; ; begin = false) {
      const { findings, done } = await this.channel.call('verify', [begin]);
      yield* findings;
      if (done) return;
    }
  }

  /** Resolves when all that is committed by now lies in sealed segments, and the journal is let go as far as consumers allow. */
  async fold(): Promise<void> {
    await this.folded(await this.channel.call('requestFold', []));
  }

  async stats(): Promise<VaultStats> {
    const engine = await this.channel.call('stats', []);
    const { count, p50, p99, max, sum } = this.latencies.summary();
    return {
      ...engine,
      incarnation: this.incarnation,
      head: this.head,
      commits: count,
      commitP50Ms: p50,
      commitP99Ms: p99,
      commitMaxMs: max,
      commitTotalMs: sum,
    };
  }

  accounts(consumers: readonly string[], stateBytes: number): Promise<VaultAccounts> {
    return this.channel.call('accounts', [consumers, stateBytes]);
  }

  close(): Promise<void> {
    this.saves.close();
    this.closing ??= this.commits.close().then(() => this.channel.call('close', []));
    return this.closing;
  }

  private async shred(before: string): Promise<ShredReport> {
    const wanted = await this.channel.call('beginShred', [before]);
    await this.folded(wanted);
    this.saves.heard(await this.channel.call('savesWanted', []));
    const report = await this.channel.call('shredReport', []);
    if (report?.before !== before)
      throw new TideError('busy', `the shred before ${before} has begun and goes on at the next fold`);
    return report;
  }

  private async ready(): Promise<void> {
    while (!(await this.channel.call('ready', []))) await this.pause(READY_POLL_MS);
  }

  private async folded(wanted: number): Promise<void> {
    while ((await this.channel.call('folds', [])) < wanted) await this.pause(FOLD_POLL_MS);
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.after(ms, resolve));
  }

  private journalView(): Journal {
    const { channel } = this;
    const head = (): number => this.head;
    return {
      get head() {
        return head();
      },
      append: (batch) => this.append(batch),
      read: (from, limit, source) => this.read(from, limit, source),
      cause: (source) => channel.call('cause', [source]),
      receipts: async () => {
        const digests = await channel.call('receipts', []);
        return Array.from(new BigUint64Array(digests.slice().buffer));
      },
      rejections: async (limit) =>
        (await channel.call('rejections', [limit])).map((rejection) => rejectionSchema.parse(decodeCbor(rejection))),
    };
  }

  private async append(batch: JournalBatch): Promise<number> {
    const { source, readings, receipts, cause, rejections } = batch;
    if (readings.length > MAX_APPEND)
      throw new TideError('too-large', `${readings.length} readings in one batch; at most ${MAX_APPEND}`);
    const item: AppendItem = { kind: 'append', source, chunks: this.encoder.encode(readings, this.series.numberOf) };
    let bytes = 128;
    for (const chunk of item.chunks) bytes += chunk.bytes.length;
    if (receipts !== undefined && receipts.length > 0) {
      item.receipts = new Uint8Array(BigUint64Array.from(receipts).buffer);
      bytes += item.receipts.length;
    }
    if (cause !== undefined) item.cause = cause;
    if (rejections !== undefined && rejections.length > 0) {
      item.rejections = rejections.map(encodeCbor);
      for (const rejection of item.rejections) bytes += rejection.length;
    }
    const result = await this.commits.submit(item, bytes, false);
    if (result.kind === 'refused') throw new TideError(result.code, result.reason);
    if (result.kind !== 'appended') throw new TypeError(`an append was answered with "${result.kind}"`);
    return result.first;
  }

  private async read(from: number, limit: number, source?: string): Promise<JournalSlice> {
    const { chunks, next } = await this.channel.call('readJournal', [from, limit, source]);
    const readings: Reading[] = [];
    for (const { position, skip, take, bytes, destroyedBelow } of chunks) {
      const all = decodeBatch(bytes, (number) => this.series.name(number));
      for (let i = skip; i < skip + take; i++) {
        const reading = all[i];
        if (reading === undefined || isDestroyed(reading.time, destroyedBelow)) continue;
        reading.position = position + i;
        readings.push(reading);
      }
    }
    return { readings, next };
  }

  private async write(items: readonly WriteItem[]): Promise<readonly ItemResult[]> {
    const series = this.series.takeUnsaved();
    const started = this.clock.monotonic();
    try {
      const group = { series: series.entries, items: [...items] };
      const { head, results, savesWanted } = await this.channel.call('write', [group], memoryOf(items));
      this.head = head;
      this.latencies.add(this.clock.monotonic() - started);
      this.saves.heard(savesWanted);
      return results;
    } catch (error) {
      series.keep();
      throw error;
    }
  }

  private tell(changes: readonly Change[]): void {
    const told = new Set<string>();
    for (const change of changes) {
      const notice = noticeOf(change);
      if (notice === undefined || told.has(`${notice.kind} ${notice.name}`)) continue;
      told.add(`${notice.kind} ${notice.name}`);
      this.notify(notice);
    }
  }

  private notify(notice: VaultNotice): void {
    for (const listener of this.listeners) listener(notice);
  }
}

function noticeOf(change: Change): VaultNotice | undefined {
  if (change.kind === 'block' || change.kind === 'rewrite-block') return { kind: 'block', name: change.stream };
  if (change.kind === 'alert') return { kind: 'alert', name: '' };
  return change.kind === 'document' ? { kind: 'document', name: change.namespace } : undefined;
}

/** Memory that moves to the engine's thread instead of being copied. */
function memoryOf(items: readonly WriteItem[]): ArrayBuffer[] {
  const memory: ArrayBuffer[] = [];
  for (const item of items) {
    if (item.kind === 'append')
      for (const { bytes } of item.chunks) if (bytes.buffer instanceof ArrayBuffer) memory.push(bytes.buffer);
  }
  return memory;
}
