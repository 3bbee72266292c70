import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  addDecimals,
  compareDecimals,
  decimalOf,
  decimalToNumber,
  decimalToString,
  parseDecimal,
} from '@tidegate/nodes/summary';

describe('decimal', () => {
  it('is the shortest decimal that reads back', () => {
    for (const [value, mantissa, exponent] of [
      [21.5, 215n, -1],
      [0.1, 1n, -1],
      [-0.05, -5n, -2],
      [100, 1n, 2],
      [0, 0n, 0],
      [-0, 0n, 0],
      [1e-18, 1n, -18],
      [1.5e18, 15n, 17],
      [0.1 + 0.2, 30000000000000004n, -17],
      [2 ** 53, 9007199254740992n, 0],
      [123456789.123456, 123456789123456n, -6],
    ] as const)
      assert.deepEqual(decimalOf(value), { mantissa, exponent }, String(value));
  });

  it('refuses what is no decimal within the limits, and says which', () => {
    for (const value of [Number.NaN, Infinity, -Infinity, 1e-19, 5e-324, 1e36, 1.7976931348623157e308])
      assert.throws(() => decimalOf(value), {
        code: 'not-a-decimal',
        message: new RegExp(String(value).replace('+', '\\+')),
      });
    for (const text of ['', '.', '1.', '0x10', '1e99999', ' 1', '1,5', '9'.repeat(257)])
      assert.throws(() => parseDecimal(text), { code: 'not-a-decimal' });
  });

  it('reads back, prints in plain notation, and compares as the numbers do', () => {
    const number = fc
      .tuple(fc.bigInt({ min: -(10n ** 15n) + 1n, max: 10n ** 15n - 1n }), fc.integer({ min: -18, max: 18 }))
      .map(([mantissa, exponent]) => Number(`${mantissa}e${exponent}`));
    fc.assert(
      fc.property(number, number, (a, b) => {
        const decimal = decimalOf(a);
        assert.equal(decimalToNumber(decimal), a + 0);
        assert.match(decimalToString(decimal), /^-?\d+(\.\d*[1-9])?$/);
        assert.equal(Number(decimalToString(decimal)), a + 0);
        assert.deepEqual(parseDecimal(decimalToString(decimal)), decimal);
        assert.equal(compareDecimals(decimal, decimalOf(b)), Math.sign(a - b) + 0);
        assert.deepEqual(addDecimals(addDecimals(decimal, decimalOf(b)), decimalOf(-a)), decimalOf(b));
      }),
      { numRuns: 300 },
    );
  });

  it('takes what a calculation leaves, with all its places', () => {
    assert.deepEqual(decimalOf(1 / 300), { mantissa: 33333333333333335n, exponent: -19 });
    assert.deepEqual(decimalOf(1 / 3e8), { mantissa: 33333333333333334n, exponent: -25 });
  });

  it('agrees with the slow road for every double it takes', () => {
    fc.assert(
      fc.property(fc.double({ min: -1e12, max: 1e12, noNaN: true }), (value) => {
        const parsed = parseDecimal(String(value));
        if (value !== 0 && Math.abs(value) < 1e-18) assert.throws(() => decimalOf(value), { code: 'not-a-decimal' });
        else assert.deepEqual(decimalOf(value), parsed);
      }),
      { numRuns: 500 },
    );
  });
});
