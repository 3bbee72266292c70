import type { Reading, Rejection } from '../reading/reading.ts';
import type { Account } from './accounts.ts';
import { PendingReceipts } from './receipt-set.ts';

/** Someone who waits for a commit: the moment to acknowledge a message, or to refuse it. */
export interface Waiter {
  done: (error?: Error) => void;
  account: Account;
  /** Bytes charged to the account. */
  bytes: number;
  /** Monotonic milliseconds of arrival. */
  since: number;
}

/** Takes failures that nobody waits for. */
export type Report = (error: unknown) => void;

/** Tells a waiter; one that throws does not keep the others from being told. */
export function tell(waiter: Waiter, error: Error | undefined, report: Report): void {
  try {
    waiter.done(error);
  } catch (thrown) {
    report(thrown);
  }
}

/** A message joins a batch with its readings, and its sender waits for the batch. */
export class Batch {
  readonly readings: Reading[] = [];
  readonly rejections: Rejection[] = [];
  readonly receipts = new PendingReceipts();
  readonly waiters: Waiter[] = [];
  cause = 0;
  bytes = 0;
  /** Waiters below this index have been refused because the commit takes too long. */
  private expired = 0;

  get empty(): boolean {
    return this.waiters.length === 0;
  }

  /** Refuses those who have waited since `limit` or longer; their bytes stay charged until the batch is settled. */
  expire(limit: number, error: Error, report: Report): number {
    let count = 0;
    while (this.expired < this.waiters.length && this.waiters[this.expired].since <= limit) {
      const waiter = this.waiters[this.expired++];
      tell(waiter, error, report);
      waiter.done = told;
      count++;
    }
    return count;
  }
}

function told(): void {
  // This message was refused before its commit came through; the sender has been told.
}
