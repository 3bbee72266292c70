/** Records that always fit into one transaction, however slow the disk. */
const FEWEST = 16;
const MOST = 4096;

/**
 * How many records a bulk transaction may hold so that it takes about `targetMs`: an alert that comes in the middle of
 * one waits for its end. Follows the pace that was measured, down at once and up slowly.
 */
export class TransactionSizer {
  private readonly targetMs: number;
  private size = 128;

  constructor(targetMs: number) {
    this.targetMs = targetMs;
  }

  get records(): number {
    return this.size;
  }

  measured(records: number, ms: number): void {
    if (ms > this.targetMs) this.resize(Math.min(this.size / 2, (records * this.targetMs) / ms));
    else if (records >= this.size / 2)
      this.resize(Math.min(this.size * 1.25, (records * this.targetMs) / Math.max(ms, 0.1)));
  }

  private resize(size: number): void {
    this.size = Math.round(Math.min(MOST, Math.max(FEWEST, size)));
  }
}
