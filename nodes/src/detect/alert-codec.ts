import { Decoder, Encoder } from 'cbor-x';
import { z } from 'zod';
import { TideError } from '../node/errors.ts';
import type { Alert } from './alert.ts';

/** Largest encoded alert that is read, bytes; one that keeps to the bounds below stays well under it. */
export const MAX_ALERT_BYTES = 8192;

const time = z.number().int().min(-8.64e15).max(8.64e15);
const finite = z.number();

/** The form of an alert, with the bounds that hold wherever it travels or lies. */
export const alertSchema = z.strictObject({
  id: z.string().regex(/^[0-9a-f]{32}$/),
  revision: z.number().int().min(1).max(0xffff_ffff),
  series: z.string().min(1).max(1024),
  time,
  state: z.enum(['open', 'closed']),
  closed: time.optional(),
  severity: z.enum(['info', 'warning', 'critical']),
  kind: z.string().regex(/^[a-z][a-z0-9-]{0,31}$/),
  value: z.union([finite, z.boolean(), z.string().max(1024)]),
  expected: z.strictObject({ low: finite.optional(), high: finite.optional() }).optional(),
  unit: z.string().max(64).optional(),
  text: z.string().min(1).max(500),
});

const encoder = new Encoder({ useRecords: false, variableMapSize: true, tagUint8Array: false });
const decoder = new Decoder({ useRecords: false, mapsAsObjects: true });

/** The alert as CBOR, fields in one fixed order, so that equal alerts have equal bytes. Throws on one that breaks a bound. */
export function encodeAlert(alert: Alert): Uint8Array {
  const checked = check(alert, 'cannot be encoded');
  const { id, revision, series, time, state, closed, severity, kind, value, expected, unit, text } = checked;
  const plain: Record<string, unknown> = { id, revision, series, time, state, severity, kind, value, text };
  if (closed !== undefined) plain['closed'] = closed;
  if (expected !== undefined) plain['expected'] = withoutAbsent(expected);
  if (unit !== undefined) plain['unit'] = unit;
  return Uint8Array.from(encoder.encode(plain));
}

/** Reads what `encodeAlert` wrote; throws a TideError `bad-alert` on anything else. */
export function decodeAlert(bytes: Uint8Array): Alert {
  if (bytes.length > MAX_ALERT_BYTES)
    throw new TideError('bad-alert', `alert has ${bytes.length} bytes; at most ${MAX_ALERT_BYTES} are allowed`);
  let plain: unknown;
  try {
    plain = decoder.decode(bytes);
  } catch (error) {
    throw new TideError('bad-alert', `alert of ${bytes.length} bytes is not CBOR`, { cause: error });
  }
  return check(plain, 'cannot be read');
}

function check(candidate: unknown, what: string): Alert {
  const result = alertSchema.safeParse(candidate);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const where = issue === undefined || issue.path.length === 0 ? 'the whole' : issue.path.join('.');
  throw new TideError('bad-alert', `alert ${what}: ${where}: ${issue?.message ?? 'invalid'}`);
}

function withoutAbsent(range: { low?: number | undefined; high?: number | undefined }): Record<string, number> {
  const plain: Record<string, number> = {};
  if (range.low !== undefined) plain['low'] = range.low;
  if (range.high !== undefined) plain['high'] = range.high;
  return plain;
}
