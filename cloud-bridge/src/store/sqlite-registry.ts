import { TideError } from '@tidegate/nodes/node';
import type { PeerKeys } from '@tidegate/nodes/sync';
import type { Database } from 'better-sqlite3';

import { storing } from './sqlite-errors.ts';
import {
  MAX_STREAMS,
  type Claim,
  type GatewayIdentity,
  type HelloReport,
  type NewToken,
  type Registry,
} from './store.ts';

interface TokenRow {
  id: string;
  tenant: string;
  gateway: string;
  verifier: Uint8Array;
  created_at: number;
  used_at: number | null;
  used_by: Uint8Array | null;
}

interface GatewayRow {
  id: number;
  tenant: string;
  name: string;
  sign_key: Uint8Array;
  agree_key: Uint8Array;
}

/** Most ranges in one answer; the rest is learnt from acknowledgements when it is sent again. */
const MAX_RANGES = 4096;

/** Tokens, gateways and what their HELLOs said, in SQLite. */
export class SqliteRegistry implements Registry {
  private readonly db: Database;
  private readonly incarnations = new Map<string, number>();
  private readonly streams = new Map<string, number>();

  constructor(db: Database) {
    this.db = db;
  }

  addToken({ id, tenant, gateway, verifier, createdAt }: NewToken): Promise<void> {
    const insert = 'INSERT INTO tokens (id, tenant, gateway, verifier, created_at) VALUES (?, ?, ?, ?, ?)';
    return storing(() => void this.db.prepare(insert).run(id, tenant, gateway, verifier, createdAt));
  }

  token(id: string): Promise<NewToken | undefined> {
    return storing(() => {
      const row = this.tokenRow(id);
      if (row === undefined) return undefined;
      const { tenant, gateway, verifier, created_at: createdAt } = row;
      return { id, tenant, gateway, verifier, createdAt };
    });
  }

  enrol(tokenId: string, keys: PeerKeys, now: number): Promise<'enrolled' | 'used'> {
    const enrol = this.db.transaction((): 'enrolled' | 'used' => {
      const token = this.tokenRow(tokenId);
      if (token === undefined) throw new TideError('bad-record', `there is no token ${tokenId}`);
      const both = Buffer.concat([keys.sign, keys.agree]);
      if (token.used_by !== null) {
        const current = this.gatewayRow(token.tenant, token.gateway);
        const same = both.equals(token.used_by) && current !== undefined && both.equals(keysOf(current));
        return same ? 'enrolled' : 'used';
      }
      this.db.prepare('UPDATE tokens SET used_at = ?, used_by = ? WHERE id = ?').run(now, both, tokenId);
      this.db
        .prepare(
          `INSERT INTO gateways (tenant, name, sign_key, agree_key, enrolled_at) VALUES (?, ?, ?, ?, ?)
           ON CONFLICT (tenant, name) DO UPDATE SET sign_key = excluded.sign_key, agree_key = excluded.agree_key,
             enrolled_at = excluded.enrolled_at`,
        )
        .run(token.tenant, token.gateway, keys.sign, keys.agree, now);
      return 'enrolled';
    });
    return storing(() => enrol.immediate());
  }

  gateway(tenant: string, name: string): Promise<GatewayIdentity | undefined> {
    return storing(() => identityOf(this.gatewayRow(tenant, name)));
  }

  gatewayById(id: number): Promise<GatewayIdentity | undefined> {
    return storing(() =>
      identityOf(this.db.prepare<[number], GatewayRow>('SELECT * FROM gateways WHERE id = ?').get(id)),
    );
  }

  incarnation(gatewayId: number, incarnation: Uint8Array, now: number): Promise<number> {
    const name = `${gatewayId}/${Buffer.from(incarnation).toString('hex')}`;
    const known = this.incarnations.get(name);
    if (known !== undefined) return Promise.resolve(known);
    const enter = this.db.transaction((): number => {
      this.db
        .prepare('INSERT OR IGNORE INTO incarnations (gateway_id, incarnation, first_seen) VALUES (?, ?, ?)')
        .run(gatewayId, incarnation, now);
      return this.db
        .prepare<[number, Uint8Array], number>('SELECT id FROM incarnations WHERE gateway_id = ? AND incarnation = ?')
        .pluck()
        .get(gatewayId, incarnation)!;
    });
    return storing(() => remember(this.incarnations, name, enter.immediate()));
  }

  currentIncarnation(gatewayId: number): Promise<Uint8Array | undefined> {
    const query = `SELECT incarnation FROM incarnations
      WHERE id = (SELECT incarnation_id FROM gateways WHERE id = ?)`;
    return storing(() => this.db.prepare<[number], Uint8Array>(query).pluck().get(gatewayId));
  }

  hello({ gatewayId, incarnationId, number, software, streams, now }: HelloReport): Promise<boolean> {
    const keep = this.db.transaction((): boolean => {
      const newer = this.db
        .prepare('UPDATE incarnations SET hello_number = ? WHERE id = ? AND hello_number < ?')
        .run(number, incarnationId, number);
      if (newer.changes === 0) return false;
      this.db
        .prepare(
          'UPDATE gateways SET incarnation_id = ?, software = ?, last_seen = max(coalesce(last_seen, 0), ?) WHERE id = ?',
        )
        .run(incarnationId, software, now, gatewayId);
      for (const [stream, claim] of Object.entries(streams)) this.claim(this.streamId(incarnationId, stream), claim);
      return true;
    });
    return storing(() => {
      try {
        return keep.immediate();
      } catch (error) {
        this.forgetStreams();
        throw error;
      }
    });
  }

