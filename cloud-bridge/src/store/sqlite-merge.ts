import { hash } from 'node:crypto';

import type { Database } from 'better-sqlite3';

import { storing } from './sqlite-errors.ts';
import { SqliteGaps } from './sqlite-gaps.ts';
import { SqliteParts } from './sqlite-parts.ts';
import type { SqliteRegistry } from './sqlite-registry.ts';
import {
  EMPTY_DIGEST,
  MAX_SET_ASIDE,
  type AlertRecord,
  type CatalogueRecord,
  type ForkFacts,
  type ForkRecord,
  type GapRecord,
  type MergeOutcome,
  type MergeRecord,
  type Merging,
  type PartRecord,
  type PoisonRecord,
  type ReceiptRecord,
  type Settled,
} from './store.ts';

/** Joins records into the grow-only sets, in SQLite. */
export class SqliteMerge implements Merging {
  private readonly db: Database;
  private readonly registry: SqliteRegistry;
  private readonly statements: ReturnType<typeof prepare>;
  private readonly gaps: SqliteGaps;
  private readonly parts: SqliteParts;

  constructor(db: Database, registry: SqliteRegistry) {
    this.db = db;
    this.registry = registry;
    this.statements = prepare(db);
    this.gaps = new SqliteGaps(db);
    this.parts = new SqliteParts(db, registry);
  }

  merge(records: readonly MergeRecord[], now: number): Promise<MergeOutcome> {
    const join = this.db.transaction((): MergeOutcome => {
      const outcome: MergeOutcome = { inserted: 0, duplicates: 0, forks: 0 };
      for (const record of records) {
        if (record.kind === 'part') this.joinPart(record, outcome, now);
        else if (record.kind === 'catalogue') this.joinLine(record, outcome);
        else if (record.kind === 'receipt') this.enterReceipt(record, now);
        else if (record.kind === 'fork') this.noteFork(record, outcome, now);
        else if (record.kind === 'poison') this.setAside(record, now);
        else if (record.kind === 'alert') this.joinAlert(record, outcome, now);
        else if (record.kind === 'gap') this.joinGap(record, outcome, now);
        else this.statements.seen.run(now, record.gatewayId);
      }
      this.parts.flush();
      return outcome;
    });
    return storing(() => {
      try {
        return join.immediate();
      } catch (error) {
        // Ids that the rolled-back transaction gave out are free again.
        this.parts.forget();
        this.registry.forgetStreams();
        throw error;
      }
    });
  }

  settled(incarnationId: number, stream: string, numbers: readonly number[]): Promise<Map<number, Settled>> {
    const found = new Map<number, Settled>();
    return storing(() => {
      for (const number of numbers) {
        const digest = this.statements.receiptOf.get(incarnationId, stream, number);
        const aside = digest === undefined ? this.statements.poisonOf.get(incarnationId, stream, number) : undefined;
        if (digest !== undefined) found.set(number, { as: 'receipt', digest });
        else if (aside !== undefined) found.set(number, { as: 'poison', digest: aside });
      }
      return found;
    });
  }

  lacks(records: readonly (PartRecord | CatalogueRecord)[]): Promise<boolean> {
    return storing(() => records.some((record) => !this.holds(record)));
  }

  private holds(record: PartRecord | CatalogueRecord): boolean {
    const { gatewayId, incarnationId } = record;
    if (record.kind === 'catalogue') {
      const line = [gatewayId, incarnationId, record.entry.number, record.block, record.block, ...saidIn(record.entry)];
      return this.statements.hasLine.get(...line) !== undefined;
    }
    return this.parts.holds(record);
  }

  private noteFork(record: ForkRecord, outcome: MergeOutcome, now: number): void {
    const { gatewayId, incarnationId, stream, number, digest, body } = record;
    this.fork(gatewayId, 'block', `${stream} incarnation ${incarnationId} block ${number}`, digest, body, outcome, now);
  }

