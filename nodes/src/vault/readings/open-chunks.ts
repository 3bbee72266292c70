import { DECIMAL, EXTRAS, FALSE, FLOAT, HAS_ANOMALY, HAS_UNIT, MAX_SCALED, SCALES, TRUE } from '../batch-codec.ts';
import { writeVarint, zigzag } from '../varint.ts';
import { BatchReader, TYPE } from './batch-reader.ts';
import { SeriesSlots } from './series-slots.ts';
import { BLOCK_HEAD, BlockArena, SLAB_BITS, SLAB_MASK, grown, type SlabPool } from './slabs.ts';

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
/** Steps beyond this say nothing about a period, milliseconds. */
const MAX_PERIOD = 2 ** 27;
/** token 5, time 8, flags 1, has 1, unit 5, value 8, anomaly 8 */
const MAX_RECORD = 36;
/** About what a string costs beside its characters. */
const STRING_OVERHEAD = 64;

/** The period that is expected after a step of `step` milliseconds, in 16ths of a millisecond; readers do the same. */
export function expectedPeriod(period: number, step: number): number {
  const expected = period >> 4;
  const off = step - expected;
  const usual = (expected >> 2) + 2;
  if (off <= usual && off >= -usual) return period + off;
  return step < MAX_PERIOD && step > -MAX_PERIOD ? step << 4 : period;
}

/** A decimal of `from` places at `to` places; 0 where it would not be whole or exact. Readers do the same. */
export function rescaled(decimal: number, from: number, to: number): number {
  if (to < from) return 0;
  const more = decimal * SCALES[to - from];
  return more < MAX_SCALED && more > -MAX_SCALED ? more : 0;
}

/** Readings that are in memory until they are folded: for each series a list of bytes, about 2.3 for a reading. */
export class OpenChunks {
  readonly arena: BlockArena;
  readonly slots = new SeriesSlots();
  /** Words and units of all series. */
  readonly strings: string[] = [];
  readings = 0;
  /** Positions: from inclusive, to exclusive. */
  positionFrom = 0;
  positionTo = 0;
  timeFrom = Infinity;
  timeTo = -Infinity;
  /** Lowest wall time of adding, epoch milliseconds. */
  since = Infinity;
  private readonly indexes = new Map<string, number>();
  private stringBytes = 0;
  private readonly batch = new BatchReader((word) => this.indexOf(word));
  private readonly record = Buffer.alloc(MAX_RECORD);

  constructor(pool: SlabPool) {
    this.arena = new BlockArena(pool);
  }

  /** Memory that the readings take. */
  get bytes(): number {
    return this.arena.bytes + this.stringBytes;
  }

  /** Takes `take` readings of a batch after the first `skip`; `position` is that of the batch's first reading. */
  add(bytes: Uint8Array, position: number, skip: number, take: number, now: number): void {
    const { batch } = this;
    batch.start(bytes);
    const end = Math.min(batch.count, skip + take);
    if (end <= skip) return;
    for (let i = 0; i < end; i++) {
      batch.next();
      if (i >= skip) this.append(this.slots.take(batch.series, this.arena));
    }
    if (this.readings === 0) this.positionFrom = position + skip;
    this.readings += end - skip;
    this.positionTo = Math.max(this.positionTo, position + end);
    this.since = Math.min(this.since, now);
  }

  release(): void {
    this.arena.release();
  }

  /** The reading at which the batch stands, to a list: into its block where the longest record fits, else by a buffer. */
  private append(slot: number): void {
    const { slots, batch } = this;
    if (batch.time < this.timeFrom) this.timeFrom = batch.time;
    if (batch.time > this.timeTo) this.timeTo = batch.time;
    const tail = slots.tails[slot];
    const room = slots.blocks[slot] + slots.sizes[slot] - tail;
    if (room >= MAX_RECORD) {
      const begin = tail & SLAB_MASK;
      slots.tails[slot] = tail + this.write(slot, this.arena.slabs[tail >>> SLAB_BITS], begin) - begin;
    } else this.put(slot, room, this.write(slot, this.record, 0));
    slots.counts[slot]++;
  }

