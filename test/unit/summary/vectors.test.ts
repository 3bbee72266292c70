import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { decimalToString } from '../../../nodes/src/summary/decimal.ts';
import { StateTrace } from '../../../nodes/src/summary/states.ts';
import {
  WindowAccumulator,
  decodeBlock,
  decodeSummary,
  encodeBlock,
  encodeSummary,
  foldSummaries,
  statesOf,
  type Summary,
} from '@tidegate/nodes/summary';

const hex = z.string().regex(/^([0-9a-f]{2})+$/);
const buckets = z.array(z.tuple([z.number(), z.number()]));
const timed = z.object({ time: z.number(), position: z.number(), value: z.union([z.number(), z.string()]) });
const summary = z.object({
  count: z.number(),
  numeric: z.number(),
  unit: z.string().nullable(),
  mixed: z.boolean(),
  sum: z.string(),
  squares: z.string(),
  min: z.number().nullable(),
  max: z.number().nullable(),
  first: timed.nullable(),
  last: timed.nullable(),
  anomalies: z.number(),
  uncertain: z.number(),
  bad: z.number(),
  changes: z.number(),
  states: z.array(z.tuple([z.union([z.boolean(), z.string()]), z.number()])),
  sketch: z.object({ width: z.number(), unknown: z.boolean(), zero: z.number(), positive: buckets, negative: buckets }),
});
const reading = z.object({
  time: z.number(),
  position: z.number(),
  value: z.union([z.number(), z.boolean(), z.string()]),
  quality: z.enum(['uncertain', 'bad']).optional(),
  anomaly: z.number().optional(),
  unit: z.string().optional(),
});
const file = z.object({
  summaries: z.array(
    z.object({ name: z.string(), width: z.number(), readings: z.array(reading), summary, bytes: hex }),
  ),
  fold: z.object({ of: z.array(z.string()), bytes: hex }),
  block: z.object({
    parts: z.array(z.object({ series: z.number(), windowStart: z.number(), summary: z.string() })),
    body: hex,
  }),
  packed: z.object({ count: z.number(), body: hex, fold: hex }),
});

const vectors = file.parse(
  JSON.parse(readFileSync(path.join(import.meta.dirname, '../../vectors/summaries.json'), 'utf8')),
);
const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));
const text = (raw: Uint8Array): string => Buffer.from(raw).toString('hex');
const sorted = (counts: ReadonlyMap<number, number>): [number, number][] => [...counts].toSorted(([a], [b]) => a - b);

function shown(of: Summary): z.infer<typeof summary> {
  const { sketch, states, ...rest } = of;
  return {
    ...rest,
    unit: of.unit ?? null,
    sum: decimalToString(of.sum),
    squares: decimalToString(of.squares),
    min: of.min ?? null,
    max: of.max ?? null,
    first: of.first ?? null,
    last: of.last ?? null,
    states: statesOf(states)!.map(({ state, milliseconds }) => [state, milliseconds]),
    sketch: { ...sketch, positive: sorted(sketch.positive), negative: sorted(sketch.negative) },
  };
}

function summed(readings: readonly z.infer<typeof reading>[], width: number): Summary {
  const window = new WindowAccumulator(width);
  const trace = new StateTrace();
  for (const { quality = 'good', anomaly, unit, ...one } of readings)
    window.add(
      {
        ...one,
        series: 's',
        clock: 'device',
        quality,
        ...(anomaly !== undefined && { anomaly }),
        ...(unit !== undefined && { unit }),
      },
      quality === 'bad' ? undefined : trace.next(one.time, one.value),
    );
  return window.summary();
}

const named = (name: string): Summary => {
  const found = vectors.summaries.find((one) => one.name === name);
  assert.ok(found !== undefined, `no summary is called ${name}`);
  return decodeSummary(bytes(found.bytes));
};

describe('vectors of summaries and blocks', () => {
  for (const vector of vectors.summaries)
    it(vector.name, () => {
      assert.deepEqual(shown(decodeSummary(bytes(vector.bytes))), vector.summary);
      const found = summed(vector.readings, vector.width);
      assert.deepEqual(shown(found), vector.summary);
      assert.equal(text(encodeSummary(found)), vector.bytes);
    });

  it('two fold to one', () => {
    assert.equal(text(encodeSummary(foldSummaries(vectors.fold.of.map(named)))), vectors.fold.bytes);
  });

  it('parts make a block', () => {
    const parts = vectors.block.parts.map((part) => ({ ...part, summary: named(part.summary) }));
    assert.equal(text(encodeBlock(parts)), vectors.block.body);
    assert.deepEqual(decodeBlock(bytes(vectors.block.body)), parts);
  });

  it('a block of compressed columns is read', () => {
    const parts = decodeBlock(bytes(vectors.packed.body));
    assert.equal(parts.length, vectors.packed.count);
    assert.equal(text(encodeSummary(foldSummaries(parts.map((part) => part.summary)))), vectors.packed.fold);
  });
});
