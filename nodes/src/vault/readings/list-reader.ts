import { DECIMAL, EXTRAS, FLOAT, HAS_ANOMALY, HAS_UNIT, SCALES, STRING } from '../batch-codec.ts';
import { unzigzag } from '../varint.ts';
import { TYPE } from './batch-reader.ts';
import { FAR, expectedPeriod, rescaled, type OpenChunks } from './open-chunks.ts';
import { blankColumns, sliceColumns, type ReadingColumns } from './reading-columns.ts';
import { BLOCK_HEAD, SLAB_BITS, SLAB_MASK } from './slabs.ts';

/** Reads the readings of one series out of open chunks, some at a time, also while more are added. */
export class ListReader {
  /** Readings read so far. */
  done = 0;
  private readonly chunks: OpenChunks;
  private readonly slot: number;
  private readonly series: number;
  private block: number;
  private at: number;
  private slab: Buffer;
  private time = 0;
  private period = 0;
  private decimal = 0;
  private places = 0;
  private flags = 0;
  private has = 0;
  private unit = 0;

  constructor(chunks: OpenChunks, slot: number) {
    this.chunks = chunks;
    this.slot = slot;
    this.series = chunks.slots.numbers[slot];
    this.block = chunks.slots.heads[slot];
    this.slab = chunks.arena.slabs[this.block >>> SLAB_BITS];
    this.at = (this.block & SLAB_MASK) + BLOCK_HEAD;
  }

  get left(): number {
    return this.chunks.slots.counts[this.slot] - this.done;
  }

  /** The next readings: at most `most`, and no more after `mostBytes`; undefined at the end. */
  next(most: number, mostBytes: number): ReadingColumns | undefined {
    const count = Math.min(most, this.left);
    if (count === 0) return undefined;
    const columns = blankColumns(this.series, count);
    const { times, values, flags } = columns;
    const words = new Words(this.chunks.strings);
    let units: (string | undefined)[] | undefined;
    let bytes = 0;
    let i = 0;
    for (; i < count && bytes + words.bytes < mostBytes; i++) {
      this.enter();
      const from = this.at;
      const token = this.varint();
      const changed = token % 2 === 1;
      if (token >= FAR) this.time = this.float();
      else {
        const off = unzigzag(changed ? (token - 1) / 2 : token / 2);
        const step = (this.period >> 4) + off;
        this.time += step;
        this.period = expectedPeriod(this.period, step);
      }
      if (changed) this.change();
      const type = this.flags & TYPE;
      times[i] = this.time;
      flags[i] = this.flags;
      if (type >= DECIMAL) {
        this.decimal += unzigzag(this.varint());
        values[i] = this.decimal / SCALES[this.places];
      } else if (type === FLOAT) values[i] = this.float();
      else if (type === STRING) values[i] = words.index(this.varint());
      else {
        values[i] = this.varint();
        flags[i] |= values[i];
      }
      if ((this.has & HAS_ANOMALY) !== 0) {
        columns.anomalies ??= new Float64Array(count).fill(NaN);
        columns.anomalies[i] = this.float();
      }
      if ((this.has & HAS_UNIT) !== 0) {
        units ??= Array.from({ length: i });
        units.push(this.chunks.strings[this.unit]);
      } else units?.push(undefined);
      bytes += this.at - from;
    }
    this.done += i;
    columns.strings = words.texts;
    if (units !== undefined) columns.units = units.every((unit) => unit === units[0]) ? [units[0]] : units;
    return sliceColumns(columns, 0, i);
  }

  /** Goes to the next block at the end of this one. */
  private enter(): void {
    const begin = this.block & SLAB_MASK;
    const next = this.slab.readUInt32LE(begin);
    if (next === 0 || this.at < begin + this.slab.readUInt16LE(begin + 4)) return;
    this.block = next;
    this.slab = this.chunks.arena.slabs[next >>> SLAB_BITS];
    this.at = (next & SLAB_MASK) + BLOCK_HEAD;
  }

  private change(): void {
    this.flags = this.slab[this.at++];
    this.has = 0;
    this.unit = 0;
    if ((this.flags & EXTRAS) !== 0) {
      this.has = this.slab[this.at++];
      if ((this.has & HAS_UNIT) !== 0) this.unit = this.varint();
    }
    const places = (this.flags & TYPE) - DECIMAL;
    if (places < 0) return;
    this.decimal = rescaled(this.decimal, this.places, places);
    this.places = places;
  }

  private varint(): number {
    const { slab } = this;
    let byte = slab[this.at++];
    if (byte < 0x80) return byte;
    let value = byte & 0x7f;
    let scale = 128;
    do {
      byte = slab[this.at++];
      value += (byte & 0x7f) * scale;
      scale *= 128;
    } while (byte >= 0x80);
    return value;
  }

  private float(): number {
    this.at += 8;
    return this.slab.readDoubleLE(this.at - 8);
  }
}

/** The words of some readings, out of those of all series. */
class Words {
  readonly texts: string[] = [];
  /** Of the words, about. */
  bytes = 0;
  private readonly all: readonly string[];
  private readonly indexes = new Map<number, number>();

  constructor(all: readonly string[]) {
    this.all = all;
  }

  index(word: number): number {
    const known = this.indexes.get(word);
    if (known !== undefined) return known;
    this.indexes.set(word, this.texts.length);
    this.bytes += this.all[word].length;
    return this.texts.push(this.all[word]) - 1;
  }
}
