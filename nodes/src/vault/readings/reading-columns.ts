import type { Reading } from '../../reading/reading.ts';
import { DEVICE_CLOCK, EXTRAS, QUALITIES, STALE, STRING, TRUE } from '../batch-codec.ts';

/** Readings of one series in order of position. Positions are not kept for each reading. */
export interface ReadingColumns {
  /** Number of the series. */
  series: number;
  count: number;
  /** Epoch milliseconds. */
  times: Float64Array;
  /** A number itself; 0 or 1 for a switch; the index of a word in `strings`. */
  values: Float64Array;
  /**
   * As in batch-codec: bits 0-2 type of the value (0 false, 1 true, 2 word, from 3 on number), 3-4 quality, 5 device
   * clock, 6 stale, 7 has a unit or an anomaly.
   */
  flags: Uint8Array;
  strings: readonly string[];
  /** Absent: none has a unit. One element: the unit of all. Else one for each reading. */
  units?: (string | undefined)[];
  /** NaN where a reading has none; absent when none has. */
  anomalies?: Float64Array;
}

const NO_STRINGS: readonly string[] = [];

/** Columns of `count` readings, all zero. */
export const blankColumns = (series: number, count: number): ReadingColumns => ({
  series,
  count,
  times: new Float64Array(count),
  values: new Float64Array(count),
  flags: new Uint8Array(count),
  strings: NO_STRINGS,
});

export const unitAt = ({ units }: ReadingColumns, i: number): string | undefined =>
  units === undefined ? undefined : units[units.length === 1 ? 0 : i];

/** Some of the readings, from `from` up to `to`, as views. */
export function sliceColumns(columns: ReadingColumns, from: number, to: number): ReadingColumns {
  if (from === 0 && to === columns.count) return columns;
  const { series, strings, units, anomalies } = columns;
  return {
    series,
    count: to - from,
    times: columns.times.subarray(from, to),
    values: columns.values.subarray(from, to),
    flags: columns.flags.subarray(from, to),
    strings,
    ...(units === undefined ? {} : { units: units.length === 1 ? units : units.slice(from, to) }),
    ...(anomalies === undefined ? {} : { anomalies: anomalies.subarray(from, to) }),
  };
}

/** Those whose time is at or after `from` and before `to` (epoch milliseconds); the same columns when that is all. */
export function withinTimes(columns: ReadingColumns, from: number, to: number): ReadingColumns {
  const { times, count } = columns;
  const within: number[] = [];
  let begin = 0;
  while (begin < count && !(times[begin] >= from && times[begin] < to)) begin++;
  let end = begin;
  while (end < count && times[end] >= from && times[end] < to) end++;
  for (let i = end; i < count; i++) if (times[i] >= from && times[i] < to) within.push(i);
  if (within.length === 0) return sliceColumns(columns, begin, end);
  // Times out of order: what follows the first run is picked one by one.
  const all = [...Array.from({ length: end - begin }, (_, i) => begin + i), ...within];
  const out: ReadingColumns = { ...blankColumns(columns.series, all.length), strings: columns.strings };
  const { units, anomalies } = columns;
  if (anomalies !== undefined) out.anomalies = new Float64Array(all.length);
  for (const [to, at] of all.entries()) {
    out.times[to] = times[at];
    out.values[to] = columns.values[at];
    out.flags[to] = columns.flags[at];
    if (anomalies !== undefined) out.anomalies![to] = anomalies[at];
  }
  if (units !== undefined) out.units = units.length === 1 ? units : all.map((at) => units[at]);
  return out;
}

/** The readings as plain data. */
export function readingsOf(columns: ReadingColumns, name: string): Reading[] {
  const readings: Reading[] = [];
  for (let i = 0; i < columns.count; i++) {
    const flags = columns.flags[i];
    const type = flags & 7;
    const value = columns.values[i];
    const reading: Reading = {
      series: name,
      time: columns.times[i],
      value: type > STRING ? value : type === STRING ? columns.strings[value] : type === TRUE,
      quality: QUALITIES[(flags >> 3) & 3],
      clock: (flags & DEVICE_CLOCK) === 0 ? 'gateway' : 'device',
    };
    if ((flags & EXTRAS) !== 0) {
      const unit = unitAt(columns, i);
      if (unit !== undefined) reading.unit = unit;
      const anomaly = columns.anomalies?.[i];
      if (anomaly !== undefined && !Number.isNaN(anomaly)) reading.anomaly = anomaly;
    }
    if ((flags & STALE) !== 0) reading.stale = true;
    readings.push(reading);
  }
  return readings;
}