  held(incarnationId: number, claims: Record<string, Claim>): Promise<Record<string, [number, number][]>> {
    // Consecutive numbers have one difference to their rank: that difference names the range.
    const islands = this.db
      .prepare<[number, string, number], [number, number]>(
        `SELECT min(number), max(number) FROM (
           SELECT number, number - row_number() OVER (ORDER BY number) AS island FROM receipts
           WHERE stream_id = (SELECT id FROM streams WHERE incarnation_id = ? AND name = ?) AND number >= ?)
         GROUP BY island ORDER BY 1`,
      )
      .raw();
    return storing(() =>
      Object.fromEntries(
        Object.entries(claims).map(([stream, { lowest }]) => {
          const ranges = islands.all(incarnationId, stream, lowest);
          // The highest number has to be among them: it tells a gateway that a newer copy of it was here.
          if (ranges.length > MAX_RANGES) ranges.splice(MAX_RANGES - 1, ranges.length - MAX_RANGES);
          return [stream, ranges];
        }),
      ),
    );
  }

  setting(name: string): Promise<string | undefined> {
    const query = 'SELECT value FROM settings WHERE name = ?';
    return storing(() => this.db.prepare<[string], string>(query).pluck().get(name));
  }

  setSetting(name: string, value: string): Promise<void> {
    const put = 'INSERT INTO settings VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value';
    return storing(() => void this.db.prepare(put).run(name, value));
  }

  /** Id of a stream, within the caller's transaction; a new one is entered. */
  streamId(incarnationId: number, stream: string): number {
    const name = `${incarnationId}/${stream}`;
    const known = this.streams.get(name);
    if (known !== undefined) return known;
    const find = this.db
      .prepare<[number, string], number>('SELECT id FROM streams WHERE incarnation_id = ? AND name = ?')
      .pluck();
    const found = find.get(incarnationId, stream);
    if (found !== undefined) return remember(this.streams, name, found);
    const count = 'SELECT count(*) FROM streams WHERE incarnation_id = ?';
    if (this.db.prepare<[number], number>(count).pluck().get(incarnationId)! >= MAX_STREAMS)
      throw new TideError('bad-record', `stream ${stream}: this incarnation has ${MAX_STREAMS} streams already`);
    this.db.prepare('INSERT INTO streams (incarnation_id, name) VALUES (?, ?)').run(incarnationId, stream);
    return find.get(incarnationId, stream)!;
  }

  /** To be called when a transaction that entered streams was rolled back. */
  forgetStreams(): void {
    this.streams.clear();
  }

  /** To be called, within the transaction, when blocks of a stream turn out to be in a gap. */
  recount(streamId: number): void {
    const claim = this.db
      .prepare<[number], Claim>('SELECT lowest, sealed FROM streams WHERE id = ? AND sealed IS NOT NULL')
      .get(streamId);
    if (claim !== undefined) this.claim(streamId, claim);
  }

  private claim(streamId: number, { lowest, sealed }: Claim): void {
    const count = (table: string): number =>
      this.db
        .prepare<[number, number, number], number>(
          `SELECT count(*) FROM ${table} WHERE stream_id = ? AND number BETWEEN ? AND ?`,
        )
        .pluck()
        .get(streamId, lowest, sealed)!;
    // Blocks that the gateway dropped, without those of them that had arrived by then.
    const dropped = this.db
      .prepare<object, number>(
        `SELECT coalesce(sum(min(last, @sealed) - max(first, @lowest) + 1
           - (SELECT count(*) FROM receipts WHERE stream_id = @streamId
                AND number BETWEEN max(first, @lowest) AND min(last, @sealed))
           - (SELECT count(*) FROM poison WHERE stream_id = @streamId
                AND number BETWEEN max(first, @lowest) AND min(last, @sealed))), 0)
         FROM gap_blocks WHERE stream_id = @streamId AND first <= @sealed AND last >= @lowest`,
      )
      .pluck()
      .get({ streamId, lowest, sealed })!;
    const missing = Math.max(0, sealed - lowest + 1 - count('receipts') - count('poison') - dropped);
    this.db
      .prepare('UPDATE streams SET lowest = ?, sealed = ?, missing = ? WHERE id = ?')
      .run(lowest, sealed, missing, streamId);
  }

  private tokenRow(id: string): TokenRow | undefined {
    return this.db.prepare<[string], TokenRow>('SELECT * FROM tokens WHERE id = ?').get(id);
  }

  private gatewayRow(tenant: string, name: string): GatewayRow | undefined {
    const query = 'SELECT id, tenant, name, sign_key, agree_key FROM gateways WHERE tenant = ? AND name = ?';
    return this.db.prepare<[string, string], GatewayRow>(query).get(tenant, name);
  }
}

const keysOf = (row: GatewayRow): Buffer => Buffer.concat([row.sign_key, row.agree_key]);

function identityOf(row: GatewayRow | undefined): GatewayIdentity | undefined {
  if (row === undefined) return undefined;
  const { id, tenant, name } = row;
  return { id, tenant, name, keys: { sign: new Uint8Array(row.sign_key), agree: new Uint8Array(row.agree_key) } };
}

/** Ids never change, so a map of them may be dropped at any time; it is when it has grown large. */
function remember(map: Map<string, number>, name: string, id: number): number {
  if (map.size >= 65_536) map.clear();
  map.set(name, id);
  return id;
}
