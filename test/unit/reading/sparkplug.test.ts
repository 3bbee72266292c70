import assert from 'node:assert/strict';
import { BirthBook, readPayload } from '@tidegate/nodes/reading';

/** A protobuf writer of just what the tests need; written from the wire format, independently of the reader. */
function varint(value: bigint | number): number[] {
  let left = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  do {
    const low = Number(left & 127n);
    left >>= 7n;
    bytes.push(left > 0n ? low | 128 : low);
  } while (left > 0n);
  return bytes;
}
const uint = (field: number, value: bigint | number): number[] => [...varint(field << 3), ...varint(value)];
const block = (field: number, bytes: Iterable<number>): number[] => {
  const content = [...bytes];
  return [...varint((field << 3) | 2), ...varint(content.length), ...content];
};
const text = (field: number, value: string): number[] => block(field, Buffer.from(value));
const float = (field: number, value: number): number[] => {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return [...varint((field << 3) | 5), ...bytes];
};
const double = (field: number, value: number): number[] => {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return [...varint((field << 3) | 1), ...bytes];
};

const TIME = 1_763_632_800_000;
const payload = (...metrics: number[][]): Uint8Array =>
  Uint8Array.from([...uint(1, TIME), ...metrics.flatMap((metric) => block(2, metric)), ...uint(3, 7)]);

const quality = (code: number) => [...text(1, 'Quality'), ...block(2, [...uint(1, 3), ...uint(3, code)])];
const rated = (code: number) => [...text(1, 'T'), ...double(13, 1), ...block(9, quality(code))];

describe('Sparkplug B', () => {
  const births = new BirthBook();
  const read = (type: string, bytes: Uint8Array, book = births) =>
    readPayload(bytes, 'auto', { topic: `spBv1.0/plant/${type}/edge1/pump`, received: TIME, births: book });

  it('reads each kind of value, dates it, and names series after group, edge and device', () => {
    const properties = [...text(1, 'engUnit'), ...block(2, [...uint(1, 12), ...text(8, 'bar')])];
    const found = read(
      'DDATA',
      payload(
        [...text(1, 'Temp'), ...uint(4, 9), ...float(12, 21.3)],
        [...text(1, 'Pressure'), ...uint(3, TIME + 5), ...double(13, 1.25), ...block(9, properties)],
        [...text(1, 'Offset'), ...uint(4, 3), ...uint(10, 0xffff_fffb)],
        [...text(1, 'Total'), ...uint(4, 8), ...uint(11, 9_000_000_000_000_000n)],
        [...text(1, 'Run'), ...uint(14, 1)],
        [...text(1, 'Mode'), ...text(15, 'auto')],
        [...text(1, 'Nothing'), ...uint(7, 1)],
      ),
    );
    assert.equal(found.topic, 'plant/edge1/pump');
    assert.deepEqual(found.metrics, [
      { path: 'Temp', value: 21.3, time: TIME },
      { path: 'Pressure', value: 1.25, time: TIME + 5, unit: 'bar' },
      { path: 'Offset', value: -5, time: TIME },
      { path: 'Total', value: 9_000_000_000_000_000, time: TIME },
      { path: 'Run', value: true, time: TIME },
      { path: 'Mode', value: 'auto', time: TIME },
    ]);
    assert.deepEqual(found.problems, []);
  });

  it('knows an alias only after its birth, and forgets it with the next birth of the node', () => {
    const byAlias = payload([...uint(2, 5), ...uint(10, 0xffff_fffe)]);
    assert.deepEqual(
      read('DDATA', byAlias).problems.map(({ code }) => code),
      ['unknown-alias'],
    );
    read('DBIRTH', payload([...text(1, 'Level'), ...uint(2, 5), ...uint(4, 3), ...uint(10, 1)]));
    assert.deepEqual(read('DDATA', byAlias).metrics, [{ path: 'Level', value: -2, time: TIME }]);
    read('NBIRTH', payload([...text(1, 'bdSeq'), ...uint(4, 8), ...uint(11, 1)]));
    assert.deepEqual(
      read('DDATA', byAlias).problems.map(({ code }) => code),
      ['unknown-alias'],
    );
  });

  it('marks what its source calls bad or stale', () => {
    const found = read('DDATA', payload(rated(192), rated(0), rated(500)));
    assert.deepEqual(
      found.metrics.map(({ quality }) => quality),
      [undefined, 'bad', 'uncertain'],
    );
  });

  it('takes a birth that only names things, and no messages that carry no readings', () => {
    assert.deepEqual(read('NBIRTH', payload([...text(1, 'bdSeq'), ...uint(11, 1)])).problems, []);
    assert.deepEqual(
      read('NDEATH', payload()).problems.map(({ code }) => code),
      ['no-values'],
    );
  });

  it('refuses what is cut off at any byte, without harm', () => {
    const whole = payload([...text(1, 'Temp'), ...float(12, 21.3)], [...text(1, 'P'), ...double(13, 2)]);
    for (let length = 1; length < whole.length; length++) {
      const found = read('DDATA', whole.subarray(0, length));
      assert.ok(found.metrics.length + found.problems.length > 0, `cut at ${length}`);
    }
    for (const hostile of [
      Uint8Array.of(0x12, 0xff, 0xff, 0xff, 0xff, 0x0f),
      new Uint8Array(100).fill(0x80),
      Uint8Array.of(0x13, 0x14),
      Uint8Array.of(0x00),
    ])
      assert.deepEqual(
        read('DDATA', hostile).problems.map(({ code }) => code),
        ['unreadable'],
      );
  });
});
