import { MAX_SERIES_LENGTH, MAX_STRING_BYTES, MAX_UNIT_LENGTH } from './limits.ts';
import type { Problem } from './metric.ts';
import { numberProblem } from './number-range.ts';
import type { Quality, Reading, Value } from './reading.ts';
import { timeProblem } from './time-field.ts';

/** Readings as a flow sends them, checked one by one: whoever wires a function node can send anything. */
export interface FlowReadings {
  readings: Reading[];
  /** What was wrong with the others, with the index in the batch. */
  problems: (Problem & { index: number })[];
}

/** Whether a payload is meant as a batch of readings: a list whose first element names a series. */
export function looksLikeReadings(payload: unknown): payload is unknown[] {
  return Array.isArray(payload) && payload.length > 0 && isObject(payload[0]) && typeof payload[0].series === 'string';
}

/** Checks a batch. `now`: the gateway's wall clock, for readings without time and against absurd ones. */
export function readingsFromFlow(batch: readonly unknown[], now: number): FlowReadings {
  const found: FlowReadings = { readings: [], problems: [] };
  for (const [index, item] of batch.entries()) {
    const made = readingFromFlow(item, now);
    if ('code' in made) found.problems.push({ ...made, index });
    else found.readings.push(made);
  }
  return found;
}

export function readingFromFlow(item: unknown, now: number): Reading | Problem {
  if (!isObject(item)) return { code: 'unreadable', reason: 'is no object with series and value' };
  const { series, value, time = now, quality = 'good', unit, position, clock, stale } = item;
  if (typeof series !== 'string' || series === '' || series.length > MAX_SERIES_LENGTH)
    return { code: 'no-series', reason: `series has to be a text of 1 to ${MAX_SERIES_LENGTH} characters` };
  if (!isValue(value))
    return {
      code: 'not-a-number',
      reason: `value of "${series}" is ${typeof value}; a number, a switch position or a text is needed`,
    };
  const problem = valueProblem(value);
  if (problem !== undefined) return { code: problem.code, reason: `value of "${series}" ${problem.reason}` };
  if (typeof time !== 'number' || !Number.isFinite(time))
    return { code: 'absurd-time', reason: `time of "${series}" has to be milliseconds since 1970` };
  const absurd = timeProblem(time, now);
  if (absurd !== undefined) return { code: 'absurd-time', reason: `"${series}": ${absurd}` };
  const reading: Reading = {
    series,
    time: Math.round(time),
    value,
    quality: qualityOf(quality),
    clock: clock === 'device' ? clock : 'gateway',
  };
  if (typeof unit === 'string' && unit !== '' && unit.length <= MAX_UNIT_LENGTH) reading.unit = unit;
  if (typeof position === 'number' && Number.isSafeInteger(position) && position > 0) reading.position = position;
  if (stale === true) reading.stale = true;
  return reading;
}

function isObject(found: unknown): found is Record<string, unknown> {
  return typeof found === 'object' && found !== null;
}

function isValue(found: unknown): found is Value {
  return typeof found === 'number' || typeof found === 'boolean' || typeof found === 'string';
}

function valueProblem(value: Value): Problem | undefined {
  if (typeof value === 'number') return numberProblem(value);
  if (typeof value === 'string' && Buffer.byteLength(value) > MAX_STRING_BYTES)
    return { code: 'too-long', reason: `is a text of more than ${MAX_STRING_BYTES} bytes` };
  return undefined;
}

function qualityOf(found: unknown): Quality {
  return found === 'uncertain' || found === 'bad' ? found : 'good';
}
