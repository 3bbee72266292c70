import { TideError } from '@tidegate/nodes/node';
import { DEFAULT_PURPOSE } from '@tidegate/nodes/privacy';
import { MAX_RESOLUTION } from '@tidegate/nodes/summary';
import { z } from 'zod';

import { parseLabel } from '../gateway-label.ts';

/** Furthest time that a JavaScript date can say, epoch milliseconds. */
const LAST_TIME = 8_640_000_000_000_000;

export const MAX_WINDOWS = 10_000;
export const MAX_ALERTS = 1000;
export const MAX_KEY = 1024;

const whole = (from: number, to: number) => {
  const allowed = `a whole number from ${from} to ${to}`;
  return z
    .string({ error: allowed })
    .regex(/^-?\d{1,16}$/, allowed)
    .transform(Number)
    .refine((value) => value >= from && value <= to, allowed);
};

const time = whole(-LAST_TIME, LAST_TIME);
const gatewayLabel = z
  .string({ error: 'the name of a gateway, as /api/v1/gateways lists it' })
  .max(129)
  .transform((label, context) => {
    const place = parseLabel(label);
    if (place !== undefined) return { label, ...place };
    context.addIssue({ code: 'custom', message: 'the name of a gateway, or its tenant and name as TENANT/NAME' });
    return z.NEVER;
  });
const seriesName = z
  .string({ error: 'the name of a series, as /api/v1/series lists it' })
  .min(1, 'the name of a series')
  .max(1024, 'at most 1024 characters');
const purpose = z
  .string()
  .regex(/^[a-z0-9][a-z0-9/_-]{0,119}$/, 'a purpose in lower-case letters, digits, dashes and slashes')
  .default(DEFAULT_PURPOSE);

export const gatewayQuery = z.strictObject({ gateway: gatewayLabel });
export const seriesQuery = z.strictObject({ gateway: gatewayLabel, purpose });
export const summariesQuery = z.strictObject({
  gateway: gatewayLabel,
  series: seriesName,
  purpose,
  resolution: whole(1, MAX_RESOLUTION),
  from: time,
  to: time,
  limit: whole(1, MAX_WINDOWS).default(MAX_WINDOWS / 2),
});
export const alertsQuery = z.strictObject({
  since: whole(0, Number.MAX_SAFE_INTEGER).optional(),
  gateway: gatewayLabel.optional(),
  limit: whole(1, MAX_ALERTS).default(100),
});
export const gapsQuery = z.strictObject({ gateway: gatewayLabel, limit: whole(1, MAX_ALERTS).default(100) });
export const accountQuery = z.strictObject({
  gateway: gatewayLabel,
  format: z.enum(['json', 'csv'], { error: 'json or csv' }).default('json'),
});
export const documentQuery = z.strictObject({
  gateway: gatewayLabel,
  key: z.string({ error: 'the key of the document' }).min(1, 'a key of at least one character').max(MAX_KEY),
});
export const documentBody = z.strictObject({
  value: z.unknown().refine((value) => value !== undefined, 'any JSON value; it is missing'),
});

/** The checked parameters; otherwise TideError `bad-request` that names the parameter, what was found and what is allowed. */
export function parseQuery<T>(schema: z.ZodType<T>, given: unknown): T {
  const result = schema.safeParse(given);
  if (result.success) return result.data;
  throw new TideError('bad-request', result.error.issues.map((issue) => problem(issue, given)).join('; '));
}

function problem(issue: z.core.$ZodIssue, given: unknown): string {
  if (issue.code === 'unrecognized_keys')
    return `${issue.keys.join(', ').slice(0, 100)}: there is no such parameter here`;
  const name = issue.path.join('.') || 'body';
  const found = typeof given === 'object' && given !== null ? Reflect.get(given, name) : given;
  const text = found === undefined ? 'nothing' : JSON.stringify(found).slice(0, 100);
  return `${name}: found ${text}, allowed: ${issue.message}`;
}
