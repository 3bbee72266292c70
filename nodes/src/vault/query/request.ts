import { TideError } from '../../node/errors.ts';
import { momentOf } from './moment.ts';
import { globProblem, MAX_PATTERNS } from './series-glob.ts';

/** What is asked of a vault, checked: patterns of series, a span of time, and in which form the answer is wanted. */
export interface QueryRequest {
  /** Patterns as seriesMatcher takes them. */
  series: readonly string[];
  /** Epoch milliseconds: from inclusive, to exclusive; infinite where there is no bound. */
  from: number;
  to: number;
  /** Seconds; absent: the readings themselves. */
  resolution?: number;
  /**
   * `series`: by name, and within a series readings as they came, summaries by time. `oldest` and `newest`: by time over
   * all series, from that end; the answer is then held in memory, so `limit` is needed.
   */
  order: QueryOrder;
  /** Most rows; absent: all. */
  limit?: number;
}

export type QueryOrder = (typeof ORDERS)[number];
const ORDERS = ['series', 'oldest', 'newest'] as const;

/** Most rows that are held in memory for one answer. */
export const MAX_HELD_ROWS = 100_000;
/** Longest window, seconds: a UTC day. */
const MAX_RESOLUTION = 86_400;
const UNITS: Record<string, number> = { s: 1, m: 60, h: 3_600, d: 86_400 };

/** Fields of a request as they come from outside: form, message, command line, socket. */
export type RequestFields = { readonly [field in (typeof FIELDS)[number]]?: unknown };
export const FIELDS = ['series', 'from', 'to', 'resolution', 'order', 'limit'] as const;

/**
 * Checks what came from outside; a field that is absent, null or '' has no bound, or its default. Throws TideError
 * `bad-query`.
 */
export function requestOf(fields: RequestFields, now: number): QueryRequest {
  const request: QueryRequest = {
    series: patternsOf(fields.series),
    from: isAbsent(fields.from) ? -Infinity : momentOf(fields.from, now, 'from'),
    to: isAbsent(fields.to) ? Infinity : momentOf(fields.to, now, 'to'),
    order: orderOf(fields.order),
  };
  if (request.from > request.to)
    throw bad(`from (${dateText(request.from)}) is after to (${dateText(request.to)}); from is the earlier one`);
  const resolution = resolutionIn(fields.resolution);
  if (resolution !== undefined) request.resolution = resolution;
  const limit = limitIn(fields.limit);
  if (limit !== undefined) request.limit = limit;
  if (request.order !== 'series' && (limit === undefined || limit > MAX_HELD_ROWS))
    throw bad(`order ${request.order} needs a limit of 1 to ${MAX_HELD_ROWS}; it is ${limit ?? 'missing'}`);
  return request;
}

const isAbsent = (field: unknown): field is undefined | null | '' =>
  field === undefined || field === null || field === '';

const bad = (reason: string): TideError => new TideError('bad-query', reason);

function patternsOf(given: unknown): string[] {
  const list: unknown[] = Array.isArray(given) ? given : [given];
  if (isAbsent(given) || list.length === 0)
    throw bad(
      'no series is named; give a name or a pattern, for example line1/pump3/* or line1/#, or ** for every series',
    );
  if (list.length > MAX_PATTERNS) throw bad(`${list.length} series are named; at most ${MAX_PATTERNS} are allowed`);
  return list.map((pattern) => {
    if (typeof pattern !== 'string') throw bad(`a series is ${typeof pattern}; a name or a pattern is a text`);
    const problem = globProblem(pattern);
    if (problem !== undefined) throw bad(`the series "${pattern.slice(0, 80)}" ${problem}`);
    return pattern;
  });
}

function orderOf(given: unknown): QueryOrder {
  if (isAbsent(given)) return 'series';
  const order = ORDERS.find((one) => one === given);
  if (order === undefined) throw bad(`order is ${JSON.stringify(given)?.slice(0, 40)}; allowed: ${ORDERS.join(', ')}`);
  return order;
}

/** Seconds: a number or digits, or a number with s, m, h or d. `raw` and 0 stand for the readings themselves. */
function resolutionIn(given: unknown): number | undefined {
  if (isAbsent(given) || given === 'raw' || given === 0 || given === '0') return undefined;
  const match =
    typeof given === 'number' || typeof given === 'string' ? /^(\d{1,6})([smhd]?)$/.exec(String(given)) : null;
  const seconds = match === null ? 0 : Number(match[1]) * UNITS[match[2] || 's'];
  if (seconds >= 1 && seconds <= MAX_RESOLUTION) return seconds;
  throw bad(
    `resolution is ${JSON.stringify(given)?.slice(0, 40)}; allowed: 1s to 1d, for example 1m, 15m, 1h or 1d, or raw`,
  );
}

function limitIn(given: unknown): number | undefined {
  if (isAbsent(given)) return undefined;
  const limit = typeof given === 'string' && /^\d{1,15}$/.test(given) ? Number(given) : given;
  if (typeof limit === 'number' && Number.isSafeInteger(limit) && limit >= 1) return limit;
  throw bad(`limit is ${JSON.stringify(given)?.slice(0, 40)}; a whole number from 1 on is allowed`);
}

function dateText(time: number): string {
  return Number.isFinite(time) ? new Date(time).toISOString() : String(time);
}
