import { earlierNames } from '@tidegate/nodes/reading';
import { decodeSummary, purposeOf, resolutionOf } from '@tidegate/nodes/summary';
import type { Database } from 'better-sqlite3';

import { newestWindow, nextWindow, prepareWindows, type PlacedWindow, type Place } from './sqlite-windows.ts';
import type { SeriesFacts } from './store.ts';

interface SeriesRow {
  incarnation_id: number;
  number: number;
  name: string;
  kind: SeriesFacts['kind'];
  unit: string | null;
  sensor: string | null;
  sensor_since: number | null;
  retired: number | null;
  continues: number | null;
}

/** One line for each name; what lies in several incarnations of the gateway is put together. */
export function readSeries(db: Database, gatewayId: number, purpose: string): SeriesFacts[] {
  const statements = prepare(db);
  const found = new Map<string, { facts: SeriesFacts; rows: SeriesRow[] }>();
  // Incarnations in the order in which they were first seen: what the newest says of a series holds.
  for (const row of statements.series.iterate(gatewayId)) {
    const { facts, rows } = found.get(row.name) ?? { facts: factsOf(row), rows: [] };
    rows.push(row);
    found.set(row.name, { facts: { ...factsOf(row), unit: row.unit ?? facts.unit }, rows });
  }
  for (const { facts, rows } of found.values()) {
    if (rows.at(-1)?.continues != null) facts.earlier = namesBefore(db, gatewayId, facts.name);
    for (const { number, incarnation_id: incarnation } of [facts.name, ...facts.earlier].flatMap(
      (name) => found.get(name)?.rows ?? [],
    ))
      for (const place of statements.places.all(number, incarnation))
        if (purposeOf(place.stream) === purpose) addWindows(facts, statements, place);
    // In the shortest windows there are, whatever has come of them so far.
    const length = (facts.resolutions[0] ?? 1) * 1000;
    if (facts.firstWindow !== null) facts.firstWindow = Math.floor(facts.firstWindow / length) * length;
    if (facts.lastWindow !== null) facts.lastWindow = Math.floor(facts.lastWindow / length) * length;
  }
  return Array.from(found.values(), ({ facts }) => facts).toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function factsOf({ name, kind, unit, sensor, sensor_since: sensorSince, retired }: SeriesRow): SeriesFacts {
  const nothing = { earlier: [], resolutions: [], firstWindow: null, lastWindow: null, last: null };
  return { name, kind, unit, sensor, sensorSince, retired, ...nothing };
}

/** The names under which a series was known before, newest first, as its newest incarnation says. */
export function namesBefore(db: Database, gatewayId: number, series: string): string[] {
  const before = db
    .prepare<[number, string], string | null>(
      `SELECT (SELECT name FROM series AS before WHERE before.gateway_id = series.gateway_id
         AND before.incarnation_id = series.incarnation_id AND before.number = series.continues)
       FROM series WHERE gateway_id = ? AND name = ? ORDER BY incarnation_id DESC, number DESC LIMIT 1`,
    )
    .pluck();
  return earlierNames(series, (name) => before.get(gatewayId, name) ?? undefined);
}

/** A few seeks for each resolution, however many windows there are. */
function addWindows(
  facts: SeriesFacts,
  statements: ReturnType<typeof prepare>,
  place: Place & { stream: string },
): void {
  const resolution = resolutionOf(place.stream);
  if (resolution === undefined) return;
  const first = nextWindow(statements, place, resolution, Number.NEGATIVE_INFINITY);
  const newest = newestWindow(statements, place, resolution);
  if (first === undefined || newest === undefined) return;
  if (!facts.resolutions.includes(resolution)) {
    facts.resolutions.push(resolution);
    facts.resolutions.sort((a, b) => a - b);
  }
  const began = reached(first, Math.min);
  const ended = reached(newest, Math.max);
  facts.firstWindow = Math.min(facts.firstWindow ?? began, began);
  facts.lastWindow = Math.max(facts.lastWindow ?? ended, ended);
  for (const bytes of newest.summaries) {
    const { last } = decodeSummary(bytes);
    if (last !== undefined && last.time >= (facts.last?.time ?? Number.NEGATIVE_INFINITY))
      facts.last = { time: last.time, value: last.value };
  }
}

/** Time of the first or the last reading in a window: a day's window begins long before a series that is an hour old. */
function reached({ windowStart, summaries }: PlacedWindow, choose: (a: number, b: number) => number): number {
  let time: number | undefined;
  for (const bytes of summaries) {
    const { first, last } = decodeSummary(bytes);
    for (const end of [first, last]) if (end !== undefined) time = choose(time ?? end.time, end.time);
  }
  return time ?? windowStart;
}

function prepare(db: Database) {
  return {
    ...prepareWindows(db),
    series: db.prepare<[number], SeriesRow>(
      `SELECT incarnation_id, number, name, kind, unit, sensor, sensor_since, retired, continues FROM series
       WHERE gateway_id = ? ORDER BY incarnation_id, number`,
    ),
    places: db.prepare<[number, number], Place & { stream: string }>(
      `SELECT streams.name AS stream, streams.id AS streamId, series, first, last FROM streams
       JOIN extents ON extents.stream_id = streams.id AND extents.series = ? WHERE incarnation_id = ?`,
    ),
  };
}
