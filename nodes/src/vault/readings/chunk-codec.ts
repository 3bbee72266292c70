import { EXTRAS, FALSE, FLOAT, HAS_ANOMALY, HAS_UNIT, STRING, TRUE, decodeStrings } from '../batch-codec.ts';
import { VarintReader } from '../varint.ts';
import { ByteWriter } from './byte-writer.ts';
import { readIntegers, writeIntegers } from './integer-column.ts';
import { readNumbers, writeNumbers } from './number-column.ts';
import { readPacked, writePacked } from './packed-bytes.ts';
import { blankColumns, unitAt, type ReadingColumns } from './reading-columns.ts';
import { readTimes, writeTimes } from './time-column.ts';

/*
 * Readings of one series as they lie in a segment: version u8 | varint count | times | runs | numbers | switches |
 * words | anomalies | strings. Each column names its own form (time-column, number-column, integer-column).
 *   runs      varint count | varint length | packed: each varint length of the run, flags u8, has u8 (bit 0 unit,
 *             1 anomaly), varint index of the unit where it has one
 *   numbers, switches, words   of those readings that are of this type, in order; absent when there are none
 *   strings   varint length | packed; each varint length, UTF-8; words and units
 */
const VERSION = 1;
/** Most readings of a chunk. */
export const MAX_CHUNK_READINGS = 8_192;
const TYPE = 7;
/** What a type of number says in batch-codec (how it was encoded there) does not come here. */
const NUMBER = FLOAT;

const typeOf = (flags: number): number => Math.min(flags & TYPE, NUMBER);
/** FALSE stands for both: which of them is in the switches' column. */
const kindOf = (flags: number): number => (typeOf(flags) === TRUE ? FALSE : typeOf(flags));

interface Run {
  length: number;
  flags: number;
  has: number;
  /** Index among the strings. */
  unit: number;
}

/** Used again for each chunk: encoding never waits for anything. */
const out = new ByteWriter();
const listed = new ByteWriter(1_024);

export function encodeChunk(columns: ReadingColumns): Buffer {
  const { count, flags, values } = columns;
  const texts = new Map<string, number>();
  const indexOf = (text: string): number => {
    const known = texts.get(text);
    if (known !== undefined) return known;
    texts.set(text, texts.size);
    return texts.size - 1;
  };
  const ofKind = (kind: number): Float64Array => {
    const picked = values.filter((_, i) => kindOf(flags[i]) === kind);
    return kind === STRING ? picked.map((index) => indexOf(columns.strings[index])) : picked;
  };
  out.reset();
  out.byte(VERSION);
  out.varint(count);
  writeTimes(out, columns.times, count);
  const runs = runsOf(columns, indexOf);
  writeRuns(out, runs);
  const uniform = runs.length === 1 && kindOf(runs[0].flags) === NUMBER;
  const numbers = uniform ? values.subarray(0, count) : ofKind(NUMBER);
  if (numbers.length > 0) writeNumbers(out, numbers);
  if (!uniform) {
    const switches = ofKind(FALSE);
    if (switches.length > 0) writeIntegers(out, switches, switches.length);
    const words = ofKind(STRING);
    if (words.length > 0) writeIntegers(out, words, words.length);
  }
  const anomalies = columns.anomalies?.subarray(0, count).filter((anomaly) => !Number.isNaN(anomaly));
  if (anomalies !== undefined && anomalies.length > 0) writeNumbers(out, anomalies);
  writeStrings(out, texts.keys());
  return out.taken();
}

/** Throws RangeError for what no version of this wrote. */
export function decodeChunk(bytes: Uint8Array, series: number): ReadingColumns {
  const reader = new VarintReader(bytes);
  const version = reader.take(1)[0];
  if (version !== VERSION) throw new RangeError(`a chunk of version ${version}`);
  const count = reader.next();
  if (count > MAX_CHUNK_READINGS) throw new RangeError(`a chunk of ${count} readings`);
  const columns = blankColumns(series, 0);
  columns.count = count;
  columns.times = readTimes(reader, count);
  const runs = readRuns(reader, count);
  const sizes = new Map<number, number>();
  let anomalous = 0;
  for (const { length, flags, has } of runs) {
    const kind = kindOf(flags);
    sizes.set(kind, (sizes.get(kind) ?? 0) + length);
    if ((has & HAS_ANOMALY) !== 0) anomalous += length;
  }
  const sizeOf = (kind: number): number => sizes.get(kind) ?? 0;
  const numbers = sizeOf(NUMBER) === 0 ? undefined : readNumbers(reader, sizeOf(NUMBER));
  const switches = sizeOf(FALSE) === 0 ? undefined : readIntegers(reader, sizeOf(FALSE));
  const words = sizeOf(STRING) === 0 ? undefined : readIntegers(reader, sizeOf(STRING));
  const anomalies = anomalous === 0 ? undefined : readNumbers(reader, anomalous);
  columns.strings = readStrings(reader);
  columns.flags = new Uint8Array(count);
  columns.values = runs.length === 1 && numbers !== undefined ? numbers : new Float64Array(count);
  spread(columns, runs, { numbers, switches, words, anomalies });
  return columns;
}

