import type { Database } from 'better-sqlite3';

import { purposeIdOf } from './sqlite-series.ts';
import type { WindowParts, WindowQuery } from './store.ts';

interface PartRow {
  window_start: number;
  summary: Uint8Array;
}

/** Parts of all incarnations under one name, by window, ascending. Reads no row beyond the limit but the next one of each incarnation. */
export function readWindows(db: Database, query: WindowQuery): { windows: WindowParts[]; next: number | null } {
  const { gatewayId, series, purpose, resolution, from, to, limit } = query;
  const purposeId = purposeIdOf(db, purpose);
  if (purposeId === undefined) return { windows: [], next: null };
  const places = db
    .prepare<[number, string], [number, number]>(
      'SELECT incarnation_id, number FROM series WHERE gateway_id = ? AND name = ? ORDER BY incarnation_id, number',
    )
    .raw()
    .all(gatewayId, series);
  const heads = places.map(([incarnationId, number]) => {
    const rows = db
      .prepare<number[], PartRow>(
        `SELECT window_start, summary FROM parts
         WHERE gateway_id = ? AND incarnation_id = ? AND purpose_id = ? AND series = ? AND resolution = ?
           AND window_start >= ? AND window_start < ?
         ORDER BY window_start, part`,
      )
      .iterate(gatewayId, incarnationId, purposeId, number, resolution, from, to);
    return new Head(rows);
  });
  try {
    return mergeHeads(heads, limit);
  } finally {
    for (const head of heads) head.close();
  }
}

function mergeHeads(heads: readonly Head[], limit: number): { windows: WindowParts[]; next: number | null } {
  const windows: WindowParts[] = [];
  for (;;) {
    let windowStart = Number.POSITIVE_INFINITY;
    for (const { row } of heads) if (row !== undefined) windowStart = Math.min(windowStart, row.window_start);
    if (windowStart === Number.POSITIVE_INFINITY) return { windows, next: null };
    if (windows.length === limit) return { windows, next: windowStart };
    const summaries: Uint8Array[] = [];
    for (const head of heads) {
      for (; head.row?.window_start === windowStart; head.advance()) summaries.push(head.row.summary);
    }
    windows.push({ windowStart, summaries });
  }
}

/** The next row of a sorted run. */
class Head {
  row: PartRow | undefined;
  private readonly rows: IterableIterator<PartRow>;

  constructor(rows: IterableIterator<PartRow>) {
    this.rows = rows;
    this.advance();
  }

  advance(): void {
    const { done, value } = this.rows.next() as IteratorResult<PartRow, undefined>;
    this.row = done === true ? undefined : value;
  }

  close(): void {
    this.rows.return?.();
  }
}
