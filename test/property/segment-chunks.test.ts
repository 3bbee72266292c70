import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Reading } from '../../nodes/src/reading/reading.ts';
import { ByteWriter } from '../../nodes/src/vault/readings/byte-writer.ts';
import { decodeChunk, encodeChunk } from '../../nodes/src/vault/readings/chunk-codec.ts';
import { readIntegers, writeIntegers } from '../../nodes/src/vault/readings/integer-column.ts';
import { ListReader } from '../../nodes/src/vault/readings/list-reader.ts';
import { readNumbers, writeNumbers } from '../../nodes/src/vault/readings/number-column.ts';
import { OpenChunks } from '../../nodes/src/vault/readings/open-chunks.ts';
import type { ReadingColumns } from '../../nodes/src/vault/readings/reading-columns.ts';
import { SlabPool } from '../../nodes/src/vault/readings/slabs.ts';
import { readTimes, writeTimes } from '../../nodes/src/vault/readings/time-column.ts';
import { VarintReader } from '../../nodes/src/vault/varint.ts';
import { readings } from '../support/readings.ts';
import { Names, bySeries, named } from '../support/segments.ts';

function listsOf(batches: readonly Reading[][], names: Names, most: number): ReadingColumns[] {
  const chunks = new OpenChunks(new SlabPool(1));
  let position = 1;
  for (const batch of batches)
    for (const chunk of names.encode(batch)) {
      chunks.add(chunk.bytes, position, 0, Infinity, 0);
      position += chunk.count;
    }
  const parts: ReadingColumns[] = [];
  for (let number = 1; number < names.names.length; number++) {
    const reader = new ListReader(chunks, chunks.slots.of(number)!);
    for (let part = reader.next(most, 65_536); part !== undefined; part = reader.next(most, 65_536)) parts.push(part);
  }
  return parts;
}

/** Times and values as sensors give them: a grid with jitter and gaps, a walk of decimals with a word or a fault between. */
const sensor: fc.Arbitrary<Reading[]> = fc
  .record({
    start: fc.integer({ min: 1_700_000_000_000, max: 1_900_000_000_000 }),
    period: fc.constantFrom(1, 20, 1000, 60_000, 86_400_000),
    steps: fc.array(
      fc.record({
        jitter: fc.integer({ min: -20, max: 20 }),
        gap: fc.oneof({ weight: 30, arbitrary: fc.constant(0) }, fc.integer({ min: -3, max: 5000 })),
        move: fc.oneof({ weight: 20, arbitrary: fc.integer({ min: -300, max: 300 }) }, fc.integer()),
        odd: fc.option(fc.constantFrom<Reading['value']>(true, false, 'fault', 1e-7, -0, 1 / 3, 2 ** 60), { freq: 30 }),
        bad: fc.option(fc.constantFrom<Reading['quality']>('bad', 'uncertain'), { freq: 30 }),
      }),
      { minLength: 1, maxLength: 400 },
    ),
    places: fc.integer({ min: 0, max: 12 }),
    unit: fc.constantFrom(undefined, '°C'),
    rough: fc.boolean(),
  })
  .map(({ start, period, steps, places, unit, rough }) => {
    let place = 0;
    let level = 0;
    return steps.map(({ jitter, gap, move, odd, bad }) => {
      place += 1 + gap;
      level += move;
      const value = rough ? Math.sin(level) * 100 : level / 10 ** places;
      const time = start + place * period + (period > 100 ? jitter : 0);
      const reading: Reading = { series: 's', time, value: odd ?? value, quality: bad ?? 'good', clock: 'gateway' };
      return unit === undefined ? reading : { ...reading, unit };
    });
  });

describe('chunks of readings', () => {
  it('give back exactly what a batch holds, in memory and encoded', () => {
    const most = fc.constantFrom(1, 3, 8_192);
    fc.assert(
      fc.property(fc.array(readings({ maxLength: 40 }), { maxLength: 4 }), most, (batches, most) => {
        const names = new Names();
        const wanted = bySeries(
          batches.flatMap((batch) => names.decoded(batch)),
          names,
        );
        const parts = listsOf(batches, names, most);
        assert.deepEqual(
          parts.flatMap((part) => named(part, names)),
          wanted,
        );
        assert.deepEqual(
          parts.flatMap((part) => named(decodeChunk(encodeChunk(part), part.series), names)),
          wanted,
        );
      }),
      { numRuns: 500 },
    );
  });

  it('give back what sensors send, whatever prediction was chosen', () => {
    fc.assert(
      fc.property(fc.array(sensor, { minLength: 1, maxLength: 3 }), (batches) => {
        const names = new Names();
        const parts = listsOf(batches, names, 8_192);
        assert.deepEqual(
          parts.flatMap((part) => named(decodeChunk(encodeChunk(part), part.series), names)),
          batches.flatMap((batch) => names.decoded(batch)),
        );
      }),
      { numRuns: 300 },
    );
  });

  it('refuse other bytes with a RangeError or an error of the inflater, and never hang', () => {
    fc.assert(
      fc.property(sensor, fc.nat(), fc.integer({ min: 1, max: 255 }), (batch, at, change) => {
        const [part] = listsOf([batch], new Names(), 8_192);
        const bytes = encodeChunk(part);
        bytes[at % bytes.length] ^= change;
        try {
          assert.ok(decodeChunk(bytes, 1).count <= 8_192);
        } catch (thrown) {
          assert.ok(thrown instanceof Error && !(thrown instanceof assert.AssertionError));
        }
      }),
      { numRuns: 300 },
    );
  });

  it('carry whole numbers of any size in a column', () => {
    const width = fc.integer({ min: 0, max: 52 });
    const numbers = width.chain((bits) =>
      fc.array(
        fc.maxSafeInteger().map((n) => Math.trunc(n / 2 ** (53 - bits)) + 0),
        { maxLength: 300 },
      ),
    );
    fc.assert(
      fc.property(numbers, (numbers) => {
        const out = new ByteWriter(8);
        writeIntegers(out, Float64Array.from(numbers), numbers.length);
        const back = readIntegers(new VarintReader(out.taken()), numbers.length);
        assert.deepEqual(
          [...back],
          numbers.map((n) => n + 0),
        );
      }),
      { numRuns: 500 },
    );
  });

  it('carry any times and numbers in a column, bit for bit', () => {
    const columns = [
      [writeTimes, readTimes],
      [writeNumbers, readNumbers],
    ] as const;
    const float = fc.oneof(fc.double({ noNaN: true }), fc.integer(), fc.constantFrom(0, -0, 2 ** 50, -(2 ** 50), 1e-9));
    fc.assert(
      fc.property(
        fc.array(float, { minLength: 1, maxLength: 100 }),
        fc.constantFrom(...columns),
        (numbers, [write, read]) => {
          const out = new ByteWriter(8);
          write(out, Float64Array.from(numbers), numbers.length);
          assert.deepEqual([...read(new VarintReader(out.taken()), numbers.length)], numbers);
        },
      ),
      { numRuns: 500 },
    );
  });
});