  private joinPart(record: PartRecord, outcome: MergeOutcome, now: number): void {
    const joined = this.parts.join(record);
    if (joined === 'inserted') outcome.inserted++;
    else if (joined === 'duplicate') outcome.duplicates++;
    else {
      const { gatewayId, incarnationId, stream, windowStart, series, part, summary } = record;
      const key = `${stream} incarnation ${incarnationId} series ${series} window ${windowStart} part ${part}`;
      this.fork(gatewayId, 'part', key, hash('sha256', summary, 'buffer'), summary, outcome, now);
    }
  }

  private joinLine({ gatewayId, incarnationId, block, entry }: CatalogueRecord, outcome: MergeOutcome): void {
    const { changes } = this.statements.line.run(gatewayId, incarnationId, entry.number, ...saidIn(entry), block);
    if (changes === 1) outcome.inserted++;
    else outcome.duplicates++;
  }

  private enterReceipt({ gatewayId, incarnationId, stream, number, digest }: ReceiptRecord, now: number): void {
    const streamId = this.registry.streamId(incarnationId, stream);
    if (this.statements.receipt.run(streamId, number, digest, now).changes === 0) {
      this.statements.fillReceipt.run(digest, now, streamId, number, EMPTY_DIGEST);
      return;
    }
    // A block that was poison to an older version was counted as arrived then.
    if (this.statements.unpoison.run(streamId, number).changes === 0)
      this.statements.arrived.run(streamId, number, number);
    else this.statements.uncountPoison.run(gatewayId);
  }

  private setAside(record: PoisonRecord, now: number): void {
    const { gatewayId, incarnationId, stream, number, digest, reason, body } = record;
    const streamId = this.registry.streamId(incarnationId, stream);
    if (this.statements.countPoison.run(gatewayId, MAX_SET_ASIDE).changes === 0) return;
    const { changes } = this.statements.poison.run(streamId, number, gatewayId, digest, reason, body, now);
    if (changes === 1) this.statements.arrived.run(streamId, number, number);
    else this.statements.uncountPoison.run(gatewayId);
  }

  private joinGap(record: GapRecord, outcome: MergeOutcome, now: number): void {
    const streamId = (stream: string): number => this.registry.streamId(record.incarnationId, stream);
    const touched = this.gaps.join(record, streamId, outcome, now);
    if (touched !== undefined) this.registry.recount(touched);
  }

  private joinAlert({ gatewayId, alert, body, digest }: AlertRecord, outcome: MergeOutcome, now: number): void {
    const { id, revision } = alert;
    const { changes, lastInsertRowid } = this.statements.revision.run(gatewayId, id, revision, now, body, digest);
    if (changes === 0) {
      const there = this.statements.revisionDigest.get(gatewayId, id, revision)!;
      if (there.equals(digest)) outcome.duplicates++;
      else this.fork(gatewayId, 'alert', `${id} revision ${revision}`, digest, body, outcome, now);
      return;
    }
    outcome.inserted++;
    this.statements.alert.run(
      gatewayId,
      id,
      revision,
      lastInsertRowid,
      alert.series,
      alert.state,
      alert.severity,
      alert.kind,
      alert.time,
      alert.closed ?? null,
      JSON.stringify(alert.value),
      alert.expected === undefined ? null : JSON.stringify(alert.expected),
      alert.unit ?? null,
      alert.text,
      now,
    );
  }

  private fork(
    gatewayId: number,
    kind: ForkFacts['kind'],
    key: string,
    digest: Uint8Array,
    body: Uint8Array,
    outcome: MergeOutcome,
    now: number,
  ): void {
    outcome.forks++;
    if (this.statements.fork.run(gatewayId, kind, key, digest, body, now, gatewayId).changes === 1)
      this.statements.countFork.run(gatewayId);
  }
}

