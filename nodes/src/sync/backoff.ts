/**
 * Full-jitter backoff (Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015): a fleet whose link comes
 * back at once does not come back in step.
 */
export interface BackoffOptions {
  /** No wait is shorter, milliseconds. */
  floorMs: number;
  /** Longest first wait. */
  firstMs: number;
  /** Longest wait of all. */
  capMs: number;
}

export class Backoff {
  private readonly random: () => number;
  private readonly options: BackoffOptions;
  private failures = 0;

  /** `random` gives numbers in 0..1, 1 excluded. */
  constructor(random: () => number, options: BackoffOptions) {
    this.random = random;
    this.options = options;
  }

  /** Milliseconds to wait after one more failure. */
  next(): number {
    const { floorMs, firstMs, capMs } = this.options;
    const ceiling = Math.min(capMs, firstMs * 2 ** Math.min(this.failures, 30));
    this.failures++;
    return floorMs + this.random() * Math.max(0, ceiling - floorMs);
  }

  reset(): void {
    this.failures = 0;
  }
}
