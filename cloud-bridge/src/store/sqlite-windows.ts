import { purposeOf, resolutionOf } from '@tidegate/nodes/summary';
import type { Database, Statement } from 'better-sqlite3';

import { cover, type Ladder } from './cover.ts';
import { stepOf } from './sqlite-extents.ts';
import { namesBefore } from './sqlite-series.ts';
import type { WindowParts, WindowQuery } from './store.ts';

/** Windows of all incarnations under one name and those before it (cover.ts says of which length), ascending. */
export function readWindows(db: Database, query: WindowQuery): { windows: WindowParts[]; next: number | null } {
  const { gatewayId, series, purpose, resolution, from, to, limit } = query;
  return cover(ladderOf(db, gatewayId, series, purpose), { resolution, from, to, limit });
}

function ladderOf(db: Database, gatewayId: number, name: string, purpose: string): Ladder {
  const found = db
    .prepare<[number, string], Place & { stream: string }>(
      `SELECT streams.name AS stream, streams.id AS streamId, series.number AS series, extents.first, extents.last
       FROM series JOIN streams ON streams.incarnation_id = series.incarnation_id
       JOIN extents ON extents.stream_id = streams.id AND extents.series = series.number
       WHERE gateway_id = ? AND series.name IN (SELECT value FROM json_each(?)) ORDER BY series.incarnation_id, series.number`,
    )
    .all(gatewayId, JSON.stringify([name, ...namesBefore(db, gatewayId, name)]));
  const places = new Map<number, Place[]>();
  for (const place of found) {
    const resolution = resolutionOf(place.stream);
    if (resolution === undefined || purposeOf(place.stream) !== purpose) continue;
    places.set(resolution, [...(places.get(resolution) ?? []), place]);
  }
  const statements = prepareWindows(db);
  const of = (resolution: number): readonly Place[] => places.get(resolution) ?? [];
  return {
    resolutions: [...places.keys()].toSorted((a, b) => a - b),
    parts: (resolution, windowStart) =>
      of(resolution).flatMap(({ streamId, series, first, last }) =>
        windowStart < first || windowStart >= last + stepOf(resolution)
          ? []
          : statements.parts.all(streamId, windowStart, series),
      ),
    next: (resolution, from) =>
      starts(of(resolution), (place) => nextWindow(statements, place, resolution, from)).at(0),
    newest: (resolution) => starts(of(resolution), (place) => newestWindow(statements, place, resolution)).at(-1),
  };
}

/** Ascending. */
function starts(places: readonly Place[], find: (place: Place) => PlacedWindow | undefined): number[] {
  const found = places.flatMap((place) => find(place)?.windowStart ?? []);
  return found.toSorted((a, b) => a - b);
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

/** Parts of one window of a series in one stream. */
export interface PlacedWindow {
  windowStart: number;
  summaries: Uint8Array[];
}

/** The first window of a series at or after a time. Parts lie by time: each window is a seek, and a hole is two. */
export function nextWindow(
  statements: WindowStatements,
  { streamId, series, first, last }: Place,
  resolution: number,
  from: number,
): PlacedWindow | undefined {
  const length = resolution * 1000;
  const end = last + stepOf(resolution) - 1;
  for (let at = Math.ceil(Math.max(from, first) / length) * length; at <= end;) {
    const summaries = statements.parts.all(streamId, at, series);
    if (summaries.length > 0) return { windowStart: at, summaries };
    // No window of any series may be there, for long.
    at = statements.next.get(streamId, at + length, end) ?? Number.POSITIVE_INFINITY;
  }
  return undefined;
}

/** The newest window of a series. */
export function newestWindow(
  statements: WindowStatements,
  { streamId, series, last }: Place,
  resolution: number,
): PlacedWindow | undefined {
  let at: number | undefined = last + stepOf(resolution);
  while ((at = statements.before.get(streamId, last, at - 1)) !== undefined) {
    const summaries = statements.parts.all(streamId, at, series);
    if (summaries.length > 0) return { windowStart: at, summaries };
  }
  return undefined;
}
