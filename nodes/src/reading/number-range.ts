/**
 * Numbers that Tidegate keeps: decimals of at most 17 digits with an exponent within ±18, so that sums of them are
 * exact decimals (docs/ingest.md). The decimal of a double is the shortest one that reads back as the same double.
 */
export const MAX_DIGITS = 17;
export const MAX_EXPONENT = 18;

export interface NumberProblem {
  code: 'not-a-number' | 'too-precise';
  reason: string;
}

/** Why `value` cannot be kept, or undefined when it can. */
export function numberProblem(value: number): NumberProblem | undefined {
  if (Number.isSafeInteger(value)) return undefined;
  if (!Number.isFinite(value)) return { code: 'not-a-number', reason: `is ${value}, which is no number` };
  const { digits, exponent } = shape(String(value));
  if (exponent < -MAX_EXPONENT)
    return {
      code: 'too-precise',
      reason: `is ${value}, with ${-exponent} decimal places; at most ${MAX_EXPONENT} are kept, round it`,
    };
  if (exponent > MAX_EXPONENT)
    return {
      code: 'too-precise',
      reason: `is ${value}; the largest number kept is a decimal of ${MAX_DIGITS} digits times 1e${MAX_EXPONENT}`,
    };
  if (digits > MAX_DIGITS)
    return {
      code: 'too-precise',
      reason: `is ${value}, with ${digits} digits; at most ${MAX_DIGITS} are kept, round it`,
    };
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
