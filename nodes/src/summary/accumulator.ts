import type { Reading } from '../reading/reading.ts';
import {
  canonical,
  decimalOf,
  EXACT_MANTISSA,
  EXACT_POWERS,
  mantissaAt,
  powerOfTen,
  ZERO,
  type Decimal,
} from './decimal.ts';
import { addToSketch, copySketch, emptySketch, mergeSketch, type Sketch } from './sketch.ts';
import { addState, boundedText, copyStates, mergeStates, type Held, type States } from './states.ts';
import { MAX_UNIT, type Summary, type TimedValue } from './summary.ts';

/** Products of integers up to here are exact in binary64, and so is one sum of two of them. */
const EXACT_FACTOR = 67_108_864; // 2^26
const FLUSH = 2 ** 52;
const ROOM = FLUSH / 2;

/**
 * A summary in the making. Sums are kept as integers at the finest scale seen so far, in binary64 while they fit and in
 * big integers beyond, so that a reading costs well under a microsecond and no digit is ever rounded.
 */
export class WindowAccumulator {
  count = 0;
  numeric = 0;
  anomalies = 0;
  uncertain = 0;
  bad = 0;
  private min = Infinity;
  private max = -Infinity;
  private first: TimedValue | undefined;
  private last: TimedValue | undefined;
  private unit: string | undefined;
  private mixed = false;
  private readonly sketch: Sketch;
  private changes = 0;
  private states: States = new Map();
  /** Digits after the point of the sums: sum is at 10^-scale, squares at 10^-2scale. */
  private scale = 0;
  private sumLow = 0;
  private sumHigh = 0n;
  private squaresLow = 0;
  private squaresHigh = 0n;

  /** `width` of the sketch's buckets: 0 for logarithmic ones (sketch.ts). */
  constructor(width = 0) {
    this.sketch = emptySketch(width);
  }

  static of(summary: Summary, width = 0): WindowAccumulator {
    const accumulator = new WindowAccumulator(width);
    accumulator.addSummary(summary);
    return accumulator;
  }

  /**
   * Adds a reading, and what it says of the state before it. Throws TideError `not-a-decimal` and stays as it was when the
   * value is a number that a summary cannot hold (not finite, more than 17 digits, too large or too small).
   */
  add(reading: Reading, held?: Held): void {
    if (reading.quality === 'bad') {
      this.bad++;
      return;
    }
    const { value } = reading;
    let kept: number | string;
    if (typeof value === 'string') {
      kept = boundedText(value);
    } else {
      // Adding zero turns -0 into 0.
      kept = Number(value) + 0;
      if (reading.unit !== this.unit || this.mixed) this.addInUnit(kept, boundedUnit(reading.unit));
      else this.addNumber(kept);
    }
    this.count++;
    if (reading.quality === 'uncertain') this.uncertain++;
    if (reading.anomaly !== undefined) this.anomalies++;
    this.place(Math.floor(reading.time), reading.position ?? 0, kept);
    if (held === undefined) return;
    if (held.changed) this.changes++;
    this.states = addState(this.states, held.state, held.milliseconds);
  }

  /** Adds what another summary holds; the two must be of different readings. */
  addSummary(summary: Summary): void {
    this.count += summary.count;
    this.numeric += summary.numeric;
    this.anomalies += summary.anomalies;
    this.uncertain += summary.uncertain;
    this.bad += summary.bad;
    this.meet(summary.unit, summary.mixed);
    if (summary.min !== undefined && summary.min < this.min) this.min = summary.min;
    if (summary.max !== undefined && summary.max > this.max) this.max = summary.max;
    if (summary.first !== undefined && (this.first === undefined || compareTimed(summary.first, this.first) < 0))
      this.first = summary.first;
    if (summary.last !== undefined && (this.last === undefined || compareTimed(summary.last, this.last) > 0))
      this.last = summary.last;
    this.changes += summary.changes;
    if (summary.states === 'many' || summary.states.size > 0) this.states = mergeStates(this.states, summary.states);
    if (this.mixed) return;
    mergeSketch(this.sketch, summary.sketch);
    this.refine(Math.max(-summary.sum.exponent, Math.ceil(-summary.squares.exponent / 2)));
    this.addSums(summary.sum, summary.squares);
  }

  /** A copy of what was gathered so far. */
  summary(): Summary {
    const numbers = this.numeric > 0 && !this.mixed;
    return {
      count: this.count,
      numeric: numbers ? this.numeric : 0,
      unit: this.unit,
      mixed: this.mixed,
      sum: numbers ? canonical(this.sumHigh + BigInt(this.sumLow), -this.scale) : ZERO,
      squares: numbers ? canonical(this.squaresHigh + BigInt(this.squaresLow), -2 * this.scale) : ZERO,
      min: numbers ? this.min : undefined,
      max: numbers ? this.max : undefined,
      first: this.first,
      last: this.last,
      sketch: numbers ? copySketch(this.sketch) : emptySketch(),
      anomalies: this.anomalies,
      uncertain: this.uncertain,
      bad: this.bad,
      changes: this.changes,
      states: copyStates(this.states),
    };
  }

