import type { Resolution } from './summary.ts';

/** The earliest end of an open window of each length, so that most ticks need not look at any series. */
export class DueTimes {
  private readonly ends = new Map<Resolution, number>();

  /** Whether a window of this length may have ended by a time. One of which nothing is known may. */
  mayHaveEnded(resolution: Resolution, by: number): boolean {
    return (this.ends.get(resolution) ?? Number.NEGATIVE_INFINITY) <= by;
  }

  /** All series are about to be looked at, and each is noted again. */
  begin(resolution: Resolution): void {
    this.ends.set(resolution, Number.POSITIVE_INFINITY);
  }

  /** A window that is open ends then. */
  note(resolution: Resolution, end: number): void {
    const known = this.ends.get(resolution);
    if (known !== undefined && end < known) this.ends.set(resolution, end);
  }

  /** Windows of this length are open that were not noted. */
  forget(resolution: Resolution): void {
    this.ends.delete(resolution);
  }
}
