import type { Database } from 'better-sqlite3';

import { SqliteExtents } from './sqlite-extents.ts';
import { SqliteHeld } from './sqlite-held.ts';
import type { SqliteRegistry } from './sqlite-registry.ts';
import type { Figures, PartRecord } from './store.ts';

/** Joins parts into the grow-only set, within the caller's transaction. */
export class SqliteParts {
  private readonly registry: SqliteRegistry;
  private readonly statements: ReturnType<typeof prepare>;
  private readonly extents: SqliteExtents;
  private readonly held: SqliteHeld;
  /** New parts of each gateway in the transaction under way. */
  private readonly added = new Map<number, number>();
  /** The stream of the part before: parts come a block at a time. */
  private stream = { incarnationId: 0, name: '', id: 0 };

  constructor(db: Database, registry: SqliteRegistry) {
    this.registry = registry;
    this.statements = prepare(db);
    this.extents = new SqliteExtents(db);
    this.held = new SqliteHeld(db);
  }

  /** `fork`: its key came with other bytes than are there. */
  join(record: PartRecord): 'inserted' | 'duplicate' | 'fork' {
    const { gatewayId, incarnationId, stream, windowStart, series, part, summary, figures, readings } = record;
    const streamId = this.streamId(incarnationId, stream);
    if (this.statements.insert.run(streamId, windowStart, series, part, summary).changes === 1) {
      this.held.add(streamId, series, readings);
      this.extents.cover(streamId, stream, series, windowStart);
      this.added.set(gatewayId, (this.added.get(gatewayId) ?? 0) + 1);
      if (figures !== undefined) this.showFigures([streamId, windowStart, series, part], figures);
      return 'inserted';
    }
    // SQLite has one writer: nobody can have come between the insert that found the key taken and this look at it.
    return this.holds(record) ? 'duplicate' : 'fork';
  }

  holds({ incarnationId, stream, windowStart, series, part, summary }: PartRecord): boolean {
    const there = this.statements.partOf.get(incarnationId, stream, windowStart, series, part);
    return there !== undefined && Buffer.compare(there, summary) === 0;
  }

  /** Before the transaction ends. */
  flush(): void {
    this.held.flush();
    for (const [gatewayId, count] of this.added) this.statements.count.run(count, gatewayId);
    this.added.clear();
  }

  /** To be called when the transaction was rolled back: ids that it gave out are free again. */
  forget(): void {
    this.stream = { incarnationId: 0, name: '', id: 0 };
    this.extents.forget();
    this.held.forget();
    this.added.clear();
  }

  private streamId(incarnationId: number, name: string): number {
    if (this.stream.name !== name || this.stream.incarnationId !== incarnationId)
      this.stream = { incarnationId, name, id: this.registry.streamId(incarnationId, name) };
    return this.stream.id;
  }

  private showFigures(key: readonly number[], { first, last, ...figures }: Figures): void {
    this.statements.figures.run(
      ...key,
      figures.count,
      figures.numeric,
      figures.unit,
      figures.sum,
      figures.squares,
      figures.min,
      figures.max,
      ...timedColumns(first),
      ...timedColumns(last),
      figures.anomalies,
      figures.uncertain,
      figures.bad,
      figures.changes,
      figures.states === null ? null : JSON.stringify(figures.states),
    );
  }
}

function timedColumns(timed: Figures['first']): (number | string | null)[] {
  if (timed === null) return [null, null, null];
  return typeof timed.value === 'string' ? [timed.time, null, timed.value] : [timed.time, timed.value, null];
}

function prepare(db: Database) {
  return {
    insert: db.prepare('INSERT INTO parts VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING'),
    partOf: db
      .prepare<unknown[], Buffer>(
        `SELECT summary FROM parts WHERE stream_id = (SELECT id FROM streams WHERE incarnation_id = ? AND name = ?)
           AND window_start = ? AND series = ? AND part = ?`,
      )
      .pluck(),
    figures: db.prepare(`INSERT INTO figures VALUES (${Array(22).fill('?').join(', ')})`),
    count: db.prepare('UPDATE gateways SET parts = parts + ? WHERE id = ?'),
  };
}
