import {
  DECIMAL,
  EXTRAS,
  FALSE,
  FLOAT,
  HAS_ANOMALY,
  HAS_UNIT,
  HEAD,
  MAX_SCALED,
  SCALES,
  STRING,
  TRUE,
  VERSION,
  decodeStrings,
} from '../batch-codec.ts';
import { VarintReader, unzigzag, writeVarint, zigzag } from '../varint.ts';
import { BLOCK_HEAD, BlockArena, FIRST_BLOCK, SLAB_BITS, SLAB_MASK, grown, type SlabPool } from './slabs.ts';

/*
 * A reading in its series' list: token varint | changes | value | anomaly.
 *   token    zigzag of (time minus the expected one) × 2, +1 when changes follow; `FAR` + 0 or 1: the time itself, f64
 *   changes  flags u8 | has u8 (if it has extras) | varint unit (if it has one); they hold until the next change
 *   value    varint: 0 or 1 | index of a string | zigzag of the step of the decimal; or f64
 *   anomaly  f64, if it has one
 * Flags are batch-codec's, but for the type: both switches are FALSE; decimals keep the most places that the series
 * has had (a decimal read back at more places is the very same number), so that they do not change with each reading.
 */
export const FAR = 2 ** 32;
const NEAR = 2 ** 30;
/** token 5, time 8, flags 1, has 1, unit 5, value 8, anomaly 8 */
const MAX_RECORD = 36;
export const TYPE = 7;
const MAX_SERIES = 2 ** 24;

/** What a list is read by, too: the period that is expected, in 16ths of a millisecond, after a step of `step`. */
export function expectedPeriod(period: number, step: number): number {
  const expected = period >> 4;
  const off = step - expected;
  if (off > (expected >> 2) + 2 || off < -(expected >> 2) - 2)
    return step >= NEAR >> 3 || step <= -(NEAR >> 3) ? period : step << 4;
  return period + off;
}

/** Readings that are in memory until they are folded: for each series a list of bytes, about 2.6 for a reading. */
export class OpenChunks {
  readonly arena: BlockArena;
  /** Strings of all series. */
  readonly strings: string[] = [];
  readings = 0;
  /** Positions: from inclusive, to exclusive. */
  positionFrom = 0;
  positionTo = 0;
  timeFrom = Infinity;
  timeTo = -Infinity;
  /** Lowest wall time of adding, epoch milliseconds. */
  since = Infinity;
  /** Number of series; each has a slot below it. */
  series = 0;

  numbers = new Uint32Array(64);
  /** First block of the list. */
  heads = new Uint32Array(64);
  /** Where the list goes on being written. */
  tails = new Uint32Array(64);
  counts = new Uint32Array(64);
  private blocks = new Uint32Array(64);
  private sizes = new Uint16Array(64);
  private times = new Float64Array(64);
  private periods = new Int32Array(64);
  private decimals = new Float64Array(64);
  private flags = new Uint8Array(64);
  private places = new Uint8Array(64);
  private has = new Uint8Array(64);
  private units = new Uint32Array(64);
  /** Slot + 1 by number of the series. */
  private slots = new Uint32Array(1_024);

  private readonly indexes = new Map<string, number>();
  private stringBytes = 0;
  private readonly record = Buffer.alloc(MAX_RECORD);

  constructor(pool: SlabPool) {
    this.arena = new BlockArena(pool);
  }

  /** Memory that the readings take. */
  get bytes(): number {
    return this.arena.bytes + this.stringBytes;
  }

  slotOf(series: number): number | undefined {
    const slot = series < this.slots.length ? this.slots[series] : 0;
    return slot === 0 ? undefined : slot - 1;
  }

