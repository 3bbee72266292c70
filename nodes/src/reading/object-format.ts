import { MAX_DEPTH } from './limits.ts';
import { Findings } from './metric.ts';
import { isDecimal, switchOf } from './number-format.ts';
import { shape, MAX_DIGITS } from './number-range.ts';
import type { Value } from './reading.ts';
import { isTimeField, parseTime } from './time-field.ts';

/** Keys under which a wrapper keeps the one value that it is about, in order of preference. */
const VALUE_KEYS = ['value', 'Value', 'val'];
const UNIT_KEYS = ['unit', 'Unit', 'units', 'uom', 'unit_of_measurement'];

interface Place {
  path: string;
  depth: number;
  time: number | undefined;
  /** Tasmota's TempUnit, for every temperature below it. */
  temperatureUnit: string | undefined;
}

/**
 * Finds the values in a decoded payload, whatever its shape: zigbee2mqtt's flat objects, Tasmota's sensors one level down,
 * Shelly's nested status, `{"value": …, "timestamp": …}`. A time field dates everything beside and below it; a unit beside
 * a `value` is its unit; null is no value. Numbers in quotes count as numbers, ON and OFF as switch positions.
 */
export function readObject(decoded: unknown): Findings {
  const findings = new Findings();
  visit(decoded, { path: '', depth: 0, time: undefined, temperatureUnit: undefined }, findings);
  return findings.finish();
}

function visit(found: unknown, place: Place, findings: Findings): void {
  if (found === null || found === undefined) return;
  if (typeof found !== 'object') {
    addScalar(found, place, undefined, findings);
    return;
  }
  if (place.depth >= MAX_DEPTH) {
    findings.problem('too-deep', `"${place.path}" is nested deeper than ${MAX_DEPTH} levels`);
    return;
  }
  if (found instanceof Date) {
    findings.add(place.path, found.toISOString(), place.time);
  } else if (Array.isArray(found)) {
    for (let i = 0; i < found.length && !findings.full; i++) visit(found[i], below(place, String(i)), findings);
  } else if (isRecord(found)) visitObject(found, place, findings);
}

function visitObject(object: Record<string, unknown>, outer: Place, findings: Findings): void {
  const time = timeOf(object) ?? outer.time;
  const temperatureUnit = typeof object.TempUnit === 'string' ? `°${object.TempUnit}` : outer.temperatureUnit;
  const here: Place = { ...outer, time, temperatureUnit };
  const valueKey = VALUE_KEYS.find((key) => isScalar(object[key]));
  const unitKey = valueKey && UNIT_KEYS.find((key) => typeof object[key] === 'string');
  for (const key of Object.keys(object)) {
    if (findings.full) return;
    const found = object[key];
    if (key === unitKey || key === 'TempUnit' || isTimeField(key, found)) continue;
    if (key === valueKey) addScalar(found, here, unitKey && String(object[unitKey]), findings);
    else visit(found, { ...below(here, key), time, temperatureUnit }, findings);
  }
}

function below(place: Place, key: string): Place {
  return { ...place, path: place.path === '' ? key : `${place.path}/${key}`, depth: place.depth + 1 };
}

function timeOf(object: Record<string, unknown>): number | undefined {
  for (const key of Object.keys(object)) {
    const found = object[key];
    if (isTimeField(key, found)) return parseTime(found);
  }
  return undefined;
}

/** An object of named values; bytes are none. */
export function isRecord(found: unknown): found is Record<string, unknown> {
  return typeof found === 'object' && found !== null && !Array.isArray(found) && !ArrayBuffer.isView(found);
}

function isScalar(found: unknown): boolean {
  return typeof found === 'number' || typeof found === 'boolean' || (typeof found === 'string' && found !== '');
}

function addScalar(found: unknown, place: Place, unit: string | undefined, findings: Findings): void {
  const value = scalar(found, place, findings);
  if (value === undefined) return;
  const degrees = typeof value === 'number' && /temperature/i.test(place.path) ? place.temperatureUnit : undefined;
  findings.add(place.path, value, place.time, unit ?? degrees);
}

function scalar(found: unknown, place: Place, findings: Findings): Value | undefined {
  switch (typeof found) {
    case 'number':
    case 'boolean':
      return found;
    case 'bigint':
      return wholeNumber(found, place, findings);
    case 'string':
      return text(found, place, findings);
    default:
      return undefined;
  }
}

function wholeNumber(found: bigint, place: Place, findings: Findings): number | undefined {
  const { digits } = shape(String(found));
  if (digits <= MAX_DIGITS && BigInt(Number(found)) === found) return Number(found);
  findings.problem(
    'too-precise',
    `"${place.path}" is a whole number of ${digits} digits; at most ${MAX_DIGITS} are kept`,
  );
  return undefined;
}

function text(found: string, place: Place, findings: Findings): Value | undefined {
  const trimmed = found.trim();
  if (trimmed === '') return undefined;
  const position = switchOf(trimmed);
  if (position !== undefined) return position;
  if (!isDecimal(trimmed)) return found;
  const { digits } = shape(trimmed);
  if (digits <= MAX_DIGITS) return Number(trimmed);
  findings.problem('too-precise', `"${place.path}" has ${digits} digits; at most ${MAX_DIGITS} are kept, round it`);
  return undefined;
}
