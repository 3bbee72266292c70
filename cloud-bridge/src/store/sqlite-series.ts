import type { Database } from 'better-sqlite3';

import type { SeriesFacts } from './store.ts';

interface SeriesRow {
  incarnation_id: number;
  number: number;
  name: string;
  kind: SeriesFacts['kind'];
  unit: string | null;
}

interface NewestRow {
  window_start: number;
  last_time: number | null;
  last_number: number | null;
  last_text: string | null;
}

/** One line for each name; what lies in several incarnations of the gateway is put together. */
export function readSeries(db: Database, gatewayId: number, purpose: string): SeriesFacts[] {
  const purposeId = purposeIdOf(db, purpose);
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
    if (purposeId !== undefined) addWindows(facts, statements, [gatewayId, row.incarnation_id, purposeId, row.number]);
  }
  return [...found.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** Hops from resolution to resolution over the primary key: a few seeks, however many windows there are. */
function addWindows(facts: SeriesFacts, statements: ReturnType<typeof prepare>, of: readonly number[]): void {
  for (
    let resolution = statements.resolution.get(...of, 0);
    resolution !== undefined;
    resolution = statements.resolution.get(...of, resolution)
  ) {
    if (!facts.resolutions.includes(resolution)) {
      facts.resolutions.push(resolution);
      facts.resolutions.sort((a, b) => a - b);
    }
    const first = statements.first.get(...of, resolution)!;
    const newest = statements.newest.get(...of, resolution)!;
    facts.firstWindow = Math.min(facts.firstWindow ?? first, first);
    facts.lastWindow = Math.max(facts.lastWindow ?? newest.window_start, newest.window_start);
    const last = statements.last.get(...of, resolution, newest.window_start);
    if (last !== undefined && last.last_time! >= (facts.last?.time ?? Number.NEGATIVE_INFINITY))
      facts.last = { time: last.last_time!, value: last.last_text ?? last.last_number! };
  }
}

/** Id of a purpose, or undefined when nothing was ever sent for it. */
export function purposeIdOf(db: Database, purpose: string): number | undefined {
  return db.prepare<[string], number>('SELECT id FROM purposes WHERE name = ?').pluck().get(purpose);
}

function prepare(db: Database) {
  const of = 'gateway_id = ? AND incarnation_id = ? AND purpose_id = ? AND series = ?';
  return {
    series: db.prepare<[number], SeriesRow>(
      'SELECT incarnation_id, number, name, kind, unit FROM series WHERE gateway_id = ? ORDER BY incarnation_id, number',
    ),
    resolution: db
      .prepare<number[], number>(
        `SELECT resolution FROM parts WHERE ${of} AND resolution > ? ORDER BY resolution LIMIT 1`,
      )
      .pluck(),
    first: db
      .prepare<number[], number>(
        `SELECT window_start FROM parts WHERE ${of} AND resolution = ? ORDER BY window_start LIMIT 1`,
      )
      .pluck(),
    newest: db.prepare<number[], NewestRow>(
      `SELECT window_start FROM parts WHERE ${of} AND resolution = ? ORDER BY window_start DESC LIMIT 1`,
    ),
    last: db.prepare<number[], NewestRow>(
      `SELECT last_time, last_number, last_text FROM parts WHERE ${of} AND resolution = ? AND window_start = ?
       AND last_time IS NOT NULL ORDER BY last_time DESC, part DESC LIMIT 1`,
    ),
  };
}