  /** Takes `take` readings of a batch after the first `skip`; `position` is that of the batch's first reading. */
  add(bytes: Uint8Array, position: number, skip: number, take: number, now: number): void {
    const head = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    if (bytes.length < HEAD || bytes[0] !== VERSION) throw new RangeError(`a batch of version ${bytes[0]}`);
    const end = Math.min(head.readUInt32LE(2), skip + take);
    if (end <= skip) return;
    let at = HEAD;
    const columns = Array.from({ length: 5 }, (_, i) => {
      at += head.readUInt32LE(6 + 4 * i);
      return new VarintReader(bytes, at - head.readUInt32LE(6 + 4 * i));
    });
    const [flagColumn, series, times, values, extras] = columns;
    const strings = at < bytes.length ? this.indexesOf(bytes.subarray(at)) : [];
    const whole = bytes[1] === 0;
    const { record } = this;
    let time = 0;
    for (let i = 0; i < end; i++) {
      let flags = bytes[flagColumn.at++];
      const number = series.next();
      if (whole) time += unzigzag(times.next());
      else {
        time = head.readDoubleLE(times.at);
        times.at += 8;
      }
      let type = flags & TYPE;
      let value = 0;
      if (type >= DECIMAL) value = unzigzag(values.next());
      else if (type === STRING) value = values.next();
      else if (type === FLOAT) {
        value = head.readDoubleLE(values.at);
        values.at += 8;
      } else if (type === TRUE) value = 1;
      let has = 0;
      let unit = 0;
      let anomaly = 0;
      if ((flags & EXTRAS) !== 0) {
        has = bytes[extras.at++];
        if ((has & HAS_UNIT) !== 0) unit = strings[extras.next()];
        if ((has & HAS_ANOMALY) !== 0) {
          anomaly = head.readDoubleLE(extras.at);
          extras.at += 8;
        }
      }
      if (i < skip) continue;

      const slot = number < this.slots.length && this.slots[number] !== 0 ? this.slots[number] - 1 : this.slot(number);
      if (time < this.timeFrom) this.timeFrom = time;
      if (time > this.timeTo) this.timeTo = time;
      if (type >= DECIMAL) {
        const places = type - DECIMAL;
        const most = this.places[slot];
        if (places < most) {
          // With more places it may be too large to be exact: then it stays as it is, and the list's places fall.
          const more = value * SCALES[most - places];
          if (more < MAX_SCALED && more > -MAX_SCALED) value = more;
          else this.rescale(slot, places);
        } else if (places > most) this.rescale(slot, places);
        type = DECIMAL + this.places[slot];
      } else if (type === TRUE) type = FALSE;
      flags = (flags & ~TYPE) | type;
      const changed = flags !== this.flags[slot] || has !== this.has[slot] || unit !== this.units[slot] ? 1 : 0;

      // Straight into the block where the longest record would fit, else by way of a buffer.
      const tail = this.tails[slot];
      const room = this.blocks[slot] + this.sizes[slot] - tail;
      const direct = room >= MAX_RECORD;
      const out = direct ? this.arena.slabs[tail >>> SLAB_BITS] : record;
      const begin = direct ? tail & SLAB_MASK : 0;
      const step = time - this.times[slot];
      const off = step - (this.periods[slot] >> 4);
      let to: number;
      if (off < NEAR && off > -NEAR && off === Math.floor(off) && time === Math.floor(time)) {
        to = writeVarint(out, begin, 2 * zigzag(off) + changed);
        this.periods[slot] = expectedPeriod(this.periods[slot], step);
      } else {
        to = writeVarint(out, begin, FAR + changed);
        to = out.writeDoubleLE(time, to);
      }
      this.times[slot] = time;
      if (changed === 1) {
        out[to++] = flags;
        if ((flags & EXTRAS) !== 0) {
          out[to++] = has;
          if ((has & HAS_UNIT) !== 0) to = writeVarint(out, to, unit);
        }
        this.flags[slot] = flags;
        this.has[slot] = has;
        this.units[slot] = unit;
      }
      if (type >= DECIMAL) {
        to = writeVarint(out, to, zigzag(value - this.decimals[slot]));
        this.decimals[slot] = value;
      } else if (type === FLOAT) to = out.writeDoubleLE(value, to);
      else to = writeVarint(out, to, type === STRING ? strings[value] : value);
      if ((has & HAS_ANOMALY) !== 0) to = out.writeDoubleLE(anomaly, to);

      this.counts[slot]++;
      if (direct) this.tails[slot] = tail + to - begin;
      else this.put(slot, tail, room, to);
    }
    if (this.readings === 0) this.positionFrom = position + skip;
    this.readings += end - skip;
    this.positionTo = Math.max(this.positionTo, position + end);
    this.since = Math.min(this.since, now);
  }

