import type { Clock } from '../node/clock.ts';
import { reasonOf } from '../node/errors.ts';

/** After a failure of the vault. */
const RETRY_MS = 5_000;

/** What frames ask for, done one after the other outside of the step, and what went wrong with the vault there or in it. */
export class Work {
  /** What went wrong, until it goes right again. */
  trouble: string | undefined;
  /** When it may be tried again, monotonic milliseconds. */
  retryAt = -Infinity;
  private readonly clock: Clock;
  private readonly wake: () => void;
  private last: Promise<void> = Promise.resolve();

  constructor(clock: Clock, wake: () => void) {
    this.clock = clock;
    this.wake = wake;
  }

  later(task: () => Promise<void>): void {
    this.last = this.last.then(task).then(
      () => this.wake(),
      (error: unknown) => this.failed(error),
    );
  }

  failed(error: unknown): void {
    this.trouble = reasonOf(error);
    this.retryAt = this.clock.monotonic() + RETRY_MS;
    this.wake();
  }

  /** Nothing of it is under way any more. */
  ended(): Promise<void> {
    return this.last;
  }
}
