import type { Reading } from '../reading/reading.ts';

/**
 * Knows which derived readings have been committed: by series, the highest position that they were made from. What was committed
 * before this process started is known by one figure for the whole source.
 */
export class CauseGuard {
  private readonly base: number;
  private readonly committed = new Map<string, number>();
  private readonly pending = new Map<string, { cause: number; outcome: Promise<unknown> }>();

  /** `base`: highest cause that the journal holds for the source. */
  constructor(base: number) {
    this.base = base;
  }

  /** Splits readings into new ones and the commits under way that hold the others. */
  sift(readings: readonly Reading[], cause: number | undefined): { fresh: Reading[]; awaited: Set<Promise<unknown>> } {
    const fresh: Reading[] = [];
    const awaited = new Set<Promise<unknown>>();
    for (const reading of readings) {
      const from = reading.position ?? cause;
      if (from === undefined) fresh.push(reading);
      else if (from > (this.committed.get(reading.series) ?? this.base)) {
        const pending = this.pending.get(reading.series);
        if (pending === undefined || from > pending.cause) fresh.push(reading);
        else awaited.add(pending.outcome);
      }
    }
    return { fresh, awaited };
  }

  /** Remembers readings whose commit is under way; a commit that fails leaves them unknown again. */
  track(readings: readonly Reading[], cause: number | undefined, outcome: Promise<unknown>): void {
    const highest = new Map<string, number>();
    for (const { series, position } of readings) {
      const from = position ?? cause;
      if (from !== undefined) highest.set(series, Math.max(from, highest.get(series) ?? 0));
    }
    for (const [series, from] of highest) this.pending.set(series, { cause: from, outcome });
    const settle = (committed: boolean): void => {
      for (const [series, from] of highest) {
        if (committed) this.committed.set(series, Math.max(from, this.committed.get(series) ?? this.base));
        if (this.pending.get(series)?.outcome === outcome) this.pending.delete(series);
      }
    };
    outcome.then(
      () => settle(true),
      () => settle(false),
    );
  }
}
