import type { Reading } from '@tidegate/nodes/reading';
import fc from 'fast-check';

const decimal = fc
  .tuple(fc.integer({ min: -1_000_000, max: 1_000_000 }), fc.constantFrom(1, 10, 100, 1000, 10_000))
  .map(([units, scale]) => units / scale);

/** Any value but NaN: decimals as sensors send them, every corner of float64, switches and words. */
const value = fc.oneof(
  decimal,
  fc.double({ noNaN: true }),
  fc.constantFrom(0, -0, 5e-324, Number.MAX_VALUE, -Number.MAX_VALUE, 2 ** 53, -(2 ** 53), 2 ** 51, 1e21, 0.1 + 0.2),
  fc.boolean(),
  fc.string({ unit: 'grapheme' }),
);

const time = fc.oneof(
  fc.integer({ min: 1_700_000_000_000, max: 1_900_000_000_000 }),
  fc.constantFrom(0, -1, 8.64e15, -8.64e15, 0.25),
);

const reading: fc.Arbitrary<Reading> = fc.record(
  {
    series: fc.oneof(
      fc.constantFrom('a', 'line1/pump3/temperature'),
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }),
    ),
    time,
    value,
    quality: fc.constantFrom('good', 'uncertain', 'bad'),
    clock: fc.constantFrom('device', 'gateway'),
    unit: fc.constantFrom('°C', '', 'm³/h', '℉'),
    anomaly: fc.double({ min: 0, max: 1, noNaN: true }),
    stale: fc.constant(true),
  },
  { requiredKeys: ['series', 'time', 'value', 'quality', 'clock'], noNullPrototype: true },
);

/** Batches of readings as a door may hand them to the vault. */
export function readings(constraints: { minLength?: number; maxLength: number }): fc.Arbitrary<Reading[]> {
  return fc.array(reading, constraints);
}
