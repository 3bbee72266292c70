import { timingSafeEqual } from 'node:crypto';
import { setImmediate as breathe } from 'node:timers/promises';

import { TideError, type Clock } from '@tidegate/nodes/node';
import { HybridClock } from '@tidegate/nodes/state';
import type { FastifyInstance } from 'fastify';

import type { Refusal } from '../merge/refusals.ts';
import { DEFAULT_TENANT } from '../gateway-label.ts';
import type { GatewayIdentity, Store, StoredDocument } from '../store/store.ts';
import { accountCsv, accountView } from './account-view.ts';
import type {
  AccountAnswer,
  AlertsAnswer,
  DocumentView,
  GapsAnswer,
  GatewaysAnswer,
  HealthAnswer,
  SeriesAnswer,
  StateAnswer,
  SummariesAnswer,
} from './contract.ts';
import type { Events } from './http-events.ts';
import {
  accountQuery,
  alertsQuery,
  documentBody,
  documentQuery,
  gapsQuery,
  gatewayQuery,
  parseQuery,
  seriesQuery,
  summariesQuery,
} from './query.ts';
import { alertView, foldWindows, gatewayView, refusedView, seriesView } from './views.ts';

export interface ApiParts {
  store: Store;
  clock: Clock;
  events: Events;
  version: string;
  /** Bearer token for writing. */
  apiToken: string;
  refusal: (gateway: string) => Refusal | undefined;
  problems: () => string[];
  /** Called after a document was committed. */
  documentWritten: (gatewayId: number, gateway: string) => void;
}

/** The JSON API (contract.ts). */
export function addRoutes(app: FastifyInstance, parts: ApiParts): void {
  addReads(app, parts);
  addGaps(app, parts);
  addAccount(app, parts);
  addState(app, parts);
  app.get('/healthz', async (_request, reply): Promise<HealthAnswer> => {
    const problems = parts.problems();
    const status = problems.length === 0 ? 'ok' : 'degraded';
    if (status === 'degraded') reply.code(503);
    return { status, version: parts.version, problems };
  });
  app.get('/api/v1/events', (_request, reply) => {
    if (parts.events.full) throw new TideError('too-many', 'too many pages are listening; close one');
    reply.hijack();
    parts.events.add(reply.raw);
  });
}

function addReads(app: FastifyInstance, { store, clock, refusal }: ApiParts): void {
  app.get('/api/v1/gateways', async (): Promise<GatewaysAnswer> => {
    const views = (await store.gateways()).map((facts) => gatewayView(facts, undefined, clock.now()));
    return {
      gateways: views.map((view) => {
        const refused = refusal(view.gateway);
        return refused === undefined ? view : { ...view, ...refusedView(refused) };
      }),
    };
  });
  app.get('/api/v1/series', async ({ query }): Promise<SeriesAnswer> => {
    const { gateway, purpose } = parseQuery(seriesQuery, query);
    const { id } = await gatewayOf(store, gateway);
    return { series: (await store.series(id, purpose)).map(seriesView) };
  });
  app.get('/api/v1/summaries', async ({ query }): Promise<SummariesAnswer> => {
    const { gateway, series, purpose, resolution, from, to, limit } = parseQuery(summariesQuery, query);
    const { id } = await gatewayOf(store, gateway);
    if (!(await store.hasSeries(id, series)))
      throw new TideError('not-found', `series: found ${JSON.stringify(series)}, which ${gateway.label} does not have`);
    const found = await store.windows({ gatewayId: id, series, purpose, resolution, from, to, limit });
    const folded = await foldWindows(found.windows, () => clock.monotonic(), breathe);
    return { gateway: gateway.label, series, resolution, ...folded, next: found.next };
  });
  app.get('/api/v1/alerts', async ({ query }): Promise<AlertsAnswer> => {
    const { since, gateway, limit } = parseQuery(alertsQuery, query);
    const gatewayId = gateway === undefined ? undefined : (await gatewayOf(store, gateway)).id;
    // Before the alerts are read: one that is committed in between is then found by the next question.
    const newest = await store.alertCursor();
    const alerts = (
      await store.alerts({
        ...(since === undefined ? {} : { since }),
        ...(gatewayId === undefined ? {} : { gatewayId }),
        limit,
      })
    ).map(alertView);
    const whole = since === undefined || alerts.length < limit;
    return { alerts, cursor: whole ? Math.max(newest, since ?? 0) : alerts.at(-1)!.cursor };
  });
}

function addGaps(app: FastifyInstance, { store }: ApiParts): void {
  app.get('/api/v1/gaps', async ({ query }): Promise<GapsAnswer> => {
    const { gateway, limit } = parseQuery(gapsQuery, query);
    const { id } = await gatewayOf(store, gateway);
    return { gaps: await store.gaps(id, limit) };
  });
}

function addAccount(app: FastifyInstance, { store }: ApiParts): void {
  app.get('/api/v1/account', async ({ query }, reply): Promise<AccountAnswer | string> => {
    const { gateway, format } = parseQuery(accountQuery, query);
    const { id } = await gatewayOf(store, gateway);
    const account = accountView(gateway.label, await store.claims(id));
    if (format === 'json') return account;
    reply.type('text/csv; charset=utf-8');
    return accountCsv(account);
  });
}

function addState(app: FastifyInstance, { store, clock, apiToken, documentWritten }: ApiParts): void {
  app.get('/api/v1/state', async ({ query }): Promise<StateAnswer> => {
    const { id } = await gatewayOf(store, parseQuery(gatewayQuery, query).gateway);
    return { documents: (await store.documents(id)).map(documentView) };
  });
  app.put('/api/v1/state', async ({ query, body, headers }): Promise<DocumentView> => {
    if (!bearerIs(headers.authorization, apiToken))
      throw new TideError(
        'unauthorized',
        'writing needs the API token: it is in keys/api-token of the cloud’s directory',
      );
    const { gateway, key } = parseQuery(documentQuery, query);
    const { value } = parseQuery(documentBody, body);
    const { id } = await gatewayOf(store, gateway);
    const document = await store.putDocument(id, key, value, (newest) => {
      const hybrid = new HybridClock(clock, 'cloud');
      if (newest !== undefined) hybrid.observe(newest);
      return hybrid.next();
    });
    documentWritten(id, gateway.label);
    return documentView(document);
  });
}

async function gatewayOf(
  store: Store,
  { label, tenant, name }: { label: string; tenant: string; name: string },
): Promise<GatewayIdentity> {
  const gateway = await store.gateway(tenant, name);
  if (gateway !== undefined) return gateway;
  const how = tenant === DEFAULT_TENANT ? name : `${name} --tenant ${tenant}`;
  throw new TideError(
    'not-found',
    `gateway: found ${JSON.stringify(label)}, which is not enrolled here; "tidegate-cloud enroll ${how}" makes a token for it`,
  );
}

const documentView = ({ key, value, stamp, applied }: StoredDocument): DocumentView => ({ key, value, stamp, applied });

function bearerIs(header: string | undefined, token: string): boolean {
  const given = Buffer.from(header?.replace(/^Bearer /i, '') ?? '');
  const expected = Buffer.from(token);
  return given.length === expected.length && timingSafeEqual(given, expected);
}
