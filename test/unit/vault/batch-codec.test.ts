import assert from 'node:assert/strict';
import type { Reading } from '@tidegate/nodes/reading';
import fc from 'fast-check';
import { BatchEncoder, CHUNK_READINGS, decodeBatch } from '../../../nodes/src/vault/batch-codec.ts';
import { effectBoxes, openBox, readingBoxes, receiptBox } from '../../../nodes/src/vault/engine/boxes.ts';
import type { Effect } from '../../../nodes/src/vault/engine/effects.ts';
import { outside } from '../../../nodes/src/vault/ranges.ts';
import { VarintReader, unzigzag, writeVarint, zigzag } from '../../../nodes/src/vault/varint.ts';
import { readings } from '../../support/readings.ts';

describe('journal chunks', () => {
  const names: string[] = [];
  const numberOf = ({ series }: Reading): number => {
    if (!names.includes(series)) names.push(series);
    return names.indexOf(series) + 1;
  };
  const nameOf = (number: number): string | undefined => names[number - 1];

  it('bring back any readings, bit by bit and in order', () => {
    const encoder = new BatchEncoder();
    fc.assert(
      fc.property(readings({ maxLength: 60 }), (batch) => {
        const chunks = encoder.encode(batch, numberOf);
        assert.deepEqual(
          chunks.flatMap(({ bytes }) => decodeBatch(bytes, nameOf)),
          batch,
        );
        for (const { timeFrom, timeTo, count } of chunks) assert.ok(timeFrom <= timeTo && count > 0);
      }),
      { numRuns: 300 },
    );
  });

  it('hold so many readings at most', () => {
    const batch = Array.from({ length: CHUNK_READINGS + 1 }, (_, i): Reading => {
      return { series: 's', time: i, value: i, quality: 'good', clock: 'device' };
    });
    assert.deepEqual(
      new BatchEncoder().encode(batch, numberOf).map(({ count, timeFrom, timeTo }) => [count, timeFrom, timeTo]),
      [
        [CHUNK_READINGS, 0, CHUNK_READINGS - 1],
        [1, CHUNK_READINGS, CHUNK_READINGS],
      ],
    );
  });

  it('leave out what has lost its name, and only that', () => {
    const batch: Reading[] = ['kept', 'lost', 'kept'].map((series, i) => {
      return { series, time: i, value: `${i}`, quality: 'good', clock: 'device' };
    });
    const [chunk] = new BatchEncoder().encode(batch, numberOf);
    const decoded = decodeBatch(chunk.bytes, (number) => (nameOf(number) === 'lost' ? undefined : nameOf(number)));
    assert.deepEqual(decoded, [batch[0], undefined, batch[2]]);
  });

  it('take little room for slow sensors', () => {
    const batch = Array.from({ length: 1_000 }, (_, i): Reading => {
      const value = Math.round(2_000 + 100 * Math.sin(i / 50)) / 100;
      return { series: `s${i % 10}`, time: 1_790_000_000_000 + i, value, quality: 'good', clock: 'device' };
    });
    const chunks = new BatchEncoder().encode(batch, numberOf);
    const [box, ...more] = readingBoxes([{ kind: 'append', source: 'a', chunks }]);
    assert.deepEqual(more, []);
    assert.ok(box.length < 4_000);
  });
});

describe('the boxes of a journal record', () => {
  const chunk = fc.record(
    {
      count: fc.nat({ max: 2_048 }),
      timeFrom: fc.double({ noNaN: true }),
      timeTo: fc.double({ noNaN: true }),
      bytes: fc.uint8Array({ maxLength: 40_000 }),
    },
    { noNullPrototype: true },
  );
  const append = fc.record(
    {
      kind: fc.constant('append' as const),
      source: fc.string({ unit: 'grapheme' }),
      chunks: fc.array(chunk, { maxLength: 4 }),
    },
    { noNullPrototype: true },
  );

  it('bring back readings with their places, each box by itself', () => {
    fc.assert(
      fc.property(fc.array(append, { maxLength: 4 }), (items) => {
        let offset = 0;
        const expected = items.flatMap(({ source, chunks }) =>
          chunks.map((one) => {
            const at = offset;
            offset += one.count;
            return { at, source, ...one };
          }),
        );
        const found = readingBoxes(items).flatMap((bytes) => {
          const box = openBox(bytes);
          assert.ok(box.kind === 'readings');
          let at = box.offset;
          return box.entries.map((entry) => {
            at += entry.count;
            return { ...entry, at: at - entry.count, bytes: Uint8Array.from(entry.bytes) };
          });
        });
        assert.deepEqual(found, expected);
      }),
      { numRuns: 50 },
    );
  });

  it('bring back effects and receipts', () => {
    const effects: Effect[] = [
      { kind: 'series', number: 3, name: 'a/b', type: 'number', unit: 'bar' },
      { kind: 'document', namespace: 'n', key: 'k', value: Buffer.of(1, 2) },
      { kind: 'document', namespace: 'n', key: 'gone', value: undefined },
      { kind: 'block', stream: 's', number: 7, body: Buffer.alloc(70_000) },
      { kind: 'blocks-acknowledged', stream: 's', ranges: [[1, 4]] },
    ];
    const boxes = effectBoxes(effects).map(openBox);
    assert.deepEqual(
      boxes.flatMap((box) => (box.kind === 'effects' ? box.effects : [])),
      effects,
    );
    const receipts = openBox(receiptBox(Uint8Array.of(5, 6)));
    assert.ok(receipts.kind === 'receipts');
    assert.deepEqual(Uint8Array.from(receipts.bytes), Uint8Array.of(5, 6));
  });

  it('refuse what they are not', () => {
    assert.throws(() => openBox(Uint8Array.of(9, 1, 2)), RangeError);
    assert.throws(() => openBox(Uint8Array.of(1, 0, 200)), RangeError);
  });
});

describe('varint', () => {
  it('brings back whole numbers of either sign', () => {
    const bytes = new Uint8Array(16);
    fc.assert(
      fc.property(fc.maxSafeInteger(), (value) => {
        const number = Math.trunc(value / 4) + 0;
        const end = writeVarint(bytes, 0, zigzag(number));
        const reader = new VarintReader(bytes.subarray(0, end));
        assert.equal(unzigzag(reader.next()), number);
        assert.equal(reader.at, end);
      }),
      { numRuns: 500 },
    );
  });
});

describe('outside', () => {
  it('gives what lies in no range', () => {
    const range = fc
      .tuple(fc.integer({ min: -5, max: 30 }), fc.nat(8))
      .map(([from, more]) => [from, from + more] as const);
    fc.assert(
      fc.property(fc.array(range, { maxLength: 6 }), fc.nat(25), (ranges, to) => {
        const covered = (n: number): boolean => ranges.some(([low, high]) => low <= n && n <= high);
        const expected = Array.from({ length: to }, (_, i) => i + 1).filter((n) => !covered(n));
        const found = outside(ranges, 1, to).flatMap(([low, high]) =>
          Array.from({ length: high - low + 1 }, (_, i) => low + i),
        );
        assert.deepEqual(found, expected);
      }),
    );
  });
});
