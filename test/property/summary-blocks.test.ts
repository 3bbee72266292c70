import assert from 'node:assert/strict';
import { deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { TideError } from '@tidegate/nodes/node';
import {
  blockWithout,
  decodeBlock,
  decodeBlockEncoded,
  decodeSummary,
  emptySummary,
  encodeBlock,
  encodeSummary,
  foldSummaries,
  WindowAccumulator,
  type Part,
  type Summary,
} from '@tidegate/nodes/summary';
import { ByteWriter } from '../../nodes/src/summary/varint.ts';
import { readings, severalUnits, summarise, switches, traced, widths } from './summary-arbitraries.ts';

const summaries: fc.Arbitrary<Summary> = fc
  .tuple(
    fc.oneof(readings({ maxLength: 12, units: severalUnits }), switches({ maxLength: 60 })),
    widths,
    fc.option(readings({ maxLength: 2, units: severalUnits }), { freq: 4, nil: [] }),
  )
  .map(([list, width, others]) => foldSummaries([summarise(traced(list), width), summarise(traced(others))]));

const blocks: fc.Arbitrary<Part[]> = fc.uniqueArray(
  fc.record(
    {
      series: fc.integer({ min: 1, max: 12 }),
      windowStart: fc.integer({ min: -3, max: 30 }).map((minute) => 1_780_000_200_000 + minute * 60_000),
      summary: summaries,
    },
    { noNullPrototype: true },
  ),
  { maxLength: 30, selector: ({ series, windowStart }) => `${series}:${windowStart}` },
);

const byKey = (a: Part, b: Part): number => a.series - b.series || a.windowStart - b.windowStart;

/** Decodes, or says that the bytes were refused as they should be. Anything else that is thrown fails the test. */
function decodes<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    if (error instanceof TideError && ['malformed', 'too-large', 'unknown-version'].includes(error.code))
      return undefined;
    throw error;
  }
}

const joined = (a: Uint8Array, b: Uint8Array): Uint8Array => Buffer.concat([a, b]);

const mutation = fc.array(
  fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }), fc.constantFrom('set', 'insert', 'cut')),
  {
    minLength: 1,
    maxLength: 4,
  },
);

function mutate(bytes: Uint8Array, steps: [number, number, string][]): Uint8Array {
  let result = [...bytes];
  for (const [at, byte, how] of steps) {
    const i = at % (result.length + 1);
    if (how === 'set') result[i] = byte;
    else if (how === 'insert') result.splice(i, 0, byte);
    else result = result.slice(0, i);
  }
  return Uint8Array.from(result);
}

