import { setImmediate as turn } from 'node:timers/promises';

/** Turns of the event loop without anything under way after which nothing will come of itself. */
const QUIET_TURNS = 2;
/** Real milliseconds after which work that is under way will not end any more. */
const STUCK_MS = 30_000;

/** Counts real work that is under way: it takes no simulated time, so time stands still until it is done. */
export class Busy {
  private readonly failures: unknown[] = [];
  private count = 0;

  /** Keeps the time from going on until the promise is settled; what it is rejected with ends the round. */
  track(work: Promise<unknown>): void {
    this.count++;
    work.then(
      () => this.count--,
      (error: unknown) => {
        this.count--;
        this.failures.push(error);
      },
    );
  }

  /** The same for a result that somebody else takes, and its failure too. */
  watch(result: unknown): void {
    if (!(result instanceof Promise)) return;
    this.count++;
    const done = (): void => void this.count--;
    result.then(done, done);
  }

  /** Ends the round, whoever is told of it or not. */
  fail(error: unknown): void {
    this.failures.push(error);
  }

  async quiet(): Promise<void> {
    const started = performance.now();
    for (let idle = 0; idle < QUIET_TURNS; idle++) {
      await turn();
      if (this.count === 0) continue;
      idle = -1;
      if (performance.now() - started > STUCK_MS) throw new Error(`${this.count} pieces of work do not end`);
    }
    if (this.failures.length > 0) throw this.failures[0];
  }
}
