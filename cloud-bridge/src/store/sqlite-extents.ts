import { resolutionOf } from '@tidegate/nodes/summary';
import type { Database } from 'better-sqlite3';

/** Windows of a step. In steps, bounds move with every 256th window and not with each. */
const WINDOWS = 256;
/** Series whose bounds are remembered. */
const REMEMBERED = 200_000;

interface Bounds {
  first: number;
  last: number;
}

/** Length of a step, milliseconds. */
export const stepOf = (resolution: number): number => resolution * 1000 * WINDOWS;

/** Between which windows each series lies: what is remembered is never wider than what is stored. */
export class SqliteExtents {
  private readonly widen: ReturnType<typeof prepare>;
  private readonly streams = new Map<number, { step: number; series: Map<number, Bounds> }>();
  private remembered = 0;

  constructor(db: Database) {
    this.widen = prepare(db);
  }

  /** Within the caller's transaction: the series has a window there. */
  cover(streamId: number, stream: string, series: number, windowStart: number): void {
    let known = this.streams.get(streamId);
    if (known === undefined) {
      known = { step: stepOf(resolutionOf(stream) ?? 1), series: new Map() };
      this.streams.set(streamId, known);
    }
    const at = Math.floor(windowStart / known.step) * known.step;
    const bounds = known.series.get(series);
    if (bounds !== undefined && at >= bounds.first && at <= bounds.last) return;
    this.widen.run(streamId, series, at, at);
    if (bounds !== undefined) {
      bounds.first = Math.min(bounds.first, at);
      bounds.last = Math.max(bounds.last, at);
      return;
    }
    if (++this.remembered > REMEMBERED) this.forget();
    else known.series.set(series, { first: at, last: at });
  }

  /** To be called when the transaction was rolled back. */
  forget(): void {
    this.streams.clear();
    this.remembered = 0;
  }
}

function prepare(db: Database) {
  return db.prepare<[number, number, number, number]>(
    `INSERT INTO extents VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE
       SET first = min(first, excluded.first), last = max(last, excluded.last)
       WHERE excluded.first < first OR excluded.last > last`,
  );
}
