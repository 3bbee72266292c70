import type { Quality, Reading } from '../reading/reading.ts';
import { MAX_VARINT, VarintReader, unzigzag, writeVarint, zigzag } from './varint.ts';

/** Readings as they cross to the writer's thread and lie in the journal: columns, series as numbers. */
export interface BatchChunk {
  count: number;
  /** Epoch milliseconds, lowest and highest. */
  timeFrom: number;
  timeTo: number;
  bytes: Uint8Array;
}

/** Most readings of a chunk: what a reader decodes at once. */
export const CHUNK_READINGS = 2_048;

/*
 * version u8 | time mode u8 | count u32 | lengths of the five columns, u32 each | columns
 *   flags    u8 a reading: bits 0-2 type of the value, 3-4 quality, 5 device clock, 6 stale, 7 has extras
 *   series   varint
 *   times    mode 0: zigzag varint of the step from the reading before; mode 1: f64 (a time that is no whole number)
 *   values   by type: nothing | index of a string | f64 | zigzag varint of the value times 1, 10, 100, 1000
 *   extras   bits 0 unit, 1 anomaly; index of a string; f64
 * then the strings: each varint length, UTF-8.
 */
export const VERSION = 1;
export const HEAD = 26;
export const FALSE = 0;
export const TRUE = 1;
export const STRING = 2;
export const FLOAT = 3;
export const DECIMAL = 4;
export const SCALES = [1, 10, 100, 1000] as const;
export const QUALITIES: readonly Quality[] = ['good', 'uncertain', 'bad'];
export const DEVICE_CLOCK = 1 << 5;
export const STALE = 1 << 6;
export const EXTRAS = 1 << 7;
export const HAS_UNIT = 1;
export const HAS_ANOMALY = 2;
/** Beyond this a scaled value is not exact as a zigzag number. */
export const MAX_SCALED = 2 ** 51;

class Column {
  bytes = new Uint8Array(4_096);
  view = new DataView(this.bytes.buffer);
  length = 0;

  reset(capacity: number): void {
    this.length = 0;
    if (this.bytes.length >= capacity) return;
    this.bytes = new Uint8Array(capacity);
    this.view = new DataView(this.bytes.buffer);
  }

  varint(value: number): void {
    this.length = writeVarint(this.bytes, this.length, value);
  }

  float(value: number): void {
    this.view.setFloat64(this.length, value, true);
    this.length += 8;
  }
}

/**
 * Turns readings into chunks. One encoder reuses its columns, so that a reading costs no allocation; this runs on the
 * thread that carries MQTT and the flows.
 */
export class BatchEncoder {
  private readonly flags = new Column();
  private readonly series = new Column();
  private readonly times = new Column();
  private readonly values = new Column();
  private readonly extras = new Column();
  private readonly strings = new Map<string, number>();

  encode(readings: readonly Reading[], numberOf: (reading: Reading) => number): BatchChunk[] {
    const chunks: BatchChunk[] = [];
    for (let from = 0; from < readings.length; from += CHUNK_READINGS)
      chunks.push(this.chunk(readings, from, Math.min(from + CHUNK_READINGS, readings.length), numberOf));
    return chunks;
  }

  private chunk(
    readings: readonly Reading[],
    from: number,
    to: number,
    numberOf: (reading: Reading) => number,
  ): BatchChunk {
    const count = to - from;
    for (const column of [this.series, this.times, this.values]) column.reset(count * MAX_VARINT);
    this.flags.reset(count);
    this.extras.reset(count * (1 + MAX_VARINT + 8));
    this.strings.clear();
    const { timeFrom, timeTo, whole } = timesOf(readings, from, to);
    let before = 0;
    for (let i = from; i < to; i++) {
      const reading = readings[i];
      this.series.varint(numberOf(reading));
      if (whole) this.times.varint(zigzag(reading.time - before));
      else this.times.float(reading.time);
      before = reading.time;
      let flags = this.value(reading) | (QUALITIES.indexOf(reading.quality) << 3);
      if (reading.clock === 'device') flags |= DEVICE_CLOCK;
      if (reading.stale === true) flags |= STALE;
      if (reading.unit !== undefined || reading.anomaly !== undefined) {
        flags |= EXTRAS;
        this.extra(reading);
      }
      this.flags.bytes[this.flags.length++] = flags;
    }
    return { count, timeFrom, timeTo, bytes: this.assemble(count, whole) };
  }

  /** Writes the value; returns its type. */
  private value({ value }: Reading): number {
    if (typeof value === 'boolean') return value ? TRUE : FALSE;
    if (typeof value === 'string') {
      this.values.varint(this.stringIndex(value));
      return STRING;
    }
    for (let places = 0; places < SCALES.length; places++) {
      const scaled = Math.round(value * SCALES[places]);
      // The division is correctly rounded, so this asks exactly whether the decimal reads back as the same number.
      if (scaled / SCALES[places] !== value || scaled >= MAX_SCALED || scaled <= -MAX_SCALED) continue;
      if (scaled === 0 && Object.is(value, -0)) break;
      this.values.varint(zigzag(scaled));
      return DECIMAL + places;
    }
    this.values.float(value);
    return FLOAT;
  }

