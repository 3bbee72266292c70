import { TideError } from '@tidegate/nodes/node';
import { MAX_DIFFERING, type Claim, type ClaimVerdict } from '@tidegate/nodes/sync';
import { ACCOUNT_COLUMNS, type AccountColumn } from '@tidegate/nodes/vault';
import type { Database } from 'better-sqlite3';

import { SqliteHeld } from './sqlite-held.ts';
import type { ClaimedFacts, ClaimFacts, ClaimReport } from './store.ts';

/** Claims that are kept for one stream: each names up to 512 series. */
const MAX_CLAIMS = 512;

/** What ends readings at the gateway although the block may have been here by then. */
const MAY_BE_HERE = ['revoked', 'damaged'] as const;
/** The same, where a declared gap names the block. */
const DECLARED = ['quota', 'retention', 'shredded'] as const;

/** What a claim is kept as: series, its counts, what is held, 1 where the two agree. */
type Line = [claimed: number[], held: number, agrees: 0 | 1];
interface Detail {
  lines: Line[];
  unsaid: number[];
}

/** Compares what gateways claim to have delivered with what is here, and keeps the newest claims and how they compared. */
export class SqliteClaims {
  private readonly db: Database;
  private readonly held: SqliteHeld;

  constructor(db: Database) {
    this.db = db;
    this.held = new SqliteHeld(db);
  }

  compare(report: ClaimReport): ClaimVerdict {
    const compare = this.db.transaction(() => this.within(report));
    try {
      return compare.immediate();
    } catch (error) {
      this.held.forget();
      throw error;
    }
  }

  list(incarnationId: number): ClaimFacts[] {
    const query = `SELECT streams.name AS stream, checked_at AS checkedAt, detail,
        (SELECT first_seen FROM incarnations WHERE id = incarnation_id) AS since
      FROM claims JOIN streams ON streams.id = stream_id WHERE incarnation_id = ? ORDER BY streams.name, first`;
    const rows = this.db
      .prepare<[number], { stream: string; checkedAt: number; detail: string }>(query)
      .all(incarnationId);
    const name = this.db.prepare<[number, number], { name: string; unit: string | null }>(
      'SELECT name, unit FROM series WHERE incarnation_id = ? AND number = ?',
    );
    return rows.map(({ stream, checkedAt, detail }) => {
      const { lines, unsaid }: Detail = JSON.parse(detail);
      const series = lines.map(([claimed, held, agrees]): ClaimedFacts => {
        const known = name.get(incarnationId, claimed[0]);
        return { name: known?.name ?? `series ${claimed[0]}`, claimed, held, agrees: agrees === 1 };
      });
      return { stream, checkedAt, series, unsaid: unsaid.length };
    });
  }

  private within({ incarnationId, claim, frame, now }: ClaimReport): ClaimVerdict {
    const { id, stream } = claim;
    const streamId = this.db
      .prepare<[number, string], number>('SELECT id FROM streams WHERE incarnation_id = ? AND name = ?')
      .pluck()
      .get(incarnationId, stream);
    const later: ClaimVerdict = { id, time: now, result: 'later', differing: 0, series: [] };
    if (streamId === undefined) {
      const differing = claim.series.flatMap((row): [number, number][] => (deliveredIn(row) > 0 ? [[row[0], 0]] : []));
      return verdictOf(id, now, differing);
    }
    if (!this.held.settle(streamId) || this.isAhead(streamId, claim)) return later;
    const lines = this.lines(streamId, claim);
    this.keep(streamId, claim, frame, now, lines);
    return verdictOf(
      id,
      now,
      lines.flatMap(([[series], held, agrees]): [number, number][] => (agrees === 1 ? [] : [[series, held]])),
    );
  }

  /** Whether a block is here that the claim does not count as delivered: it comes too late, or too early. */
  private isAhead(streamId: number, { sealed, waiting }: Claim): boolean {
    const here = this.db
      .prepare<[number, number, number], number>(
        'SELECT 1 FROM receipts WHERE stream_id = ? AND number BETWEEN ? AND ? LIMIT 1',
      )
      .pluck();
    if (here.get(streamId, sealed + 1, Number.MAX_SAFE_INTEGER) !== undefined) return true;
    return waiting.some(([from, to]) => here.get(streamId, from, to) !== undefined);
  }

  private lines(streamId: number, { from, to, series, unsaid }: Claim): Line[] {
    const held = this.held.of(streamId, from, to);
    const late = this.db
      .prepare<[number], number>(
        `SELECT 1 FROM gap_blocks JOIN receipts ON receipts.stream_id = gap_blocks.stream_id
           AND receipts.number BETWEEN gap_blocks.first AND gap_blocks.last WHERE gap_blocks.stream_id = ? LIMIT 1`,
      )
      .pluck();
    const mayBeHere = late.get(streamId) === undefined ? MAY_BE_HERE : [...MAY_BE_HERE, ...DECLARED];
    const lines = series.map((claimed): Line => {
      const there = held.get(claimed[0]) ?? 0;
      held.delete(claimed[0]);
      const beyond = there - deliveredIn(claimed);
      const arrived = mayBeHere.reduce((sum, column) => sum + columnIn(claimed, column), 0);
      return [claimed, there, beyond >= 0 && beyond <= arrived ? 1 : 0];
    });
    for (const number of unsaid) held.delete(number);
    // Of these the gateway says that it delivered nothing.
    for (const [number, there] of held) lines.push([[number, ...ACCOUNT_COLUMNS.map(() => 0)], there, 0]);
    return lines;
  }

  private keep(streamId: number, claim: Claim, frame: number, now: number, lines: Line[]): void {
    const { from, to, unsaid } = claim;
    const overlap = 'stream_id = ? AND first <= ? AND last >= ?';
    const newer = this.db.prepare<[number, number, number], number>(
      `SELECT coalesce(max(frame), -1) FROM claims WHERE ${overlap}`,
    );
    // A claim that somebody played again changes nothing.
    if (newer.pluck().get(streamId, to, from)! >= frame) return;
    this.db.prepare(`DELETE FROM claims WHERE ${overlap}`).run(streamId, to, from);
    const count = this.db.prepare<[number], number>('SELECT count(*) FROM claims WHERE stream_id = ?').pluck();
    if (count.get(streamId)! >= MAX_CLAIMS)
      throw new TideError('bad-record', `${MAX_CLAIMS} claims about one stream stand already`);
    const detail: Detail = { lines, unsaid };
    const differing = lines.filter(([, , agrees]) => agrees === 0).length;
    this.db
      .prepare('INSERT INTO claims VALUES (?, ?, ?, ?, ?, ?, ?)')
      .run(streamId, from, to, frame, now, differing, JSON.stringify(detail));
  }
}

const columnIn = (claimed: readonly number[], column: AccountColumn): number =>
  claimed[1 + ACCOUNT_COLUMNS.indexOf(column)] ?? 0;

const deliveredIn = (claimed: readonly number[]): number => columnIn(claimed, 'delivered');

function verdictOf(id: number, time: number, differing: [number, number][]): ClaimVerdict {
  return {
    id,
    time,
    result: differing.length === 0 ? 'equal' : 'differs',
    differing: differing.length,
    // A sum that somebody's changes made negative is less than nothing.
    series: differing.slice(0, MAX_DIFFERING).map(([series, held]) => [series, Math.max(0, held)]),
  };
}