  /** In binary64 while all of it fits, as most do: two big integers would take longer than all the rest. */
  private addSums(sum: Decimal, squares: Decimal): void {
    const sumMore = scaled(sum, this.scale);
    const squaresMore = scaled(squares, 2 * this.scale);
    if (Math.abs(sumMore) <= ROOM && Math.abs(this.sumLow) <= ROOM && squaresMore + this.squaresLow <= FLUSH) {
      this.sumLow += sumMore;
      this.squaresLow += squaresMore;
    } else {
      this.sumHigh += mantissaAt(sum, -this.scale);
      this.squaresHigh += mantissaAt(squares, -2 * this.scale);
    }
  }

  /** A number in another unit than those before it, or the first one that says a unit. */
  private addInUnit(value: number, unit: string | undefined): void {
    if (this.mixed || (unit !== undefined && this.unit !== undefined && unit !== this.unit)) {
      // Refused are the same numbers as in any window.
      decimalOf(value);
      this.meet(unit, true);
      return;
    }
    this.addNumber(value);
    this.unit ??= unit;
  }

  /** No unit goes with any; of two different ones no sum makes sense any more. */
  private meet(unit: string | undefined, mixed: boolean): void {
    this.mixed ||= mixed || (unit !== undefined && this.unit !== undefined && unit !== this.unit);
    this.unit = this.mixed ? undefined : (this.unit ?? unit);
  }

  private addNumber(value: number): void {
    let mantissa = Math.round(value * EXACT_POWERS[this.scale]);
    if (mantissa / EXACT_POWERS[this.scale] !== value || Math.abs(mantissa) >= EXACT_MANTISSA) {
      const decimal = decimalOf(value);
      this.refine(-decimal.exponent);
      const exact = mantissaAt(decimal, -this.scale);
      mantissa = Number(exact);
      if (Math.abs(mantissa) >= EXACT_MANTISSA) {
        addToSketch(this.sketch, value);
        this.sumHigh += exact;
        this.squaresHigh += exact * exact;
        this.range(value);
        return;
      }
    }
    // The sketch may refuse the value, and then nothing of it may have been counted.
    addToSketch(this.sketch, value);
    this.sumLow += mantissa;
    if (this.sumLow > FLUSH || this.sumLow < -FLUSH) {
      this.sumHigh += BigInt(this.sumLow);
      this.sumLow = 0;
    }
    if (mantissa <= EXACT_FACTOR && mantissa >= -EXACT_FACTOR) {
      this.squaresLow += mantissa * mantissa;
      if (this.squaresLow >= FLUSH) {
        this.squaresHigh += BigInt(this.squaresLow);
        this.squaresLow = 0;
      }
    } else {
      this.squaresHigh += BigInt(mantissa) ** 2n;
    }
    this.range(value);
  }

  private range(value: number): void {
    this.numeric++;
    if (value < this.min) this.min = value;
    if (value > this.max) this.max = value;
  }

  private place(time: number, position: number, value: number | string): void {
    const { first, last } = this;
    if (last === undefined || time > last.time || (time === last.time && position > last.position))
      this.last = { time, position, value };
    else if (time === last.time && position === last.position && compareValues(value, last.value) > 0)
      this.last = { time, position, value };
    if (first === undefined || time < first.time || (time === first.time && position < first.position))
      this.first = { time, position, value };
    else if (time === first.time && position === first.position && compareValues(value, first.value) < 0)
      this.first = { time, position, value };
  }

  private refine(scale: number): void {
    if (scale <= this.scale) return;
    const finer = scale - this.scale;
    this.sumHigh = (this.sumHigh + BigInt(this.sumLow)) * powerOfTen(finer);
    this.squaresHigh = (this.squaresHigh + BigInt(this.squaresLow)) * powerOfTen(2 * finer);
    this.sumLow = 0;
    this.squaresLow = 0;
    this.scale = scale;
  }
}

/** A decimal in units of 10^-scale; exact, if it is below 2^53. Its own scale is not above that. */
function scaled({ mantissa, exponent }: Decimal, scale: number): number {
  const shift = exponent + scale;
  return shift === 0
    ? Number(mantissa)
    : shift < EXACT_POWERS.length
      ? Number(mantissa) * EXACT_POWERS[shift]
      : Infinity;
}

/** As a summary keeps a unit; none that is empty. */
function boundedUnit(unit: string | undefined): string | undefined {
  return unit === undefined || unit === '' ? undefined : boundedText(unit, MAX_UNIT);
}

/** Total order by (time, position, value): the same first and last come out of every order of folding. */
export function compareTimed(a: TimedValue, b: TimedValue): number {
  return a.time - b.time || a.position - b.position || compareValues(a.value, b.value);
}

/** Numbers before strings; numbers by size, strings by UTF-16 code units. */
function compareValues(a: number | string, b: number | string): number {
  if (typeof a !== typeof b) return typeof a === 'number' ? -1 : 1;
  return a < b ? -1 : a > b ? 1 : 0;
}
