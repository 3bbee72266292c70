import { TideError } from '../node/errors.ts';
import { LEAST_MAGNITUDE, MAX_DIGITS, MOST_MAGNITUDE } from '../reading/number-range.ts';

/** An exact decimal number: mantissa times ten to the exponent; canonical when the mantissa has no trailing zero. */
export interface Decimal {
  mantissa: bigint;
  exponent: number;
}

/** Most decimal places that a value can have: those of the smallest one with the most digits. */
export const MAX_PLACES = MAX_DIGITS - 1 - LEAST_MAGNITUDE;

export const ZERO: Decimal = Object.freeze({ mantissa: 0n, exponent: 0 });

/** Powers of ten that a binary64 number holds exactly. */
export const EXACT_POWERS: readonly number[] = Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`));

const powers: bigint[] = [];
export function powerOfTen(exponent: number): bigint {
  return (powers[exponent] ??= 10n ** BigInt(exponent));
}

/** Decimals of at most 15 digits and binary64 numbers correspond one to one (IEEE 754; David Gay, 1990). */
export const EXACT_MANTISSA = 1e15;

/**
 * The shortest decimal that reads back as `value` (ECMA-262, Number::toString): what the sensor wrote, when it wrote at
 * most 15 digits. Throws TideError `not-a-decimal` for a value with no such decimal within the limits above.
 */
export function decimalOf(value: number): Decimal {
  // Tried from the fewest digits on, m / 10^s is correctly rounded, so that equality means "reads back".
  for (let scale = 0; scale <= 9; scale++) {
    const mantissa = Math.round(value * EXACT_POWERS[scale]);
    if (Math.abs(mantissa) >= EXACT_MANTISSA) break;
    if (mantissa / EXACT_POWERS[scale] === value)
      return scale > 0 ? { mantissa: BigInt(mantissa), exponent: -scale } : canonical(BigInt(mantissa), 0);
  }
  return decimalOfText(value);
}

function decimalOfText(value: number): Decimal {
  if (!Number.isFinite(value)) throw new TideError('not-a-decimal', `${value} is not a finite number`);
  const decimal = parseDecimal(String(value));
  const digits = String(decimal.mantissa).length - (decimal.mantissa < 0n ? 1 : 0);
  const magnitude = digits + decimal.exponent - 1;
  if (magnitude < LEAST_MAGNITUDE || magnitude > MOST_MAGNITUDE)
    throw new TideError(
      'not-a-decimal',
      `${value} is neither zero nor from 1e${LEAST_MAGNITUDE} to below 1e${MOST_MAGNITUDE + 1} in magnitude`,
    );
  return decimal;
}

/** Reads plain or scientific notation, e.g. `-12.50` or `1.5e-7`; at most 256 characters. */
export function parseDecimal(text: string): Decimal {
  const match = text.length <= 256 ? /^([+-]?)(\d+)(?:\.(\d+))?(?:e([+-]?\d{1,4}))?$/i.exec(text) : null;
  if (match === null)
    throw new TideError('not-a-decimal', `"${text.slice(0, 40)}" is not a decimal; write for example -12.5 or 1.5e-7`);
  const [, sign, whole, fraction = '', exponent = '0'] = match;
  const mantissa = BigInt(whole + fraction);
  return canonical(sign === '-' ? -mantissa : mantissa, Number(exponent) - fraction.length);
}

/** The same number with no trailing zero in its mantissa. */
export function canonical(mantissa: bigint, exponent: number): Decimal {
  if (mantissa === 0n) return { mantissa, exponent: 0 };
  let m = mantissa;
  let e = exponent + 0; // not -0
  // Most sums fit in a safe integer, where the remainder costs a tenth of a big one's.
  if (m <= BigInt(Number.MAX_SAFE_INTEGER) && m >= -BigInt(Number.MAX_SAFE_INTEGER)) {
    let small = Number(m);
    if (small % 10 !== 0) return { mantissa: m, exponent: e };
    for (; small % 10 === 0; e++) small /= 10;
    return { mantissa: BigInt(small), exponent: e };
  }
  for (; m % 10n === 0n; e++) m /= 10n;
  return { mantissa: m, exponent: e };
}

/** The mantissa of a decimal at an exponent that is not above its own. */
export function mantissaAt(decimal: Decimal, exponent: number): bigint {
  const shift = decimal.exponent - exponent;
  return shift === 0 || decimal.mantissa === 0n ? decimal.mantissa : decimal.mantissa * powerOfTen(shift);
}

export function addDecimals(a: Decimal, b: Decimal): Decimal {
  if (a.mantissa === 0n) return b;
  if (b.mantissa === 0n) return a;
  const exponent = Math.min(a.exponent, b.exponent);
  return canonical(mantissaAt(a, exponent) + mantissaAt(b, exponent), exponent);
}

/** Negative, zero or positive, as `a` is below, equal to or above `b`. */
export function compareDecimals(a: Decimal, b: Decimal): number {
  const exponent = Math.min(a.exponent, b.exponent);
  const left = mantissaAt(a, exponent);
  const right = mantissaAt(b, exponent);
  return left < right ? -1 : left > right ? 1 : 0;
}

/** The binary64 number nearest to the decimal. */
export function decimalToNumber({ mantissa, exponent }: Decimal): number {
  const small = Number(mantissa);
  if (Number.isSafeInteger(small) && exponent >= -22 && exponent <= 22)
    // One correctly rounded operation on two exact numbers (Clinger's fast path, 1990).
    return exponent < 0 ? small / EXACT_POWERS[-exponent] : small * EXACT_POWERS[exponent];
  return Number(`${mantissa}e${exponent}`);
}

/** Plain notation, e.g. `-0.05` or `120000`. */
export function decimalToString({ mantissa, exponent }: Decimal): string {
  if (exponent >= 0) return String(mantissa * powerOfTen(exponent));
  const digits = String(mantissa < 0n ? -mantissa : mantissa).padStart(1 - exponent, '0');
  return `${mantissa < 0n ? '-' : ''}${digits.slice(0, exponent)}.${digits.slice(exponent)}`;
}
