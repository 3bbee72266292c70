/**
 * Times as devices write them: ISO 8601 (one without a zone is the gateway's local time, as Tasmota means it) or a number
 * of seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by magnitude: every unit's numbers for
 * 1973 to 5138 lie in a range of their own.
 */
const ISO = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?: ?(?:Z|[+-]\d\d:?\d\d))?)?$/;

/** Keys that always hold a time, in lower case. */
const NAMES = new Set(['time', 'timestamp', 'ts', 'datetime', 'date', 'last_seen', 'unixtime', 'lastupdated']);

/** Whether a key of a payload names a time. `t` may as well be a temperature: only a plausible value decides. */
export function isTimeField(key: string, value: unknown): value is number | string {
  if (typeof value !== 'number' && typeof value !== 'string') return false;
  if (key === 't' || key === 'T') {
    const time = parseTime(value);
    return time !== undefined && time >= EARLIEST;
  }
  return NAMES.has(key.toLowerCase()) && (typeof value === 'number' || parseTime(value) !== undefined);
}

/** Epoch milliseconds, or undefined for what is no time. */
export function parseTime(value: number | string): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? byMagnitude(value) : undefined;
  if (value.length > 40) return undefined;
  if (ISO.test(value)) {
    const time = Date.parse(value.replace(' ', 'T').replace(' ', '').replace(',', '.'));
    return Number.isNaN(time) ? undefined : time;
  }
  return /^\d{9,19}(\.\d{1,9})?$/.test(value) ? byMagnitude(Number(value)) : undefined;
}

function byMagnitude(value: number): number {
  const size = Math.abs(value);
  if (size < 1e11) return Math.round(value * 1e3);
  if (size < 1e14) return Math.round(value);
  if (size < 1e17) return Math.round(value / 1e3);
  return Math.round(value / 1e6);
}

/** 2000-01-01: no reading is older than this. */
export const EARLIEST = Date.UTC(2000, 0, 1);
/** How far ahead of the gateway a device's clock may be, milliseconds. */
export const MAX_AHEAD = 24 * 3_600_000;
/** A gateway whose clock is before this has not learnt the time yet and refuses no sensor's. */
const GATEWAY_CLOCK_SET = Date.UTC(2024, 0, 1);

/** Why a reading cannot carry this time, or undefined when it can. `now`: the gateway's wall clock. */
export function timeProblem(time: number, now: number): string | undefined {
  if (time < EARLIEST) return `its time ${show(time)} is before 2000-01-01`;
  if (now >= GATEWAY_CLOCK_SET && time > now + MAX_AHEAD)
    return `its time ${show(time)} is more than 24 h ahead of the gateway's ${show(now)}`;
  if (time > 8.64e15) return `its time is beyond the last date there is`;
  return undefined;
}

function show(time: number): string {
  return Math.abs(time) <= 8.64e15 ? new Date(time).toISOString() : String(time);
}