interface Decoded {
  numbers?: Float64Array | undefined;
  switches?: Float64Array | undefined;
  words?: Float64Array | undefined;
  anomalies?: Float64Array | undefined;
}

/** Puts what lies by type back in order of position. */
function spread(columns: ReadingColumns, runs: readonly Run[], from: Decoded): void {
  const { flags, values, count, strings } = columns;
  const next = { numbers: 0, switches: 0, words: 0, anomalies: 0 };
  if (from.anomalies !== undefined) columns.anomalies = new Float64Array(count).fill(NaN);
  const units = new Set(runs.map(({ has, unit }) => ((has & HAS_UNIT) === 0 ? -1 : unit)));
  if (units.size === 1) {
    if ((runs[0].has & HAS_UNIT) !== 0) columns.units = [strings[runs[0].unit]];
  } else if (units.size > 1) columns.units = [];
  let at = 0;
  for (const run of runs) {
    const kind = kindOf(run.flags);
    for (const end = at + run.length; at < end; at++) {
      flags[at] = run.flags;
      if (kind === NUMBER) values[at] = from.numbers![next.numbers++];
      else if (kind === STRING) values[at] = from.words![next.words++];
      else {
        values[at] = from.switches![next.switches++];
        flags[at] |= values[at];
      }
      if ((run.has & HAS_ANOMALY) !== 0) columns.anomalies![at] = from.anomalies![next.anomalies++];
      if (units.size > 1) columns.units!.push((run.has & HAS_UNIT) === 0 ? undefined : strings[run.unit]);
    }
  }
}

function runsOf(columns: ReadingColumns, indexOf: (text: string) => number): Run[] {
  const { flags, count, anomalies } = columns;
  const runs: Run[] = [];
  let run: Run | undefined;
  for (let i = 0; i < count; i++) {
    const own = (flags[i] & ~TYPE) | kindOf(flags[i]);
    let has = 0;
    let unit = 0;
    if ((own & EXTRAS) !== 0) {
      const text = unitAt(columns, i);
      if (text !== undefined) {
        has = HAS_UNIT;
        unit = indexOf(text);
      }
      if (anomalies !== undefined && !Number.isNaN(anomalies[i])) has |= HAS_ANOMALY;
    }
    if (run !== undefined && run.flags === own && run.has === has && run.unit === unit) run.length++;
    else runs.push((run = { length: 1, flags: own, has, unit }));
  }
  return runs;
}

function writeRuns(out: ByteWriter, runs: readonly Run[]): void {
  const bytes = listed;
  bytes.reset();
  for (const { length, flags, has, unit } of runs) {
    bytes.varint(length);
    bytes.byte(flags);
    bytes.byte(has);
    if ((has & HAS_UNIT) !== 0) bytes.varint(unit);
  }
  out.varint(runs.length);
  out.varint(bytes.length);
  writePacked(out, bytes.bytes.subarray(0, bytes.length));
}

function readRuns(reader: VarintReader, count: number): Run[] {
  const number = reader.next();
  const bytes = new VarintReader(readPacked(reader, reader.next()));
  const runs: Run[] = [];
  let sum = 0;
  for (let i = 0; i < number; i++) {
    const length = bytes.next();
    const [flags, has] = bytes.take(2);
    runs.push({ length, flags, has, unit: (has & HAS_UNIT) === 0 ? 0 : bytes.next() });
    sum += length;
  }
  if (sum !== count) throw new RangeError(`runs of ${sum} readings in a chunk of ${count}`);
  return runs;
}

function writeStrings(out: ByteWriter, texts: Iterable<string>): void {
  const bytes = listed;
  bytes.reset();
  for (const text of texts) {
    const utf8 = Buffer.from(text, 'utf8');
    bytes.varint(utf8.length);
    bytes.raw(utf8);
  }
  out.varint(bytes.length);
  if (bytes.length > 0) writePacked(out, bytes.bytes.subarray(0, bytes.length));
}

function readStrings(reader: VarintReader): string[] {
  const length = reader.next();
  return length === 0 ? [] : decodeStrings(readPacked(reader, length));
}