/** Time, number and text of a value. */
/** What a line of the catalogue says of its series, as columns. */
function saidIn({
  name,
  kind,
  unit,
  sensor,
  since,
  retired,
  continues,
}: CatalogueRecord['entry']): (string | number | null)[] {
  const times = [since, retired].map((time) => (time === undefined ? null : Math.round(time)));
  return [name, kind, unit ?? null, sensor ?? null, ...times, continues ?? null];
}

function prepare(db: Database) {
  const block = 'stream_id = (SELECT id FROM streams WHERE incarnation_id = ? AND name = ?) AND number = ?';
  return {
    line: db.prepare(
      `INSERT INTO series VALUES (${Array(11).fill('?').join(', ')}) ON CONFLICT DO UPDATE SET name = excluded.name,
         kind = excluded.kind, unit = excluded.unit, sensor = excluded.sensor, sensor_since = excluded.sensor_since,
         retired = excluded.retired, continues = excluded.continues, block = excluded.block
       WHERE excluded.block > block`,
    ),
    receipt: db.prepare('INSERT INTO receipts VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING'),
    fillReceipt: db.prepare(
      'UPDATE receipts SET digest = ?, committed_at = ? WHERE stream_id = ? AND number = ? AND digest = ?',
    ),
    receiptOf: db.prepare<unknown[], Buffer>(`SELECT digest FROM receipts WHERE ${block}`).pluck(),
    poisonOf: db.prepare<unknown[], Buffer>(`SELECT digest FROM poison WHERE ${block}`).pluck(),
    hasLine: db.prepare(
      `SELECT 1 FROM series WHERE gateway_id = ? AND incarnation_id = ? AND number = ?
         AND (block > ? OR block = ? AND name = ? AND kind = ? AND unit IS ? AND sensor IS ? AND sensor_since IS ?
           AND retired IS ? AND continues IS ?)`,
    ),
    arrived: db.prepare(
      `UPDATE streams SET missing = max(0, missing - 1) WHERE id = ? AND ? BETWEEN lowest AND sealed
         AND NOT EXISTS (SELECT 1 FROM gap_blocks WHERE stream_id = streams.id AND ? BETWEEN first AND last)`,
    ),
    unpoison: db.prepare('DELETE FROM poison WHERE stream_id = ? AND number = ?'),
    poison: db.prepare('INSERT INTO poison VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING'),
    countPoison: db.prepare('UPDATE gateways SET poisoned = poisoned + 1 WHERE id = ? AND poisoned < ?'),
    uncountPoison: db.prepare('UPDATE gateways SET poisoned = poisoned - 1 WHERE id = ?'),
    revision: db.prepare(
      `INSERT INTO alert_revisions (gateway_id, alert_id, revision, committed_at, body, digest)
       VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
    ),
    revisionDigest: db
      .prepare<[number, string, number], Buffer>(
        'SELECT digest FROM alert_revisions WHERE gateway_id = ? AND alert_id = ? AND revision = ?',
      )
      .pluck(),
    alert: db.prepare(
      `INSERT INTO alerts VALUES (${Array(15).fill('?').join(', ')}) ON CONFLICT DO UPDATE SET
         revision = excluded.revision, cursor = excluded.cursor, series = excluded.series, state = excluded.state,
         severity = excluded.severity, kind = excluded.kind, time = excluded.time, closed = excluded.closed,
         value = excluded.value, expected = excluded.expected, unit = excluded.unit, text = excluded.text,
         committed_at = excluded.committed_at
       WHERE excluded.revision > revision`,
    ),
    seen: db.prepare('UPDATE gateways SET last_seen = max(coalesce(last_seen, 0), ?) WHERE id = ?'),
    fork: db.prepare(
      `INSERT INTO forks SELECT ?, ?, ?, ?, ?, ?
       WHERE (SELECT forks FROM gateways WHERE id = ?) < ${MAX_SET_ASIDE} ON CONFLICT DO NOTHING`,
    ),
    countFork: db.prepare('UPDATE gateways SET forks = forks + 1 WHERE id = ?'),
  };
}
