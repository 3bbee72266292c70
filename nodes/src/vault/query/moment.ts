import { TideError } from '../../node/errors.ts';

const RELATIVE = /^(?:now)?([+-])(\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h|d|w)$/;
const ISO = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?) ?(Z|[+-]\d\d:\d\d)?)?$/;
const UNITS: Record<string, number> = { ms: 1, s: 1e3, m: 6e4, h: 3.6e6, d: 8.64e7, w: 6.048e8 };
/** Most milliseconds from 1970 that a date can be (ECMA-262). */
const LAST = 8.64e15;

/**
 * A moment as a person or a flow gives it, in epoch milliseconds: a number or digits (epoch milliseconds), a Date, ISO
 * 8601 (UTC where it names no zone), `now`, or a distance from now such as `-24h`, `now-15m`, `-7d`. Units: ms, s, m, h, d
 * (24 hours), w. Throws TideError `bad-query`.
 */
export function momentOf(given: unknown, now: number, name = 'the time'): number {
  const time = parsed(given, now);
  if (time !== undefined && Math.abs(time) <= LAST) return time;
  throw new TideError(
    'bad-query',
    `${name} is ${shown(given)}; allowed are ISO 8601 (2026-05-01T12:00:00Z), milliseconds since 1970, now, or a distance from now such as -24h`,
  );
}

function parsed(given: unknown, now: number): number | undefined {
  if (typeof given === 'number') return given;
  if (given instanceof Date) return given.getTime();
  if (typeof given !== 'string' || given.length > 64) return undefined;
  const text = given.trim();
  if (text === 'now') return now;
  if (/^\d{1,16}$/.test(text)) return Number(text);
  const relative = RELATIVE.exec(text);
  if (relative !== null) {
    const [, sign, amount, unit] = relative;
    return Math.round(now + (sign === '-' ? -1 : 1) * Number(amount) * UNITS[unit]);
  }
  const iso = ISO.exec(text);
  if (iso === null) return undefined;
  const [, date, time = '00:00', zone = 'Z'] = iso;
  return Date.parse(`${date}T${time}${zone}`);
}

function shown(given: unknown): string {
  if (given === undefined || given === null) return String(given);
  if (typeof given === 'string') return JSON.stringify(given.slice(0, 40));
  return typeof given === 'number' ? String(given) : `of type ${typeof given}`;
}