  private extra({ unit, anomaly }: Reading): void {
    const { extras } = this;
    extras.bytes[extras.length++] = (unit === undefined ? 0 : HAS_UNIT) | (anomaly === undefined ? 0 : HAS_ANOMALY);
    if (unit !== undefined) extras.varint(this.stringIndex(unit));
    if (anomaly !== undefined) extras.float(anomaly);
  }

  private stringIndex(text: string): number {
    let index = this.strings.get(text);
    if (index === undefined) {
      index = this.strings.size;
      this.strings.set(text, index);
    }
    return index;
  }

  private assemble(count: number, whole: boolean): Uint8Array {
    const columns = [this.flags, this.series, this.times, this.values, this.extras];
    const strings = encodeStrings(this.strings.keys());
    const length = HEAD + columns.reduce((sum, column) => sum + column.length, 0) + strings.length;
    // Its own memory, not the pool's: it is handed over to another thread.
    const out = Buffer.allocUnsafeSlow(length);
    out[0] = VERSION;
    out[1] = whole ? 0 : 1;
    out.writeUInt32LE(count, 2);
    let at = HEAD;
    for (const [i, column] of columns.entries()) {
      out.writeUInt32LE(column.length, 6 + 4 * i);
      out.set(column.bytes.subarray(0, column.length), at);
      at += column.length;
    }
    out.set(strings, at);
    return out;
  }
}

/** The readings of a chunk, without positions. `nameOf` gives undefined for a number whose name was lost: that reading is undefined. */
export function decodeBatch(
  bytes: Uint8Array,
  nameOf: (series: number) => string | undefined,
): (Reading | undefined)[] {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < HEAD || bytes[0] !== VERSION) throw new RangeError(`a journal chunk of version ${bytes[0]}`);
  const count = head.readUInt32LE(2);
  const readers: VarintReader[] = [];
  let at = HEAD;
  for (let i = 0; i < 5; i++) {
    readers.push(new VarintReader(bytes, at));
    at += head.readUInt32LE(6 + 4 * i);
  }
  const [flags, series, times, values, extras] = readers;
  const strings = decodeStrings(bytes.subarray(at));
  const float = (reader: VarintReader): number => {
    reader.at += 8;
    return head.readDoubleLE(reader.at - 8);
  };
  const value = (type: number): Reading['value'] => {
    if (type >= DECIMAL) return unzigzag(values.next()) / SCALES[type - DECIMAL];
    if (type === FLOAT) return float(values);
    return type === STRING ? strings[values.next()] : type === TRUE;
  };
  const readings: (Reading | undefined)[] = [];
  let time = 0;
  for (let i = 0; i < count; i++) {
    const flag = bytes[flags.at++];
    const name = nameOf(series.next());
    time = bytes[1] === 0 ? time + unzigzag(times.next()) : float(times);
    const reading: Reading = {
      series: name ?? '',
      time,
      value: value(flag & 7),
      quality: QUALITIES[(flag >> 3) & 3],
      clock: (flag & DEVICE_CLOCK) === 0 ? 'gateway' : 'device',
    };
    if ((flag & EXTRAS) !== 0) {
      const has = bytes[extras.at++];
      if ((has & HAS_UNIT) !== 0) reading.unit = strings[extras.next()];
      if ((has & HAS_ANOMALY) !== 0) reading.anomaly = float(extras);
    }
    if ((flag & STALE) !== 0) reading.stale = true;
    readings.push(name === undefined ? undefined : reading);
  }
  return readings;
}

function timesOf(
  readings: readonly Reading[],
  from: number,
  to: number,
): { timeFrom: number; timeTo: number; whole: boolean } {
  let timeFrom = Infinity;
  let timeTo = -Infinity;
  let whole = true;
  for (let i = from; i < to; i++) {
    const { time } = readings[i];
    if (time < timeFrom) timeFrom = time;
    if (time > timeTo) timeTo = time;
    if (time !== Math.floor(time)) whole = false;
  }
  return { timeFrom, timeTo, whole: whole && timeTo - timeFrom < MAX_SCALED && Math.abs(timeFrom) < MAX_SCALED };
}

function encodeStrings(texts: Iterable<string>): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const text of texts) {
    const utf8 = Buffer.from(text, 'utf8');
    const head = new Uint8Array(MAX_VARINT);
    parts.push(head.subarray(0, writeVarint(head, 0, utf8.length)), utf8);
  }
  return parts.length === 0 ? new Uint8Array(0) : Buffer.concat(parts);
}

export function decodeStrings(bytes: Uint8Array): string[] {
  const reader = new VarintReader(bytes);
  const texts: string[] = [];
  while (reader.at < bytes.length) {
    const utf8 = reader.take(reader.next());
    texts.push(Buffer.from(utf8.buffer, utf8.byteOffset, utf8.length).toString('utf8'));
  }
  return texts;
}
