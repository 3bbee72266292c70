import type { Alert } from '@tidegate/nodes/detect';
import type { Database } from 'better-sqlite3';

import { SqliteClaims } from './sqlite-claims.ts';
import { storing } from './sqlite-errors.ts';
import { SqliteGaps } from './sqlite-gaps.ts';
import { readWindows } from './sqlite-windows.ts';
import { readSeries } from './sqlite-series.ts';
import type {
  AlertFacts,
  ClaimFacts,
  ForkFacts,
  GapFacts,
  GatewayFacts,
  PoisonFacts,
  SeriesFacts,
  StoreReads,
  WindowParts,
  WindowQuery,
} from './store.ts';

interface AlertRow {
  tenant: string;
  gateway: string;
  alert_id: string;
  revision: number;
  cursor: number;
  series: string;
  state: Alert['state'];
  severity: Alert['severity'];
  kind: string;
  time: number;
  closed: number | null;
  value: string;
  expected: string | null;
  unit: string | null;
  text: string;
  committed_at: number;
}

/** Forks and poisonous blocks that one answer shows. */
const SHOWN = 100;

/** Answers for people, in SQLite; on a connection that can only read. */
export class SqliteReads implements StoreReads {
  private readonly db: Database;
  private readonly declared: SqliteGaps;
  private readonly claimed: SqliteClaims;

  constructor(db: Database) {
    this.db = db;
    this.declared = new SqliteGaps(db);
    this.claimed = new SqliteClaims(db);
  }

  gateways(): Promise<GatewayFacts[]> {
    const query = `SELECT id, tenant, name, last_seen AS lastSeen, enrolled_at AS enrolledAt, software, parts, forks,
        (SELECT count(*) FROM gaps WHERE gateway_id = gateways.id) AS gaps,
        (SELECT incarnation FROM incarnations WHERE id = incarnation_id) AS incarnation,
        (SELECT count(DISTINCT name) FROM series WHERE gateway_id = gateways.id) AS series,
        (SELECT coalesce(sum(missing), 0) FROM streams WHERE incarnation_id = gateways.incarnation_id) AS blocksMissing,
        (SELECT count(*) FROM alerts WHERE gateway_id = gateways.id AND state = 'open') AS openAlerts
      FROM gateways ORDER BY tenant, name`;
    return storing(() => this.db.prepare<[], GatewayFacts>(query).all());
  }

  series(gatewayId: number, purpose: string): Promise<SeriesFacts[]> {
    return storing(() => readSeries(this.db, gatewayId, purpose));
  }

  hasSeries(gatewayId: number, name: string): Promise<boolean> {
    const query = 'SELECT 1 FROM series WHERE gateway_id = ? AND name = ?';
    return storing(() => this.db.prepare(query).get(gatewayId, name) !== undefined);
  }

  windows(query: WindowQuery): Promise<{ windows: WindowParts[]; next: number | null }> {
    return storing(() => readWindows(this.db, query));
  }

  alerts({ since, gatewayId, limit }: { since?: number; gatewayId?: number; limit: number }): Promise<AlertFacts[]> {
    const conditions = [
      ...(since === undefined ? [] : ['cursor > @since']),
      ...(gatewayId === undefined ? [] : ['gateway_id = @gatewayId']),
    ];
    const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
    const order = since === undefined ? 'time DESC, cursor DESC' : 'cursor';
    const query = `SELECT alerts.*, tenant, name AS gateway FROM alerts JOIN gateways ON gateways.id = gateway_id
      ${where} ORDER BY ${order} LIMIT @limit`;
    return storing(() => this.db.prepare<object, AlertRow>(query).all({ since, gatewayId, limit }).map(alertFacts));
  }

  alertCursor(): Promise<number> {
    const query = 'SELECT coalesce(max(cursor), 0) FROM alert_revisions';
    return storing(() => this.db.prepare<[], number>(query).pluck().get()!);
  }

  forks(gatewayId: number): Promise<ForkFacts[]> {
    const query = `SELECT kind, key, seen_at AS seenAt FROM forks WHERE gateway_id = ? ORDER BY seen_at DESC LIMIT ${SHOWN}`;
    return storing(() => this.db.prepare<[number], ForkFacts>(query).all(gatewayId));
  }

  poison(gatewayId: number): Promise<PoisonFacts[]> {
    const query = `SELECT streams.name AS stream, number, reason, seen_at AS seenAt FROM poison
      JOIN streams ON streams.id = stream_id WHERE gateway_id = ? ORDER BY seen_at DESC LIMIT ${SHOWN}`;
    return storing(() => this.db.prepare<[number], PoisonFacts>(query).all(gatewayId));
  }

  gaps(gatewayId: number, limit: number): Promise<GapFacts[]> {
    return storing(() => this.declared.list(gatewayId, limit));
  }

  claims(gatewayId: number): Promise<ClaimFacts[]> {
    const query = 'SELECT incarnation_id FROM gateways WHERE id = ?';
    return storing(() => {
      const incarnationId = this.db.prepare<[number], number | null>(query).pluck().get(gatewayId);
      return typeof incarnationId === 'number' ? this.claimed.list(incarnationId) : [];
    });
  }
}

function alertFacts(row: AlertRow): AlertFacts {
  const value: Alert['value'] = JSON.parse(row.value);
  const alert: Alert = {
    id: row.alert_id,
    revision: row.revision,
    series: row.series,
    time: row.time,
    state: row.state,
    severity: row.severity,
    kind: row.kind,
    value,
    text: row.text,
  };
  if (row.closed !== null) alert.closed = row.closed;
  if (row.expected !== null) alert.expected = JSON.parse(row.expected);
  if (row.unit !== null) alert.unit = row.unit;
  return { tenant: row.tenant, gateway: row.gateway, alert, committedAt: row.committed_at, cursor: row.cursor };
}