describe('summaries and blocks as bytes', () => {
  it('gives back every summary', () => {
    fc.assert(
      fc.property(summaries, (summary) => {
        assert.deepEqual(decodeSummary(encodeSummary(summary)), summary);
      }),
      { numRuns: 200 },
    );
    assert.deepEqual(decodeSummary(encodeSummary(emptySummary())), emptySummary());
  });

  it('gives back the parts of a block in the order of their keys, from any order', () => {
    fc.assert(
      fc.property(blocks, (parts) => {
        const bytes = encodeBlock(parts);
        assert.deepEqual(decodeBlock(bytes), parts.toSorted(byKey));
        assert.deepEqual(encodeBlock(parts.toReversed()), bytes);
      }),
      { numRuns: 100 },
    );
  });

  it('gives the bytes of each summary as if it had been encoded alone', () => {
    fc.assert(
      fc.property(blocks, (parts) => {
        const read = decodeBlockEncoded(encodeBlock(parts));
        for (const { summary, encoded } of read) assert.deepEqual(encoded, encodeSummary(summary));
        assert.deepEqual(
          read.map(({ encoded: _encoded, ...part }) => part),
          parts.toSorted(byKey),
        );
      }),
      { numRuns: 200 },
    );
  });

  it('leaves series out, and nothing of them behind', () => {
    fc.assert(
      fc.property(blocks, fc.func(fc.boolean()), (parts, leaveOut) => {
        const gone = new Map(parts.map(({ series }) => [series, leaveOut(series)]));
        const bytes = encodeBlock(parts);
        const kept = parts.filter(({ series }) => gone.get(series) === false);
        const rest = blockWithout(bytes, (series) => gone.get(series)!);
        assert.deepEqual(rest, encodeBlock(kept));
        if (kept.length === parts.length) assert.equal(rest, bytes);
        if (kept.length === 0) assert.equal(rest.length, 0);
      }),
      { numRuns: 100 },
    );
  });

  it('reads no second encoding of anything: what mutated bytes still say has exactly these bytes', () => {
    let accepted = 0;
    fc.assert(
      fc.property(summaries, mutation, (summary, steps) => {
        const bytes = mutate(encodeSummary(summary), steps);
        const decoded = decodes(() => decodeSummary(bytes));
        if (decoded === undefined) return;
        accepted++;
        assert.deepEqual(encodeSummary(decoded), bytes);
      }),
      { numRuns: 1500 },
    );
    fc.assert(
      fc.property(blocks, mutation, (parts, steps) => {
        const bytes = mutate(encodeBlock(parts), steps);
        const decoded = decodes(() => decodeBlock(bytes));
        if (decoded !== undefined) assert.deepEqual(encodeBlock(decoded), bytes);
      }),
      { numRuns: 400 },
    );
    assert.ok(accepted > 0, 'no mutation was ever accepted, so nothing was tested');
  });

  it('compresses the columns of a large block, each by itself, and reads them back or refuses them', () => {
    const parts = Array.from({ length: 600 }, (_, i): Part => {
      const window = new WindowAccumulator();
      for (let k = 0; k < 8; k++) {
        const value = Math.round(100 * (20 + Math.sin(i * 7 + k * 3))) / 100;
        window.add({
          series: 's',
          time: 60_000 + k * 7_000,
          value,
          quality: 'good',
          clock: 'device',
          position: 8 * i + k,
        });
      }
      return { series: i + 1, windowStart: 60_000, summary: window.summary() };
    });
    const bytes = encodeBlock(parts);
    assert.deepEqual(decodeBlock(bytes), parts);
    assert.ok(bytes.length < deflateRawSync(parts.map(({ summary }) => encodeSummary(summary)).reduce(joined)).length);
    let refused = 0;
    for (let at = 0; at < bytes.length; at += 41) {
      const changed = Uint8Array.from(bytes);
      changed[at] ^= 1 << (at % 8);
      if (decodes(() => decodeBlock(changed)) === undefined) refused++;
    }
    assert.ok(refused > 20, `${refused} of the changed blocks were refused`);
  });

  it('refuses random bytes with a reason, and never anything worse', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.boolean(), (bytes, versioned) => {
        if (versioned && bytes.length > 0) bytes[0] = 1 + (bytes.length % 2);
        decodes(() => decodeSummary(bytes));
        decodes(() => decodeBlock(bytes));
      }),
      { numRuns: 2000 },
    );
  });

  it('refuses every block that is cut short', () => {
    const parts: Part[] = [1, 2, 3].map((series) => ({
      series,
      windowStart: 60_000,
      summary: decodeSummary(encodeSummary({ ...emptySummary(), bad: series })),
    }));
    const bytes = encodeBlock(parts);
    for (let length = 1; length < bytes.length; length++)
      assert.throws(() => decodeBlock(bytes.subarray(0, length)), { code: 'malformed' });
    assert.throws(() => decodeBlock(Uint8Array.of(...bytes, 0)), { code: 'malformed' });
  });

  it('is bounded: parts, bytes, and what a few bytes may announce', () => {
    assert.throws(() => decodeBlock(new Uint8Array((8 << 20) + 1)), { code: 'too-large' });
    assert.throws(() => decodeBlock(Uint8Array.of(3, 0xff, 0xff, 0xff, 0x7f)), { code: 'too-large' });
    const announced = new ByteWriter();
    for (const value of [3, 100_000, 0, 0, 26, ...Array<number>(26).fill(1), ...Array<number>(26).fill(0)])
      announced.uint(value);
    announced.append(new Uint8Array(26));
    assert.throws(() => decodeBlock(announced.finish()), { code: 'malformed', message: /100000 parts/ });
    const bomb = new ByteWriter();
    for (const value of [3, 1, 0, 0, 26, 9 << 20]) bomb.uint(value);
    bomb.append(new Uint8Array(60));
    assert.throws(() => decodeBlock(bomb.finish()), { code: 'malformed', message: /9437184 bytes of columns/ });
    assert.throws(() => decodeBlock(Uint8Array.of(2, 1)), { code: 'unknown-version' });
    assert.throws(() => decodeSummary(Uint8Array.of(9)), { code: 'unknown-version' });
    assert.throws(() => decodeSummary(new Uint8Array((1 << 18) + 1)), { code: 'too-large' });
    // Long runs of continuation bytes: an integer is given up after its longest length, not at the end of the block.
    const endless = new Uint8Array(1 << 20).fill(0xff);
    endless[0] = 3;
    assert.throws(() => decodeBlock(endless), { code: 'malformed' });
  });

  it('refuses two parts of one series and window in a block', () => {
    const part = { series: 1, windowStart: 60_000, summary: emptySummary() };
    assert.throws(() => encodeBlock([part, { ...part }]), { code: 'duplicate' });
  });

  it('carries 100,000 parts', () => {
    const summary = emptySummary();
    const parts = Array.from({ length: 100_000 }, (_, i) => ({ series: i + 1, windowStart: 60_000, summary }));
    assert.equal(decodeBlock(encodeBlock(parts)).length, 100_000);
    assert.throws(() => encodeBlock([...parts, { series: 100_001, windowStart: 0, summary }]), { code: 'too-large' });
  });
});
