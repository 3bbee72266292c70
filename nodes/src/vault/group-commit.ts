import type { Clock } from '../node/clock.ts';
import { TideError } from '../node/errors.ts';

export interface GroupCommitOptions<Item, Result> {
  /** Writes all items at once; results in their order. */
  write(items: readonly Item[]): Promise<readonly Result[]>;
  /** How long an item waits for company when there is little to write, milliseconds. */
  delayMs: number;
  /** Calls back later; returns the canceller. */
  after(ms: number, callback: () => void): () => void;
  clock: Clock;
}

interface Waiting<Item, Result> {
  item: Item;
  bytes: number;
  resolve: (result: Result) => void;
  reject: (error: unknown) => void;
}

/** With this much waiting a group is worth a commit of its own, whatever the delay. */
const FULL_BYTES = 256 * 1024;
const MAX_GROUP_BYTES = 8 * 1024 * 1024;
/** Beyond this the caller is told to wait: the disk does not keep up. */
export const MAX_WAITING_BYTES = 64 * 1024 * 1024;

/**
 * Natural group commit: at most one write is under way, and the next takes all that was handed in meanwhile. When it is
 * quiet an item waits `delayMs` for company, which is what saves a flash card; urgent items do not wait.
 */
export class GroupCommit<Item, Result> {
  private readonly options: GroupCommitOptions<Item, Result>;
  private queue: Waiting<Item, Result>[] = [];
  private queuedBytes = 0;
  private urgent = false;
  private queuedSince = 0;
  private writing = false;
  private closed = false;
  private cancelTimer: (() => void) | undefined;
  private drained: (() => void)[] = [];

  constructor(options: GroupCommitOptions<Item, Result>) {
    this.options = options;
  }

  /** Resolves after the item is written. `bytes` is about what it holds in memory. */
  submit(item: Item, bytes: number, urgent: boolean): Promise<Result> {
    if (this.closed) return Promise.reject(new TideError('closed', 'the vault is closed'));
    if (this.queuedBytes + bytes > MAX_WAITING_BYTES && this.queue.length > 0)
      return Promise.reject(
        new TideError(
          'overloaded',
          `${this.queuedBytes} bytes wait for the disk already; at most ${MAX_WAITING_BYTES}`,
        ),
      );
    return new Promise((resolve, reject) => {
      if (this.queue.length === 0) this.queuedSince = this.options.clock.monotonic();
      this.queue.push({ item, bytes, resolve, reject });
      this.queuedBytes += bytes;
      this.urgent ||= urgent;
      this.consider();
    });
  }

  /** Takes nothing more; resolves when all that was taken is written or has failed. */
  close(): Promise<void> {
    this.closed = true;
    this.consider();
    if (!this.writing && this.queue.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.drained.push(resolve));
  }

  private consider(): void {
    if (this.writing || this.queue.length === 0) return;
    const { delayMs, clock } = this.options;
    const rest = this.queuedSince + delayMs - clock.monotonic();
    if (rest <= 0 || this.urgent || this.closed || this.queuedBytes >= FULL_BYTES) {
      this.cancelTimer?.();
      this.cancelTimer = undefined;
      this.writing = true;
      // A turn later, so that what is handed in together is written together.
      queueMicrotask(() => void this.writeGroup());
    } else
      this.cancelTimer ??= this.options.after(rest, () => {
        this.cancelTimer = undefined;
        this.consider();
      });
  }

  private async writeGroup(): Promise<void> {
    const group = this.takeGroup();
    try {
      const results = await this.options.write(group.map(({ item }) => item));
      for (const [i, { resolve }] of group.entries()) resolve(results[i]);
    } catch (error) {
      for (const { reject } of group) reject(error);
    }
    this.writing = false;
    if (this.queue.length > 0) this.consider();
    else if (this.closed) for (const resolve of this.drained.splice(0)) resolve();
  }

  private takeGroup(): Waiting<Item, Result>[] {
    let count = 0;
    let bytes = 0;
    while (count < this.queue.length && (count === 0 || bytes + this.queue[count].bytes <= MAX_GROUP_BYTES))
      bytes += this.queue[count++].bytes;
    const group = this.queue.slice(0, count);
    this.queue = this.queue.slice(count);
    this.queuedBytes -= bytes;
    if (this.queue.length === 0) this.urgent = false;
    return group;
  }
}
