import { decodeSummary, purposeOf, resolutionOf } from '@tidegate/nodes/summary';
import type { Database } from 'better-sqlite3';

import { stepOf } from './sqlite-extents.ts';
import { Head, prepareWindows, type Place, type WindowStatements } from './sqlite-windows.ts';
import type { SeriesFacts, WindowParts } from './store.ts';

interface SeriesRow {
  incarnation_id: number;
  number: number;
  name: string;
  kind: SeriesFacts['kind'];
  unit: string | null;
}

/** One line for each name; what lies in several incarnations of the gateway is put together. */
export function readSeries(db: Database, gatewayId: number, purpose: string): SeriesFacts[] {
  const statements = prepare(db);
  const found = new Map<string, SeriesFacts>();
  // Incarnations in the order in which they were first seen: what the newest says of a series holds.
  for (const row of statements.series.iterate(gatewayId)) {
    const facts: SeriesFacts = found.get(row.name) ?? {
      name: row.name,
      kind: row.kind,
      unit: row.unit,
      resolutions: [],
      firstWindow: null,
      lastWindow: null,
      last: null,
    };
    facts.kind = row.kind;
    facts.unit = row.unit ?? facts.unit;
    found.set(row.name, facts);
    for (const place of statements.places.all(row.number, row.incarnation_id)) {
      if (purposeOf(place.stream) === purpose) addWindows(facts, statements, place);
    }
  }
  return [...found.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** A few seeks for each resolution, however many windows there are. */
function addWindows(
  facts: SeriesFacts,
  statements: ReturnType<typeof prepare>,
  place: Place & { stream: string },
): void {
  const resolution = resolutionOf(place.stream);
  if (resolution === undefined) return;
  const { window: first } = new Head(statements, place, resolution, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY);
  const newest = newestWindow(statements, place, resolution);
  if (first === undefined || newest === undefined) return;
  if (!facts.resolutions.includes(resolution)) {
    facts.resolutions.push(resolution);
    facts.resolutions.sort((a, b) => a - b);
  }
  facts.firstWindow = Math.min(facts.firstWindow ?? first.windowStart, first.windowStart);
  facts.lastWindow = Math.max(facts.lastWindow ?? newest.windowStart, newest.windowStart);
  for (const bytes of newest.summaries) {
    const { last } = decodeSummary(bytes);
    if (last !== undefined && last.time >= (facts.last?.time ?? Number.NEGATIVE_INFINITY))
      facts.last = { time: last.time, value: last.value };
  }
}

function newestWindow(statements: WindowStatements, place: Place, resolution: number): WindowParts | undefined {
  const { streamId, series, last } = place;
  let at: number | undefined = last + stepOf(resolution);
  while ((at = statements.before.get(streamId, last, at - 1)) !== undefined) {
    const summaries = statements.parts.all(streamId, at, series);
    if (summaries.length > 0) return { windowStart: at, summaries };
  }
  return undefined;
}

function prepare(db: Database) {
  return {
    ...prepareWindows(db),
    series: db.prepare<[number], SeriesRow>(
      'SELECT incarnation_id, number, name, kind, unit FROM series WHERE gateway_id = ? ORDER BY incarnation_id, number',
    ),
    places: db.prepare<[number, number], Place & { stream: string }>(
      `SELECT streams.name AS stream, streams.id AS streamId, series, first, last FROM streams
       JOIN extents ON extents.stream_id = streams.id AND extents.series = ? WHERE incarnation_id = ?`,
    ),
  };
}
