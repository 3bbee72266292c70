import { toError } from '../node/errors.ts';
import type { Reading } from '../reading/reading.ts';
import type { Vault } from '../vault/vault.ts';
import type { Account, Accounts } from './accounts.ts';
import { Batch, tell, type Report, type Waiter } from './batch.ts';
import type { Slices } from './slices.ts';

/** Limits of one append. */
const MAX_BATCH_READINGS = 8_192;
const MAX_BATCH_BYTES = 4 << 20;
/** Acknowledgements given between two looks at the clock. */
const ACKNOWLEDGE_AT_ONCE = 64;

export interface LaneOptions {
  vault: Vault;
  accounts: Accounts;
  slices: Slices;
  report: Report;
  /** Commits a batch in place of the journal; its readings get no positions then. */
  write?: (batch: Batch) => Promise<unknown>;
  /** Called after each commit, in journal order, before the acknowledgements. */
  committed: (batch: Batch) => void;
}

/**
 * The commits of one source, one after the other. What arrives while a commit is under way goes into the next one
 * together: natural group commit. Whoever waits for a batch is told after its commit.
 */
export class Lane {
  readonly source: string;
  private readonly options: LaneOptions;
  private underWay: Batch | undefined;
  private readonly full: Batch[] = [];
  private open = new Batch();
  private scheduled = false;
  private waitingForIdle: (() => void)[] = [];

  constructor(source: string, options: LaneOptions) {
    this.source = source;
    this.options = options;
  }

  get idle(): boolean {
    return this.underWay === undefined && this.open.empty && this.full.length === 0;
  }

  /** The batch that takes what arrives now; `join` follows once it has been put in. */
  batch(): Batch {
    if (this.open.readings.length >= MAX_BATCH_READINGS || this.open.bytes >= MAX_BATCH_BYTES) {
      this.full.push(this.open);
      this.open = new Batch();
    }
    return this.open;
  }

  /** Lets someone wait for a batch. */
  join(batch: Batch, account: Account, bytes: number, since: number, done: Waiter['done']): void {
    batch.waiters.push({ done, account, bytes, since });
    batch.bytes += bytes;
    this.options.accounts.charge(account, bytes);
    if (this.scheduled || this.underWay !== undefined) return;
    // Everything that is read from the sockets in this turn of the event loop shares the commit.
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      this.append();
    });
  }

  /** The uncommitted batch that holds this receipt. */
  holding(client: number, message: number): Batch | undefined {
    return this.uncommitted().find(({ receipts }) => receipts.has(client, message));
  }

  /** Refuses whoever has waited since `limit` or longer. */
  expire(limit: number, error: Error): number {
    let count = 0;
    for (const batch of this.uncommitted()) count += batch.expire(limit, error, this.options.report);
    return count;
  }

  /** Messages whose commit is not through. */
  get waiting(): number {
    let count = 0;
    for (const batch of this.uncommitted()) count += batch.waiters.length;
    return count;
  }

  /** Resolves once nothing is waiting. */
  settled(): Promise<void> {
    return this.idle ? Promise.resolve() : new Promise((resolve) => this.waitingForIdle.push(resolve));
  }

  private uncommitted(): Batch[] {
    return this.underWay === undefined ? [...this.full, this.open] : [this.underWay, ...this.full, this.open];
  }

  private append(): void {
    if (this.underWay !== undefined) return;
    const batch = this.full.shift() ?? this.open;
    if (batch === this.open) this.open = new Batch();
    if (batch.empty) {
      for (const resolve of this.waitingForIdle.splice(0)) resolve();
      return;
    }
    this.underWay = batch;
    this.write(batch).then(
      (first) => this.succeed(batch, first),
      (error: unknown) => this.fail(batch, toError(error)),
    );
  }

  private async write(batch: Batch): Promise<number | undefined> {
    if (this.options.write !== undefined) {
      await this.options.write(batch);
      return undefined;
    }
    const { readings, rejections, receipts, cause } = batch;
    return this.options.vault.journal.append({
      source: this.source,
      readings,
      ...(receipts.length > 0 && { receipts: Array.from(receipts.digests) }),
      ...(rejections.length > 0 && { rejections }),
      ...(cause > 0 && { cause }),
    });
  }

  private succeed(batch: Batch, first: number | undefined): void {
    this.underWay = undefined;
    // First, so that the writer works on the next batch while this one is acknowledged.
    this.append();
    if (first !== undefined) for (let i = 0; i < batch.readings.length; i++) batch.readings[i].position = first + i;
    this.options.committed(batch);
    this.settle(batch, undefined);
  }

  private fail(batch: Batch, error: Error): void {
    this.underWay = undefined;
    this.append();
    this.settle(batch, error);
  }

  private settle({ waiters }: Batch, error: Error | undefined): void {
    const { accounts, slices, report } = this.options;
    let next = 0;
    slices.run(() => {
      const end = Math.min(waiters.length, next + ACKNOWLEDGE_AT_ONCE);
      while (next < end) {
        const waiter = waiters[next++];
        accounts.release(waiter.account, waiter.bytes);
        tell(waiter, error, report);
      }
      return next < waiters.length;
    });
  }
}

/** Copies of readings to be committed anew: what another door gave them is left behind. */
export function uncommitted(readings: readonly Reading[]): Reading[] {
  return readings.map(({ position: _position, anomaly: _anomaly, ...reading }) => reading);
}
