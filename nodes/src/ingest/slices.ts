import type { Clock } from '../node/clock.ts';

/** A small piece of work; true when there is more of it. */
export type Step = () => boolean;

/** How long synchronous work may hold the event loop, milliseconds. */
const SLICE_MS = 2;

/** Runs long synchronous work in slices, its owners in turn, so that nothing waits behind a large batch. */
export class Slices {
  private readonly clock: Clock;
  private readonly report: (error: unknown) => void;
  private steps: Step[] = [];
  private running = false;

  constructor(clock: Clock, report: (error: unknown) => void) {
    this.clock = clock;
    this.report = report;
  }

  /** Begins at once if nothing else is waiting; a small piece is then done when this returns. */
  run(step: Step): void {
    this.steps.push(step);
    if (this.running) return;
    this.running = true;
    this.slice();
  }

  private slice(): void {
    const until = this.clock.monotonic() + SLICE_MS;
    while (this.steps.length > 0) {
      const round = this.steps;
      this.steps = [];
      for (const [i, step] of round.entries()) {
        if (this.attempt(step)) this.steps.push(step);
        if (this.clock.monotonic() < until) continue;
        this.steps = [...round.slice(i + 1), ...this.steps];
        setImmediate(() => this.slice());
        return;
      }
    }
    this.running = false;
  }

  /** A step that throws is finished: its failure is reported and the others go on. */
  private attempt(step: Step): boolean {
    try {
      return step();
    } catch (error) {
      this.report(error);
      return false;
    }
  }
}
