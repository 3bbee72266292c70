import { streamOf } from '@tidegate/nodes/summary';
import type { Database, Statement } from 'better-sqlite3';

import { stepOf } from './sqlite-extents.ts';
import type { WindowParts, WindowQuery } from './store.ts';

/** Parts of all incarnations under one name, by window, ascending. Reads no window beyond the limit but the next one of each incarnation. */
export function readWindows(db: Database, query: WindowQuery): { windows: WindowParts[]; next: number | null } {
  const { gatewayId, series, purpose, resolution, from, to, limit } = query;
  const places = db
    .prepare<[string, number, string], Place>(
      `SELECT streams.id AS streamId, series.number AS series, extents.first, extents.last FROM series
       JOIN streams ON streams.incarnation_id = series.incarnation_id AND streams.name = ?
       JOIN extents ON extents.stream_id = streams.id AND extents.series = series.number
       WHERE gateway_id = ? AND series.name = ? ORDER BY series.incarnation_id, series.number`,
    )
    .all(streamOf(purpose, resolution), gatewayId, series);
  const statements = prepareWindows(db);
  const heads = places.map((place) => new Head(statements, place, resolution, from, to));
  return mergeHeads(heads, limit);
}

/** Where the parts of one series number lie; `first` and `last` are steps (sqlite-extents). */
export interface Place {
  streamId: number;
  series: number;
  first: number;
  last: number;
}

export interface WindowStatements {
  /** Summaries of one window of a series, by part. */
  parts: Statement<[streamId: number, windowStart: number, series: number], Uint8Array>;
  /** First and last window of a stream between two times, both inclusive. */
  next: Statement<[streamId: number, from: number, to: number], number>;
  before: Statement<[streamId: number, from: number, to: number], number>;
}

export function prepareWindows(db: Database): WindowStatements {
  return {
    parts: db
      .prepare<[number, number, number], Uint8Array>(
        'SELECT summary FROM parts WHERE stream_id = ? AND window_start = ? AND series = ? ORDER BY part',
      )
      .pluck(),
    next: db
      .prepare<[number, number, number], number>(
        'SELECT window_start FROM parts WHERE stream_id = ? AND window_start BETWEEN ? AND ? ORDER BY window_start LIMIT 1',
      )
      .pluck(),
    before: db
      .prepare<[number, number, number], number>(
        `SELECT window_start FROM parts WHERE stream_id = ? AND window_start BETWEEN ? AND ?
         ORDER BY window_start DESC LIMIT 1`,
      )
      .pluck(),
  };
}

function mergeHeads(heads: readonly Head[], limit: number): { windows: WindowParts[]; next: number | null } {
  const windows: WindowParts[] = [];
  for (;;) {
    const windowStart = Math.min(...heads.map((head) => head.window?.windowStart ?? Number.POSITIVE_INFINITY));
    if (windowStart === Number.POSITIVE_INFINITY) return { windows, next: null };
    if (windows.length === limit) return { windows, next: windowStart };
    const summaries: Uint8Array[] = [];
    for (const head of heads) {
      if (head.window?.windowStart !== windowStart) continue;
      summaries.push(...head.window.summaries);
      head.advance();
    }
    windows.push({ windowStart, summaries });
  }
}

/** The next window of a series in one stream. Parts lie by time, so that each window is a seek, and a hole is two. */
export class Head {
  window: WindowParts | undefined;
  private readonly statements: WindowStatements;
  private readonly place: Place;
  private readonly length: number;
  private readonly last: number;
  private at: number;

  /** Windows that start at `from` or later and before `to`. */
  constructor(statements: WindowStatements, place: Place, resolution: number, from: number, to: number) {
    this.statements = statements;
    this.place = place;
    this.length = resolution * 1000;
    const { first, last } = place;
    this.at = Math.ceil(Math.max(from, first) / this.length) * this.length;
    this.last = Math.min(to - 1, last + stepOf(resolution) - 1);
    this.advance();
  }

  advance(): void {
    const { streamId, series } = this.place;
    while (this.at <= this.last) {
      const windowStart = this.at;
      const summaries = this.statements.parts.all(streamId, windowStart, series);
      this.at += this.length;
      if (summaries.length > 0) {
        this.window = { windowStart, summaries };
        return;
      }
      // No window of any series may be there, for long.
      this.at = this.statements.next.get(streamId, this.at, this.last) ?? Number.POSITIVE_INFINITY;
    }
    this.window = undefined;
  }
}