  release(): void {
    this.arena.release();
  }

  /** A record that lies in the buffer. */
  private put(slot: number, tail: number, room: number, length: number): void {
    let to = tail;
    if (length > room) {
      const size = this.sizes[slot];
      const block = this.arena.after(this.blocks[slot], tail - this.blocks[slot], size);
      this.blocks[slot] = block;
      this.sizes[slot] = grown(size);
      to = block + BLOCK_HEAD;
    }
    this.arena.slabs[to >>> SLAB_BITS].set(this.record.subarray(0, length), to & SLAB_MASK);
    this.tails[slot] = to + length;
  }

  /** The last decimal at other places: what a reader does when the flags change. */
  private rescale(slot: number, places: number): void {
    this.decimals[slot] = rescaled(this.decimals[slot], this.places[slot], places);
    this.places[slot] = places;
  }

  private slot(number: number): number {
    if (number >= MAX_SERIES) throw new RangeError(`series ${number}; at most ${MAX_SERIES} have a place`);
    if (number >= this.slots.length)
      this.slots = larger(Uint32Array, this.slots, Math.max(number + 1, 2 * this.slots.length));
    const slot = this.series++;
    if (slot >= this.numbers.length) this.grow(2 * slot);
    this.slots[number] = slot + 1;
    this.numbers[slot] = number;
    const block = this.arena.first();
    this.heads[slot] = this.blocks[slot] = block;
    this.sizes[slot] = FIRST_BLOCK;
    this.tails[slot] = block + BLOCK_HEAD;
    return slot;
  }

  private grow(slots: number): void {
    this.numbers = larger(Uint32Array, this.numbers, slots);
    this.heads = larger(Uint32Array, this.heads, slots);
    this.tails = larger(Uint32Array, this.tails, slots);
    this.counts = larger(Uint32Array, this.counts, slots);
    this.blocks = larger(Uint32Array, this.blocks, slots);
    this.sizes = larger(Uint16Array, this.sizes, slots);
    this.times = larger(Float64Array, this.times, slots);
    this.periods = larger(Int32Array, this.periods, slots);
    this.decimals = larger(Float64Array, this.decimals, slots);
    this.flags = larger(Uint8Array, this.flags, slots);
    this.places = larger(Uint8Array, this.places, slots);
    this.has = larger(Uint8Array, this.has, slots);
    this.units = larger(Uint32Array, this.units, slots);
  }

  /** Places of a batch's strings among those of all. */
  private indexesOf(bytes: Uint8Array): number[] {
    return decodeStrings(bytes).map((text) => {
      const known = this.indexes.get(text);
      if (known !== undefined) return known;
      this.stringBytes += 2 * text.length + STRING_OVERHEAD;
      this.indexes.set(text, this.strings.length);
      return this.strings.push(text) - 1;
    });
  }
}

/** About what a string costs beside its characters. */
const STRING_OVERHEAD = 64;

/** A decimal of `from` places at `to` places; 0 where it would not be whole or exact. */
export function rescaled(decimal: number, from: number, to: number): number {
  if (to < from) return 0;
  const more = decimal * SCALES[to - from];
  return more < MAX_SCALED && more > -MAX_SCALED ? more : 0;
}

interface Numbers extends ArrayLike<number> {
  set(from: ArrayLike<number>): void;
}

function larger<Array extends Numbers>(Kind: new (length: number) => Array, array: Array, length: number): Array {
  const out = new Kind(length);
  out.set(array);
  return out;
}
