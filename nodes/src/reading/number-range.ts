/**
 * Numbers that Tidegate keeps: zero, and decimals from 1e-18 to below 1e35 in magnitude, so that sums of them are exact
 * decimals of bounded length (docs/ingest.md). The decimal of a double is the shortest one that reads back as the same
 * double; it never has more than 17 digits (ECMA-262, Number::toString).
 */
export const MAX_DIGITS = 17;
/** Powers of ten of the first digit. */
export const LEAST_MAGNITUDE = -18;
export const MOST_MAGNITUDE = 34;

export interface NumberProblem {
  code: 'not-a-number' | 'too-precise';
  reason: string;
}

/** Why `value` cannot be kept, or undefined when it can. */
export function numberProblem(value: number): NumberProblem | undefined {
  if (Number.isSafeInteger(value)) return undefined;
  if (!Number.isFinite(value)) return { code: 'not-a-number', reason: `is ${value}, which is no number` };
  const { digits, exponent } = shape(String(value));
  if (digits === 0) return undefined;
  const magnitude = digits + exponent - 1;
  if (magnitude < LEAST_MAGNITUDE)
    return {
      code: 'too-precise',
      reason: `is ${value}; the smallest number kept beside zero is 1e${LEAST_MAGNITUDE}, round it`,
    };
  if (magnitude > MOST_MAGNITUDE)
    return { code: 'too-precise', reason: `is ${value}; numbers are kept below 1e${MOST_MAGNITUDE + 1}` };
  return undefined;
}

/** Digits and exponent of a decimal text as canonical mantissa times ten to the exponent. */
export function shape(text: string): { digits: number; exponent: number } {
  const [, whole = '', fraction = '', power = '0'] = /^[+-]?(\d*)\.?(\d*)(?:[eE]([+-]?\d+))?$/.exec(text) ?? [];
  const all = (whole + fraction).replace(/^0+/, '');
  const mantissa = all.replace(/0+$/, '');
  if (mantissa === '') return { digits: 0, exponent: 0 };
  return { digits: mantissa.length, exponent: Number(power) - fraction.length + (all.length - mantissa.length) };
}
