import fc from 'fast-check';
import type { Reading } from '@tidegate/nodes/reading';
import { addDecimals, parseDecimal, WindowAccumulator, type Decimal, type Summary } from '@tidegate/nodes/summary';
import { StateTrace, type Held } from '../../nodes/src/summary/states.ts';

/** Numbers as sensors send them, and the corners of what a summary may hold. */
const numbers: fc.Arbitrary<number> = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: -100_000, max: 100_000 }).map((cents) => cents / 100) },
  { weight: 2, arbitrary: fc.integer({ min: -50, max: 50 }) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.bigInt({ min: -(10n ** 15n) + 1n, max: 10n ** 15n - 1n }), fc.integer({ min: -18, max: 18 }))
      .map(([mantissa, exponent]) => Number(`${mantissa}e${exponent}`)),
  },
  { weight: 1, arbitrary: fc.double({ min: 0.1, max: 9, noNaN: true }).map((value) => Number(value.toPrecision(17))) },
  fc.constantFrom(0, -0, 0.1, 0.2, 0.3, 1e-18, -1e-18, 1e18, 9007199254740992, 99_999_999_999_999_984, 0.1 + 0.2, 1e34),
);

const values = fc.oneof(
  { weight: 8, arbitrary: numbers },
  { weight: 1, arbitrary: fc.boolean() },
  {
    weight: 1,
    arbitrary: fc.oneof(
      fc.constantFrom('open', 'closed', '', 'zu heiß', '\ud800', '\ufeff'),
      fc.string({ maxLength: 300 }),
    ),
  },
);

/** What switches and machines say: few words, or more than a summary keeps the times of. */
const states = fc.oneof(
  { weight: 4, arbitrary: fc.boolean() },
  { weight: 4, arbitrary: fc.constantFrom('run', 'stop', 'true', 'zu heiß', 'x'.repeat(300), '') },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 40 }).map((n) => `state ${n}`) },
  { weight: 1, arbitrary: fc.constantFrom(0, 7.5) },
);

const oneUnit: fc.Arbitrary<string | undefined> = fc.constantFrom(undefined, '°C', '');
export const severalUnits: fc.Arbitrary<string | undefined> = fc.oneof(
  { weight: 60, arbitrary: oneUnit },
  { weight: 1, arbitrary: fc.constantFrom('K', '°F', 'x'.repeat(80), '\ud800') },
);

/** Readings of one series within `span` milliseconds, with many equal times; positions are unique. */
export const readings = ({ span = 60_000, maxLength = 60, of = values, units = oneUnit } = {}): fc.Arbitrary<
  Reading[]
> =>
  fc
    .array(
      fc.record({
        time: fc.oneof(fc.integer({ min: 0, max: span - 1 }), fc.integer({ min: 0, max: 3 })),
        value: of,
        quality: fc.constantFrom('good', 'good', 'good', 'uncertain', 'bad'),
        unit: units,
        anomaly: fc.option(fc.constant(0.9), { nil: undefined, freq: 5 }),
      }),
      { maxLength },
    )
    .map((list) =>
      list.map(({ anomaly, unit, ...reading }, i) => ({
        series: 'line1/pump3/temperature',
        clock: 'device',
        ...reading,
        time: 1_780_000_200_000 - (1_780_000_200_000 % 3_600_000) + reading.time,
        position: i + 1,
        ...(anomaly !== undefined && { anomaly }),
        ...(unit !== undefined && { unit }),
      })),
    );

export const switches = (options: { span?: number; maxLength?: number } = {}): fc.Arbitrary<Reading[]> =>
  readings({ ...options, of: states });

/** Buckets of a sketch: logarithmic, or of a fixed width. */
export const widths = fc.constantFrom(0, 0, 0.5, 0.001, 25);

/** A reading with what it says of the state before it. */
export type Traced = readonly [reading: Reading, held: Held | undefined];

/** Readings in journal order, as a summarizer adds them. */
export function traced(list: readonly Reading[]): Traced[] {
  const trace = new StateTrace();
  return list.map((reading): Traced => [
    reading,
    reading.quality === 'bad' ? undefined : trace.next(reading.time, reading.value),
  ]);
}

export function summarise(list: readonly Traced[], width = 0): Summary {
  const window = new WindowAccumulator(width);
  for (const [reading, held] of list) window.add(reading, held);
  return window.summary();
}

/** The sum of powers by another road than the code under test: parsed text, one big addition each. */
export function exactSum(list: readonly number[], power: 1 | 2): Decimal {
  let sum: Decimal = { mantissa: 0n, exponent: 0 };
  for (const value of list) {
    const { mantissa, exponent } = parseDecimal(String(value));
    const term = power === 1 ? `${mantissa}e${exponent}` : `${mantissa * mantissa}e${2 * exponent}`;
    sum = addDecimals(sum, parseDecimal(term));
  }
  return sum;
}
