import { decodeSummary } from '@tidegate/nodes/summary';
import type { Database } from 'better-sqlite3';

/** Series whose sums share a row, eight bytes each. Blocks name series that lie side by side, so a transaction writes few rows. */
const PAGE = 128;
/** Changed parts that one look takes into the sums. */
const MAX_CHANGES = 50_000;

/** How many readings the parts of each stream hold, by series, as sums that the transactions which insert the parts keep. */
export class SqliteHeld {
  private readonly statements: ReturnType<typeof prepare>;
  /** Of the transaction under way: by stream, by series. */
  private readonly pending = new Map<number, Map<number, number>>();

  constructor(db: Database) {
    this.statements = prepare(db);
  }

  /** A part was inserted. */
  add(streamId: number, series: number, readings: number): void {
    let sums = this.pending.get(streamId);
    if (sums === undefined) this.pending.set(streamId, (sums = new Map()));
    sums.set(series, (sums.get(series) ?? 0) + readings);
  }

  /** Within the transaction, before it ends. */
  flush(): void {
    for (const [streamId, sums] of this.pending) {
      const pages = Map.groupBy(sums, ([series]) => Math.floor(series / PAGE));
      for (const [page, entries] of pages) {
        const counts = Buffer.alloc(PAGE * 8);
        this.statements.read.get(streamId, page)?.copy(counts);
        for (const [series, readings] of entries) {
          const at = (series % PAGE) * 8;
          counts.writeDoubleLE(counts.readDoubleLE(at) + readings, at);
        }
        this.statements.write.run(streamId, page, counts);
      }
    }
    this.pending.clear();
  }

  /** To be called when the transaction was rolled back. */
  forget(): void {
    this.pending.clear();
  }

  /**
   * Within a transaction: takes in what somebody changed or deleted among the parts of a stream. False when there is more
   * than one look takes.
   */
  settle(streamId: number): boolean {
    const rows = this.statements.changes.all(streamId, MAX_CHANGES);
    for (const { series, gained, summary } of rows) {
      const { count, bad } = decodeSummary(summary);
      this.add(streamId, series, gained === 1 ? count + bad : -count - bad);
    }
    this.flush();
    const last = rows.at(-1);
    if (last !== undefined) this.statements.settled.run(streamId, last.id);
    return rows.length < MAX_CHANGES;
  }

  /** Readings of each series with a number in a span, inclusive, of which there are any. */
  of(streamId: number, from: number, to: number): Map<number, number> {
    const held = new Map<number, number>();
    const pages = this.statements.pages.iterate(streamId, Math.floor(from / PAGE), Math.floor(to / PAGE));
    for (const { page, counts } of pages)
      for (let i = 0; i < PAGE; i++) {
        const series = page * PAGE + i;
        const readings = counts.readDoubleLE(i * 8);
        if (readings !== 0 && series >= from && series <= to) held.set(series, readings);
      }
    return held;
  }
}

function prepare(db: Database) {
  return {
    read: db.prepare<[number, number], Buffer>('SELECT counts FROM held WHERE stream_id = ? AND page = ?').pluck(),
    pages: db.prepare<[number, number, number], { page: number; counts: Buffer }>(
      'SELECT page, counts FROM held WHERE stream_id = ? AND page BETWEEN ? AND ? ORDER BY page',
    ),
    write: db.prepare(
      'INSERT INTO held VALUES (?, ?, ?) ON CONFLICT (stream_id, page) DO UPDATE SET counts = excluded.counts',
    ),
    changes: db.prepare<[number, number], { id: number; series: number; gained: number; summary: Buffer }>(
      'SELECT id, series, gained, summary FROM part_changes WHERE stream_id = ? ORDER BY id LIMIT ?',
    ),
    settled: db.prepare('DELETE FROM part_changes WHERE stream_id = ? AND id <= ?'),
  };
}
