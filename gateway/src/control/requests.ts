import { type ClockState, TideError } from '@tidegate/nodes/node';
import type { Account } from '@tidegate/nodes/sync';
import {
  type Finding,
  type QueryOutcome,
  type QueryRequest,
  requestOf,
  type SeriesRegistry,
  type VaultKeys,
} from '@tidegate/nodes/vault';
import { z } from 'zod';

import { answerKeys } from './key-requests.ts';
import type { GatewayStatus, GrantView } from './status.ts';

/** What the control socket reaches: the running gateway, or one whose vault was opened for a single command. */
export interface Controlled {
  status(): Promise<GatewayStatus>;
  grants(): Promise<GrantView[]>;
  grant(series: string, purpose?: string): Promise<void>;
  revoke(series: string, purpose?: string): Promise<{ rewritten: number }>;
  /** Takes an operator's word for the machine's clock; only a running gateway can. */
  trustClock?(): Promise<ClockState>;
  query(request: QueryRequest): QueryAnswer;
  keys(): VaultKeys;
  /** What became of every reading. */
  account(): Promise<Account>;
  verify(): AsyncIterable<Finding>;
  series(): SeriesRegistry;
  /** In Prometheus' text format. */
  metrics(): Promise<string>;
}

/** Readings or summaries as they are read, and what they were once all are out. */
export interface QueryAnswer {
  pages: AsyncIterable<readonly object[]>;
  outcome: QueryOutcome;
}

export type Answer = { status: number; body: unknown } | { status: 200; lines: AsyncIterable<Line> };

/**
 * A long answer, line by line: rows of a query, or what a check is of and its findings; at the end what it came to. An answer that
 * stops without `end` was broken off; `error` says why.
 */
export type Line =
  | { rows: readonly object[] }
  | { checking: Checking }
  | { finding: Finding }
  | { end: object }
  | { error: Failure };

/** What a check is of, told before it begins. */
export interface Checking {
  readings: number;
  bytes: number;
}

export interface Failure {
  code: string;
  message: string;
}

/** Rows in one line. */
const LINE_ROWS = 500;

const grantBody = z.strictObject({ series: z.string().max(1024), purpose: z.string().max(64).optional() });

const seriesBody = z.strictObject({
  series: z.string().max(1024),
  sensor: z.string().max(1024).optional(),
  to: z.string().max(1024).optional(),
});

const queryBody = z.strictObject({
  series: z.array(z.string()),
  from: z.number().nullish(),
  to: z.number().nullish(),
  resolution: z.number().nullish(),
  order: z.string().nullish(),
  limit: z.number().nullish(),
});

/** Answers a request of the control socket. Errors become `{error: {code, message}}`. */
export async function answerControl(gateway: Controlled, method: string, path: string, body: unknown): Promise<Answer> {
  try {
    const request = `${method} ${path}`;
    if (request === 'POST /query') return { status: 200, lines: linesOf(gateway.query(requestIn(body))) };
    if (request === 'POST /account') return { status: 200, lines: accountLines(gateway) };
    if (request === 'POST /vault/verify') return { status: 200, lines: findingsOf(gateway) };
    if (request === 'POST /key/shred')
      return { status: 200, lines: lineOf(() => answerKeys(gateway.keys(), request, body)) };
    if (path.startsWith('/key')) return { status: 200, body: await answerKeys(gateway.keys(), request, body) };
    return { status: 200, body: await act(gateway, request, body) };
  } catch (error) {
    if (error instanceof TideError)
      return { status: 400, body: { error: { code: error.code, message: error.message } } };
    throw error;
  }
}

async function act(gateway: Controlled, request: string, body: unknown): Promise<unknown> {
  switch (request) {
    case 'GET /status':
      return gateway.status();
    case 'GET /metrics':
      return { text: await gateway.metrics() };
    case 'GET /grants':
      return { grants: await gateway.grants() };
    case 'PUT /grants': {
      const { series, purpose } = grantIn(body);
      await gateway.grant(series, purpose);
      return { grants: await gateway.grants() };
    }
    case 'GET /series':
      return { series: await gateway.series().list() };
    case 'PUT /series/sensor':
    case 'PUT /series/retired':
    case 'DELETE /series/retired':
    case 'PUT /series/name':
    case 'DELETE /series/name':
      await actOnSeries(gateway.series(), request, body);
      return {};
    case 'PUT /clock':
      if (gateway.trustClock === undefined)
        throw new TideError('not-running', 'the clock is confirmed to a running gateway; start it with `tidegate run`');
      return gateway.trustClock();
    case 'DELETE /grants': {
      const { series, purpose } = grantIn(body);
      const { rewritten } = await gateway.revoke(series, purpose);
      return { rewritten, grants: await gateway.grants() };
    }
    default:
      throw new TideError('unknown-request', `the control socket does not know ${request}`);
  }
}

function actOnSeries(registry: SeriesRegistry, request: string, body: unknown): Promise<void> {
  const parsed = seriesBody.safeParse(body);
  if (!parsed.success) throw new TideError('bad-request', 'of a series is said {"series": NAME, "sensor"?, "to"?}');
  const { series, sensor = '', to = '' } = parsed.data;
  if (request === 'PUT /series/sensor') return registry.replace(series, sensor);
  if (request === 'PUT /series/retired') return registry.retire(series);
  if (request === 'DELETE /series/retired') return registry.revive(series);
  return request === 'PUT /series/name' ? registry.rename(series, to) : registry.separate(series);
}

function grantIn(body: unknown): z.infer<typeof grantBody> {
  const parsed = grantBody.safeParse(body);
  if (!parsed.success) throw new TideError('bad-request', 'a grant is {"series": PATTERN, "purpose"?: NAME}');
  return parsed.data;
}

function requestIn(body: unknown): QueryRequest {
  const parsed = queryBody.safeParse(body);
  if (!parsed.success)
    throw new TideError('bad-request', 'a query is {"series", "from"?, "to"?, "resolution"?, "order"?, "limit"?}');
  // Moments from now are the asking side's to resolve.
  return requestOf(parsed.data, Number.NaN);
}

/** One line, for work that takes longer than an answer may. It begins when the line is asked for. */
async function* lineOf(work: () => Promise<object>): AsyncGenerator<Line> {
  yield { end: await work() };
}

async function* findingsOf(gateway: Controlled): AsyncGenerator<Line> {
  const { readings, bytesAtRest, bytes } = (await gateway.status()).vault;
  yield { checking: { readings, bytes: bytesAtRest ?? bytes } };
  let count = 0;
  for await (const finding of gateway.verify()) {
    count++;
    yield { finding };
  }
  yield { end: { findings: count } };
}

async function* accountLines(gateway: Controlled): AsyncGenerator<Line> {
  const { series, ...rest } = await gateway.account();
  for (let i = 0; i < series.length; i += LINE_ROWS) yield { rows: series.slice(i, i + LINE_ROWS) };
  yield { end: rest };
}

async function* linesOf({ pages, outcome }: QueryAnswer): AsyncGenerator<Line> {
  for await (const page of pages)
    for (let i = 0; i < page.length; i += LINE_ROWS) yield { rows: page.slice(i, i + LINE_ROWS) };
  yield { end: outcome };
}
