import assert from 'node:assert/strict';
import fc from 'fast-check';
import { mergeSketch, quantile, RELATIVE_ERROR, WindowAccumulator, type Sketch } from '@tidegate/nodes/summary';
import {
  addToSketch,
  bucketOf,
  bucketValue,
  emptySketch,
  HIGHEST_BUCKET,
  LOWEST_BUCKET,
} from '../../../nodes/src/summary/sketch.ts';

const sketchOf = (values: readonly number[]): Sketch => {
  const sketch = emptySketch();
  for (const value of values) addToSketch(sketch, value);
  return sketch;
};

describe('sketch', () => {
  it('puts every magnitude of its range into a bucket whose value is within one per cent', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-18, max: 1e35, noNaN: true }), (value) => {
        const bucket = bucketOf(value);
        assert.ok(bucket >= LOWEST_BUCKET && bucket <= HIGHEST_BUCKET);
        assert.ok(Math.abs(bucketValue(bucket) - value) <= value * RELATIVE_ERROR * (1 + 1e-9));
      }),
      { numRuns: 500 },
    );
    for (const value of [1e-18, 1, 1e35]) assert.ok(Math.abs(bucketValue(bucketOf(value)) / value - 1) <= 0.0100001);
    assert.throws(() => bucketOf(1e-20), { code: 'not-a-decimal' });
    assert.throws(() => bucketOf(1e37), { code: 'not-a-decimal' });
  });

  it('keeps its bucket bounds: they are part of the format', () => {
    assert.deepEqual(
      [1, 1.0202, 1.0203, 0.98, 20, 21.37, 1e-18, 9.99e34].map((value) => bucketOf(value)),
      [0, 1, 2, -1, 150, 154, -2072, 4030],
    );
  });

  it('holds magnitudes in order', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-18, max: 1e34, noNaN: true }), (value) => {
        assert.ok(bucketOf(value) <= bucketOf(value * 1.001));
      }),
    );
  });

  it('merges by adding counts, also of negative numbers and zeros', () => {
    const values = [-3, -3, -0.5, 0, 0, 0, 2, 7, 7, 7, 1000];
    const merged = sketchOf(values.slice(0, 4));
    mergeSketch(merged, sketchOf(values.slice(4)));
    assert.deepEqual(merged, sketchOf(values));
    for (const [q, exact] of [
      [0, -3],
      [0.2, -0.5],
      [0.5, 0],
      [0.8, 7],
      [1, 1000],
    ] as const)
      assert.ok(Math.abs(quantile(merged, q)! - exact) <= Math.abs(exact) * RELATIVE_ERROR, `${q}`);
  });

  it('has no quantile without numbers, and none outside of 0 to 1', () => {
    assert.equal(quantile(emptySketch(), 0.5), undefined);
    for (const q of [-0.1, 1.1, Number.NaN]) assert.throws(() => quantile(sketchOf([1]), q), RangeError);
  });

  it('never leaves the range of the summary', () => {
    const window = new WindowAccumulator();
    for (const [i, value] of [20.37, 20.38].entries())
      window.add({ series: 's', time: i, value, quality: 'good', clock: 'device', position: i + 1 });
    const summary = window.summary();
    assert.equal(quantile(summary, 0), 20.37);
    assert.ok(quantile(summary, 1)! <= 20.38 && quantile(summary, 1)! >= 20.37);
  });
});
