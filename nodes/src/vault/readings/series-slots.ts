import { BLOCK_HEAD, FIRST_BLOCK, type BlockArena } from './slabs.ts';

/** Highest number of a series that has a place. */
const MAX_SERIES = 2 ** 24;
const BEGIN = 64;

/** What is remembered of each series with open chunks: columns, one element for each slot. */
export class SeriesSlots {
  /** Slots taken. */
  count = 0;
  /** Number of the series. */
  numbers = new Uint32Array(BEGIN);
  /** Readings. */
  counts = new Uint32Array(BEGIN);
  /** First block of the list, and the one that is written now with its size. */
  heads = new Uint32Array(BEGIN);
  blocks = new Uint32Array(BEGIN);
  sizes = new Uint16Array(BEGIN);
  /** Where the next record goes. */
  tails = new Uint32Array(BEGIN);
  /** The last reading: time, decimal with its places, and the period expected (16ths of a millisecond). */
  times = new Float64Array(BEGIN);
  periods = new Int32Array(BEGIN);
  decimals = new Float64Array(BEGIN);
  places = new Uint8Array(BEGIN);
  /** What holds until it changes. */
  flags = new Uint8Array(BEGIN);
  has = new Uint8Array(BEGIN);
  units = new Uint32Array(BEGIN);
  /** Slot + 1 by number of the series. */
  private slots = new Uint32Array(1_024);

  /** Undefined for a series that has none. */
  of(series: number): number | undefined {
    const slot = series < this.slots.length ? this.slots[series] : 0;
    return slot === 0 ? undefined : slot - 1;
  }

  /** The slot of a series, a new one with its first block when it has none. */
  take(series: number, arena: BlockArena): number {
    return this.of(series) ?? this.add(series, arena);
  }

  private add(series: number, arena: BlockArena): number {
    if (series >= MAX_SERIES)
      throw new RangeError(`series ${series}; the highest that has a place is ${MAX_SERIES - 1}`);
    if (series >= this.slots.length)
      this.slots = larger(Uint32Array, this.slots, Math.max(series + 1, 2 * this.slots.length));
    const slot = this.count++;
    if (slot >= this.numbers.length) this.grow(2 * slot);
    const block = arena.first();
    this.slots[series] = slot + 1;
    this.numbers[slot] = series;
    this.heads[slot] = this.blocks[slot] = block;
    this.sizes[slot] = FIRST_BLOCK;
    this.tails[slot] = block + BLOCK_HEAD;
    return slot;
  }

  private grow(length: number): void {
    this.numbers = larger(Uint32Array, this.numbers, length);
    this.counts = larger(Uint32Array, this.counts, length);
    this.heads = larger(Uint32Array, this.heads, length);
    this.blocks = larger(Uint32Array, this.blocks, length);
    this.sizes = larger(Uint16Array, this.sizes, length);
    this.tails = larger(Uint32Array, this.tails, length);
    this.times = larger(Float64Array, this.times, length);
    this.periods = larger(Int32Array, this.periods, length);
    this.decimals = larger(Float64Array, this.decimals, length);
    this.places = larger(Uint8Array, this.places, length);
    this.flags = larger(Uint8Array, this.flags, length);
    this.has = larger(Uint8Array, this.has, length);
    this.units = larger(Uint32Array, this.units, length);
  }
}

/** Readings of a series, over all of them. */
export const countIn = (all: readonly SeriesSlots[], series: number): number =>
  all.reduce((sum, slots) => {
    const slot = slots.of(series);
    return slot === undefined ? sum : sum + slots.counts[slot];
  }, 0);

interface Numbers extends ArrayLike<number> {
  set(from: ArrayLike<number>): void;
}

function larger<Array extends Numbers>(Kind: new (length: number) => Array, array: Array, length: number): Array {
  const out = new Kind(length);
  out.set(array);
  return out;
}
