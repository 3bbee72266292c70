/** Readings as lines of CSV (RFC 4180) that a person or a spreadsheet reads and that lose nothing. */
import { StringDecoder } from 'node:string_decoder';

import { TideError } from '@tidegate/nodes/node';
import type { Reading } from '@tidegate/nodes/reading';

export const READING_HEAD = 'series,time,value,quality,unit,type,clock,stale,anomaly';
export const RECENT_HEAD = `${READING_HEAD},position,source`;
const COLUMNS = READING_HEAD.split(',').length;

const QUALITIES: ReadonlySet<string> = new Set(['good', 'uncertain', 'bad']);
/** Times within the calendar of ISO 8601 with four digits for the year. */
const FIRST_TIME = Date.UTC(1, 0, 1);
const LAST_TIME = Date.UTC(9999, 11, 31);

/** A line without its end. An absent unit is empty, an empty one is `""`. */
export function readingRow(reading: Reading): string {
  const { series, time, value, quality, unit, clock, stale, anomaly } = reading;
  const number = typeof value === 'number';
  return `${field(series)},${timeText(time)},${number ? numberText(value) : field(String(value))},${quality},${
    unit === undefined ? '' : field(unit)
  },${typeof value},${clock},${stale === true ? 'stale' : ''},${anomaly === undefined ? '' : numberText(anomaly)}`;
}

export const recentRow = (reading: Reading, source: string): string =>
  `${readingRow(reading)},${reading.position},${field(source)}`;

/** Bytes of a part that are made text at a time: a part as one string would be twice as long as its bytes, and garbage at once. */
const PIECE = 64 << 10;

/** Rows of a part, its head taken away. Throws a TideError `bad-archive` that names the line. */
export function* rowsOf(bytes: Uint8Array, head: string, part: string): Generator<Row> {
  const decoder = new StringDecoder('utf8');
  let text = '';
  let at = 0;
  let taken = 0;
  /** A line that is longer than what was taken so far asks for as much again. */
  const takeMore = (): boolean => {
    if (taken >= bytes.length) return false;
    const piece = bytes.subarray(taken, taken + Math.max(PIECE, text.length - at));
    taken += piece.length;
    text = text.slice(at) + decoder.write(Buffer.from(piece.buffer, piece.byteOffset, piece.length));
    if (taken === bytes.length) text += decoder.end();
    at = 0;
    return true;
  };
  takeMore();
  if (!text.startsWith(`${head}\n`)) throw new TideError('bad-archive', `${part}: its first line is not "${head}"`);
  at = head.length + 1;
  let series = '';
  for (let number = 2; ;) {
    const row = at < text.length ? splitRow(text, at) : undefined;
    if (row !== undefined) {
      at = row.next;
      const { fields } = row;
      if (fields[0] !== undefined) fields[0] = series = fields[0] === series ? series : copied(fields[0]);
      yield { fields, place: `${part}, line ${number++}` };
    } else if (!takeMore()) {
      if (at < text.length) throw new TideError('bad-archive', `${part}: line ${number} is cut off`);
      return;
    }
  }
}

/** The same characters with memory of their own: a slice of a long text keeps all of it, and names of series are kept for long. */
const copied = (text: string): string => Buffer.from(text).toString();

export interface Row {
  /** A field that was empty without quotes is undefined. */
  fields: (string | undefined)[];
  place: string;
}

export function readingOf({ fields, place }: Row): Reading {
  if (fields.length < COLUMNS) throw wrong(place, 'has too few columns');
  const [series, time, value, quality, unit, type, clock, stale, anomaly] = fields;
  if (series === undefined || quality === undefined || !QUALITIES.has(quality)) throw wrong(place, 'names no quality');
  if (clock !== 'device' && clock !== 'gateway') throw wrong(place, 'names no clock');
  const reading: Reading = {
    series,
    time: timeIn(time ?? '', place),
    value: valueIn(value ?? '', type ?? '', place),
    quality: quality as Reading['quality'],
    clock,
  };
  if (unit !== undefined) reading.unit = unit;
  if (anomaly !== undefined) reading.anomaly = numberIn(anomaly, place);
  if (stale === 'stale') reading.stale = true;
  return reading;
}

export function recentOf(row: Row): { reading: Reading; source: string } {
  const reading = readingOf(row);
  const position = Number(row.fields[COLUMNS]);
  const source = row.fields[COLUMNS + 1];
  if (!Number.isSafeInteger(position) || position < 1 || source === undefined)
    throw wrong(row.place, 'names no position and source');
  reading.position = position;
  return { reading, source };
}

const field = (text: string): string =>
  text === '' || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;

const numberText = (value: number): string => (Object.is(value, -0) ? '-0' : String(value));

/** ISO 8601, with as many digits of the second as the time has; what no calendar holds stands as @milliseconds. */
function timeText(time: number): string {
  if (time < FIRST_TIME || time > LAST_TIME || (time < 0 && !Number.isInteger(time))) return `@${numberText(time)}`;
  if (Number.isInteger(time)) return new Date(time).toISOString();
  const [whole, fraction = ''] = String(time).split('.');
  // A number below a millionth is written with an exponent.
  if (!/^\d+$/.test(whole) || !/^\d+$/.test(fraction)) return `@${time}`;
  return new Date(Number(whole)).toISOString().replace('Z', `${fraction}Z`);
}

function timeIn(text: string, place: string): number {
  if (text.startsWith('@')) return numberIn(text.slice(1), place);
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3})(\d*)Z$/.exec(text);
  const whole = match === null ? Number.NaN : Date.parse(`${match[1]}Z`);
  if (match === null || Number.isNaN(whole)) throw wrong(place, 'has no time in ISO 8601');
  return match[2] === '' ? whole : Number(`${whole}.${match[2]}`);
}

function valueIn(text: string, type: string, place: string): Reading['value'] {
  if (type === 'number') return numberIn(text, place);
  if (type === 'string') return text;
  if (type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true';
  throw wrong(place, `has no value of type "${type.slice(0, 20)}"`);
}

function numberIn(text: string, place: string): number {
  const value = Number(text);
  if (text === '' || (Number.isNaN(value) && text !== 'NaN')) throw wrong(place, 'has no number where one belongs');
  return value;
}

/** Fields of the line at a place; undefined when it has no end. */
function splitRow(text: string, from: number): { fields: (string | undefined)[]; next: number } | undefined {
  const fields: (string | undefined)[] = [];
  let at = from;
  for (;;) {
    let value: string | undefined;
    if (text[at] === '"') {
      let end = at + 1;
      for (; ; end++) {
        end = text.indexOf('"', end);
        if (end < 0) return undefined;
        if (text[end + 1] !== '"') break;
        end++;
      }
      value = text.slice(at + 1, end).replaceAll('""', '"');
      at = end + 1;
    } else {
      let end = at;
      for (; end < text.length; end++) {
        const code = text.charCodeAt(end);
        if (code === 0x2c || code === 0x0a) break;
      }
      value = end === at ? undefined : text.slice(at, end);
      at = end;
    }
    fields.push(value);
    if (text[at] === '\n') return { fields, next: at + 1 };
    if (text[at] !== ',') return undefined;
    at++;
  }
}

const wrong = (place: string, what: string): TideError => new TideError('bad-archive', `${place}: ${what}`);
