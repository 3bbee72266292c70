import { toError } from '../node/errors.ts';
import type { Journal } from '../vault/vault.ts';
import { RECEIPT_WINDOW } from '../vault/vault.ts';
import { tell, type Report, type Waiter } from './batch.ts';
import { type PendingReceipts, ReceiptWindow } from './receipt-set.ts';

const LOWER_HALF = 0xffff_ffffn;

/** A message with DUP set that waits until the receipts are loaded; `retry` looks at it anew. */
interface Held {
  waiter: Waiter;
  retry: () => void;
  refused: boolean;
}

/**
 * The receipts of a vault's committed publishes. Most brokers' clients never send a DUP, so they are read from the vault when the
 * first one comes, and kept up to date from then on; what is committed while they are being read is added as well.
 */
export class Receipts {
  private readonly journal: Pick<Journal, 'receipts'>;
  private readonly report: Report;
  private window: ReceiptWindow | undefined;
  private held: Held[] = [];
  ready = false;

  constructor(journal: Pick<Journal, 'receipts'>, report: Report) {
    this.journal = journal;
    this.report = report;
  }

  committed(receipts: PendingReceipts): void {
    if (this.window !== undefined) receipts.addTo(this.window);
  }

  /** Only when `ready`. */
  has(client: number, message: number): boolean {
    return this.window?.has(client, message) ?? false;
  }

  /** Holds a message until the receipts are loaded. */
  hold(waiter: Waiter, retry: () => void): void {
    this.held.push({ waiter, retry, refused: false });
    if (this.window !== undefined) return;
    const window = new ReceiptWindow(RECEIPT_WINDOW);
    this.window = window;
    void this.load(window);
  }

  expire(limit: number, error: Error): number {
    let count = 0;
    for (const held of this.held) {
      if (held.refused || held.waiter.since > limit) continue;
      held.refused = true;
      count++;
      tell(held.waiter, error, this.report);
    }
    return count;
  }

  get waiting(): number {
    return this.held.length;
  }

  /** Never rejects: a failure refuses those who wait, and the next DUP tries again. */
  private async load(window: ReceiptWindow): Promise<void> {
    let failure: Error | undefined;
    try {
      for (const receipt of await this.journal.receipts())
        window.add(Number(receipt >> 32n), Number(receipt & LOWER_HALF));
      this.ready = true;
    } catch (error) {
      failure = toError(error);
      this.window = undefined;
    }
    for (const { waiter, retry, refused } of this.held.splice(0)) {
      if (refused) continue;
      if (failure === undefined) retry();
      else tell(waiter, failure, this.report);
    }
  }
}