  /** Writes the record; the place after it. */
  private write(slot: number, out: Buffer, begin: number): number {
    const { slots, batch } = this;
    const { has, unit } = batch;
    let { value } = batch;
    let type = batch.flags & TYPE;
    if (type >= DECIMAL) {
      value = this.atPlaces(slot, value, type - DECIMAL);
      type = DECIMAL + slots.places[slot];
    } else if (type === TRUE) type = FALSE;
    const flags = (batch.flags & ~TYPE) | type;
    const changed = flags !== slots.flags[slot] || has !== slots.has[slot] || unit !== slots.units[slot] ? 1 : 0;
    let to = this.writeTime(slot, out, begin, changed);
    if (changed === 1) to = this.writeChanges(slot, out, to, flags);
    if (type >= DECIMAL) {
      to = writeVarint(out, to, zigzag(value - slots.decimals[slot]));
      slots.decimals[slot] = value;
    } else if (type === FLOAT) to = out.writeDoubleLE(value, to);
    else to = writeVarint(out, to, value);
    return (has & HAS_ANOMALY) === 0 ? to : out.writeDoubleLE(batch.anomaly, to);
  }

  private writeTime(slot: number, out: Buffer, at: number, changed: number): number {
    const { slots } = this;
    const { time } = this.batch;
    const step = time - slots.times[slot];
    const off = step - (slots.periods[slot] >> 4);
    slots.times[slot] = time;
    if (off < NEAR && off > -NEAR && off === Math.floor(off) && time === Math.floor(time)) {
      slots.periods[slot] = expectedPeriod(slots.periods[slot], step);
      return writeVarint(out, at, 2 * zigzag(off) + changed);
    }
    return out.writeDoubleLE(time, writeVarint(out, at, FAR + changed));
  }

  private writeChanges(slot: number, out: Buffer, at: number, flags: number): number {
    const { slots } = this;
    const { has, unit } = this.batch;
    let to = at;
    out[to++] = flags;
    if ((flags & EXTRAS) !== 0) {
      out[to++] = has;
      if ((has & HAS_UNIT) !== 0) to = writeVarint(out, to, unit);
    }
    slots.flags[slot] = flags;
    slots.has[slot] = has;
    slots.units[slot] = unit;
    return to;
  }

  /** The decimal at the places of its list; these change where it has more, or is too large to be exact with them. */
  private atPlaces(slot: number, decimal: number, places: number): number {
    const { slots } = this;
    const most = slots.places[slot];
    if (places === most) return decimal;
    if (places < most) {
      const more = decimal * SCALES[most - places];
      if (more < MAX_SCALED && more > -MAX_SCALED) return more;
    }
    slots.decimals[slot] = rescaled(slots.decimals[slot], most, places);
    slots.places[slot] = places;
    return decimal;
  }

  /** A record that lies in the buffer, to where it fits. */
  private put(slot: number, room: number, length: number): void {
    const { slots, arena } = this;
    let to = slots.tails[slot];
    if (length > room) {
      const size = slots.sizes[slot];
      const block = arena.after(slots.blocks[slot], to - slots.blocks[slot], size);
      slots.blocks[slot] = block;
      slots.sizes[slot] = grown(size);
      to = block + BLOCK_HEAD;
    }
    arena.slabs[to >>> SLAB_BITS].set(this.record.subarray(0, length), to & SLAB_MASK);
    slots.tails[slot] = to + length;
  }

  /** Place of a word among those of all. */
  private indexOf(word: string): number {
    const known = this.indexes.get(word);
    if (known !== undefined) return known;
    this.stringBytes += 2 * word.length + STRING_OVERHEAD;
    this.indexes.set(word, this.strings.length);
    return this.strings.push(word) - 1;
  }
}
