import assert from 'node:assert/strict';
import fc from 'fast-check';
import { shortestFloat32 } from '../../../nodes/src/reading/float32.ts';
import { quickNumber } from '../../../nodes/src/reading/number-format.ts';
import { numberProblem } from '../../../nodes/src/reading/number-range.ts';

const quick = (text: string) => quickNumber(Buffer.from(text));

describe('quickNumber', () => {
  it('reads what it reads exactly as Number does', () => {
    const decimal = fc
      .tuple(fc.boolean(), fc.integer({ min: 0, max: 999_999_999 }), fc.option(fc.stringMatching(/^\d{1,6}$/)))
      .map(([minus, whole, fraction]) => `${minus ? '-' : ''}${whole}${fraction === null ? '' : `.${fraction}`}`);
    fc.assert(
      fc.property(decimal, (text) => {
        assert.equal(quick(text), Number(text) + 0, text);
      }),
      { numRuns: 2000 },
    );
  });

  it('leaves everything else to the thorough reader', () => {
    for (const text of ['', '-', '.', '1.', '.5', '+1', '1e3', ' 1', '1 ', '1.2.3', '12345678901234567', 'NaN', '١'])
      assert.ok(Number.isNaN(quick(text)), JSON.stringify(text));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 20 }), (bytes) => {
        const value = quickNumber(bytes);
        if (!Number.isNaN(value)) assert.equal(value, Number(Buffer.from(bytes).toString()) + 0);
      }),
      { numRuns: 2000 },
    );
  });

  it('never yields a number that cannot be kept, nor a negative zero', () => {
    assert.ok(Object.is(quick('-0'), 0));
    fc.assert(
      fc.property(fc.stringMatching(/^-?\d{1,9}\.\d{1,6}$/), (text) => {
        const value = quick(text);
        if (!Number.isNaN(value)) assert.equal(numberProblem(value), undefined, text);
      }),
    );
  });
});

describe('shortestFloat32', () => {
  it('reads back as the same float32, and is what the sensor wrote', () => {
    assert.equal(shortestFloat32(Math.fround(21.3)), 21.3);
    assert.equal(shortestFloat32(Math.fround(0.1)), 0.1);
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
        assert.equal(Math.fround(shortestFloat32(value)), value);
      }),
      { numRuns: 2000 },
    );
  });
});
