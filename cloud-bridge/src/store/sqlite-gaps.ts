import { TideError } from '@tidegate/nodes/node';
import type { Database } from 'better-sqlite3';

import { MAX_STORED_GAPS, type GapFacts, type GapRecord, type MergeOutcome } from './store.ts';

interface GapRow {
  id: number;
  incarnation_id: number;
  at: number;
  cause: GapFacts['cause'];
  what: GapFacts['what'];
  stream: string | null;
  coarsest: number | null;
  count: number | null;
  time_from: number;
  time_to: number;
  detail: string;
}

/** What of a gap is in no column of its own. */
interface Detail {
  series: number[] | 'all' | null;
  blocks: [number, number][];
}

/**
 * Declared gaps, joined by the span of losses that they stand for: of two of a kind the wider one stays, so that
 * repetition and order change nothing. Their blocks count as arrived, a range as one row.
 */
export class SqliteGaps {
  private readonly db: Database;
  private readonly statements: ReturnType<typeof prepare>;

  constructor(db: Database) {
    this.db = db;
    this.statements = prepare(db);
  }

  /** Within the caller's transaction. Streams whose blocks are accounted for now are given to `touched`. */
  join(
    { gatewayId, incarnationId, gap }: GapRecord,
    streamId: (stream: string) => number,
    outcome: MergeOutcome,
    now: number,
  ): number | undefined {
    const { id: first, last, cause, what, stream = null, coarsest = null, count = null } = gap;
    const kind = [cause, what, stream ?? '', coarsest ?? 0].join(' ');
    const detail: Detail = { series: gap.series ?? null, blocks: gap.blocks ?? [] };
    const text = JSON.stringify(detail);
    const place = { incarnationId, kind, first, last, text, count };
    const { wider, narrower, forgetBlocks, forget, full, insert, insertBlocks } = this.statements;
    if (wider.get(place) !== undefined) {
      outcome.duplicates++;
      return undefined;
    }
    for (const id of narrower.all(place)) {
      forgetBlocks.run(id);
      forget.run(id);
    }
    if (full.get(gatewayId, MAX_STORED_GAPS) !== undefined)
      throw new TideError('bad-record', `this gateway has declared ${MAX_STORED_GAPS} gaps, the most that are kept`);
    const { lastInsertRowid } = insert.run(
      gatewayId,
      incarnationId,
      kind,
      first,
      last,
      cause,
      what,
      stream,
      coarsest,
      count,
      Math.floor(gap.at),
      Math.floor(gap.timeFrom),
      Math.ceil(gap.timeTo),
      text,
      now,
    );
    outcome.inserted++;
    if (stream === null || detail.blocks.length === 0) return undefined;
    const streamNumber = streamId(stream);
    for (const [from, to] of detail.blocks) insertBlocks.run(streamNumber, from, to, lastInsertRowid);
    return streamNumber;
  }

  /** Newest first. */
  list(gatewayId: number, limit: number): GapFacts[] {
    const rows = this.db
      .prepare<[number, number], GapRow>('SELECT * FROM gaps WHERE gateway_id = ? ORDER BY at DESC, id DESC LIMIT ?')
      .all(gatewayId, limit);
    const arrived = this.db
      .prepare<[number], number>(
        `SELECT count(*) FROM gap_blocks JOIN receipts ON receipts.stream_id = gap_blocks.stream_id
           AND receipts.number BETWEEN gap_blocks.first AND gap_blocks.last WHERE gap_id = ?`,
      )
      .pluck();
    return rows.map((row) => {
      const { series, blocks }: Detail = JSON.parse(row.detail);
      return {
        at: row.at,
        cause: row.cause,
        what: row.what,
        stream: row.stream,
        coarsest: row.coarsest,
        count: row.count,
        timeFrom: row.time_from,
        timeTo: row.time_to,
        blocks,
        blocksHere: blocks.length === 0 ? 0 : arrived.get(row.id)!,
        series: Array.isArray(series) ? this.names(gatewayId, row.incarnation_id, series) : series,
      };
    });
  }

  private names(gatewayId: number, incarnationId: number, numbers: readonly number[]): string[] {
    const name = this.db
      .prepare<[number, number, number], string>(
        'SELECT name FROM series WHERE gateway_id = ? AND incarnation_id = ? AND number = ?',
      )
      .pluck();
    return numbers.map((number) => name.get(gatewayId, incarnationId, number) ?? `series ${number}`).toSorted();
  }
}

function prepare(db: Database) {
  return {
    // Of two with one span the one that says more by order of bytes stays: grants may have changed what is said of it.
    wider: db.prepare(
      `SELECT 1 FROM gaps WHERE incarnation_id = @incarnationId AND kind = @kind AND first <= @first AND last >= @last
         AND NOT (first = @first AND last = @last AND (detail, coalesce(count, -1)) < (@text, coalesce(@count, -1)))`,
    ),
    narrower: db
      .prepare<object, number>(
        `SELECT id FROM gaps WHERE incarnation_id = @incarnationId AND kind = @kind AND first >= @first AND last <= @last`,
      )
      .pluck(),
    forgetBlocks: db.prepare('DELETE FROM gap_blocks WHERE gap_id = ?'),
    forget: db.prepare('DELETE FROM gaps WHERE id = ?'),
    full: db.prepare('SELECT 1 FROM gaps WHERE gateway_id = ? LIMIT 1 OFFSET ? - 1'),
    insert: db.prepare(
      `INSERT INTO gaps (gateway_id, incarnation_id, kind, first, last, cause, what, stream, coarsest, count, at,
         time_from, time_to, detail, seen_at) VALUES (${Array(15).fill('?').join(', ')})`,
    ),
    insertBlocks: db.prepare('INSERT INTO gap_blocks VALUES (?, ?, ?, ?)'),
  };
}
