import type { Database } from 'better-sqlite3';

import { SqliteClaims } from './sqlite-claims.ts';
import { SqliteDocuments } from './sqlite-documents.ts';
import { storing } from './sqlite-errors.ts';
import { SqliteMerge } from './sqlite-merge.ts';
import { SqliteReads } from './sqlite-reads.ts';
import { SqliteRegistry } from './sqlite-registry.ts';
import { openForReading, openForWriting } from './sqlite-schema.ts';
import { SqliteTickets } from './sqlite-tickets.ts';
import type { MergeOutcome, MergeRecord, Store } from './store.ts';

/**
 * The store of a cloud that runs alone: one SQLite file in WAL mode, synced at every commit. Several processes may have
 * it open; writers take turns (waiting `busyMs` for theirs), and readers see whole transactions without waiting.
 */
export function openSqliteStore(file: string, busyMs?: number): Store {
  const writer = openForWriting(file, busyMs);
  let reader: Database;
  try {
    reader = openForReading(file);
  } catch (error) {
    writer.close();
    throw error;
  }
  const registry = new SqliteRegistry(writer);
  const merge = new SqliteMerge(writer, registry);
  const documents = new SqliteDocuments(writer);
  const claims = new SqliteClaims(writer);
  const tickets = new SqliteTickets(writer);
  const reads = new SqliteReads(reader);
  return {
    addToken: (token) => registry.addToken(token),
    token: (id) => registry.token(id),
    enrol: (tokenId, keys, now) => registry.enrol(tokenId, keys, now),
    gateway: (tenant, name) => registry.gateway(tenant, name),
    gatewayById: (id) => registry.gatewayById(id),
    incarnation: (gatewayId, incarnation, now) => registry.incarnation(gatewayId, incarnation, now),
    currentIncarnation: (gatewayId) => registry.currentIncarnation(gatewayId),
    hello: (report) => registry.hello(report),
    exchangeTicket: (incarnationId, decide) => storing(() => tickets.exchange(incarnationId, decide)),
    held: (incarnationId, claims) => registry.held(incarnationId, claims),
    setting: (name) => registry.setting(name),
    setSetting: (name, value) => registry.setSetting(name, value),
    settled: (incarnationId, stream, numbers) => merge.settled(incarnationId, stream, numbers),
    lacks: (records) => merge.lacks(records),
    merge: (records: readonly MergeRecord[], now: number): Promise<MergeOutcome> => merge.merge(records, now),
    compare: (report) => storing(() => claims.compare(report)),
    putDocument: (gatewayId, key, value, stampAfter) => documents.putDocument(gatewayId, key, value, stampAfter),
    documents: (gatewayId) => documents.documents(gatewayId),
    markApplied: (gatewayId, applied) => documents.markApplied(gatewayId, applied),
    gateways: () => reads.gateways(),
    series: (gatewayId, purpose) => reads.series(gatewayId, purpose),
    hasSeries: (gatewayId, name) => reads.hasSeries(gatewayId, name),
    windows: (query) => reads.windows(query),
    alerts: (query) => reads.alerts(query),
    alertCursor: () => reads.alertCursor(),
    forks: (gatewayId) => reads.forks(gatewayId),
    poison: (gatewayId) => reads.poison(gatewayId),
    gaps: (gatewayId, limit) => reads.gaps(gatewayId, limit),
    claims: (gatewayId) => reads.claims(gatewayId),
    close: async () => {
      reader.close();
      writer.close();
    },
  };
}
