import { TideError } from '../../node/errors.ts';
import type { NodeMessage } from '../../node/node-red.ts';
import { FIELDS, MAX_HELD_ROWS, type QueryRequest, type RequestFields, requestOf } from './request.ts';

/** What a tide-query node was set to; everything but output and size can be told otherwise by a message. */
export interface QueryDefinition {
  /** Patterns, separated by commas. */
  series?: string;
  /** `custom`, with `from` and `to`, or how long before now. */
  span?: string;
  from?: string;
  to?: string;
  resolution?: string;
  order?: string;
  limit?: number | string;
  output?: string;
  /** Rows in each message of a stream. */
  size?: number | string;
}

/** What one message asks for, and how it is answered. */
export interface QueryPlan {
  request: QueryRequest;
  /** One message with all rows, or messages of `size` rows. */
  output: 'array' | 'stream';
  size: number;
}

const DEFAULT_LIMIT = 10_000;
const DEFAULT_SIZE = 1_000;
/** One row in a message would be joined to a list of rows otherwise than several are. */
const [MIN_SIZE, MAX_SIZE] = [2, 10_000];

/** Throws TideError `bad-query` that names what was found and what is allowed. */
export function planOf(definition: QueryDefinition, message: NodeMessage, now: number): QueryPlan {
  const output = definition.output === 'stream' ? 'stream' : 'array';
  const told = fieldsIn(message);
  const fields = {
    series: seriesList(definition.series ?? ''),
    resolution: definition.resolution,
    order: definition.order,
    limit: definition.limit,
    ...(has(told, 'from') || has(told, 'to') ? undefined : spanOf(definition, now)),
    ...told,
  };
  const request = requestOf({ ...fields, limit: has(fields, 'limit') ? fields.limit : defaultLimit(output) }, now);
  if (output === 'array' && request.limit! > MAX_HELD_ROWS)
    throw bad(`limit is ${request.limit}; one message takes at most ${MAX_HELD_ROWS} rows: send them in parts instead`);
  return { request, output, size: sizeOf(definition.size) };
}

/** What a message asks for: the fields of its payload where that is an object, and its own properties. */
function fieldsIn(message: NodeMessage): RequestFields {
  const fields: Record<string, unknown> = {};
  const { payload } = message;
  for (const field of FIELDS) if (isGiven(message[field])) fields[field] = message[field];
  if (!isPlain(payload)) return fields;
  for (const [field, value] of Object.entries(payload)) {
    if (!FIELDS.some((one) => one === field))
      throw bad(`payload.${field.slice(0, 40)} is not known; a payload that asks has ${FIELDS.join(', ')}`);
    if (isGiven(value)) fields[field] = value;
  }
  return fields;
}

/** A payload that is a list, a Buffer or a plain value only starts the query. */
function isPlain(payload: unknown): payload is Record<string, unknown> {
  if (typeof payload !== 'object' || payload === null) return false;
  const prototype: unknown = Object.getPrototypeOf(payload);
  return prototype === null || prototype === Object.prototype;
}

const isGiven = (value: unknown): boolean => value !== undefined && value !== null && value !== '';
const has = (fields: RequestFields, field: keyof RequestFields): boolean => isGiven(fields[field]);
const bad = (reason: string): TideError => new TideError('bad-query', reason);

function seriesList(text: string): string[] {
  return text
    .split(',')
    .map((pattern) => pattern.trim())
    .filter((pattern) => pattern !== '');
}

function spanOf({ span = '1h', from, to }: QueryDefinition, now: number): RequestFields {
  if (span === 'all') return {};
  // With what came in this very millisecond.
  return span === 'custom' ? { from, to } : { from: `-${span}`, to: now + 1 };
}

const defaultLimit = (output: QueryPlan['output']): number | undefined =>
  output === 'array' ? DEFAULT_LIMIT : undefined;

function sizeOf(given: number | string | undefined): number {
  if (!isGiven(given)) return DEFAULT_SIZE;
  const size = Number(given);
  if (Number.isInteger(size) && size >= MIN_SIZE && size <= MAX_SIZE) return size;
  throw bad(`a message of ${given} rows is not allowed; ${MIN_SIZE} to ${MAX_SIZE} are`);
}
