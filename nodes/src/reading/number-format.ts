import { Findings } from './metric.ts';
import { MAX_DIGITS, shape } from './number-range.ts';

const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;

/** Powers of ten that a double holds exactly. */
const POWERS = Array.from({ length: 16 }, (_, i) => 10 ** i);

/**
 * The number that a plain decimal text stands for, without making a string; NaN for anything else. Exact: a mantissa
 * below 10^15 and a power of ten up to 10^15 are both doubles, and one division rounds once (Clinger 1990, fast path).
 */
export function quickNumber(bytes: Uint8Array): number {
  const { length } = bytes;
  if (length === 0 || length > 17) return Number.NaN;
  let i = 0;
  const negative = bytes[0] === MINUS;
  if (negative) i = 1;
  let mantissa = 0;
  let digits = 0;
  let places = -1;
  for (; i < length; i++) {
    const byte = bytes[i];
    if (byte === DOT && places < 0 && digits > 0) {
      places = 0;
      continue;
    }
    const digit = byte - ZERO;
    if (digit < 0 || digit > 9) return Number.NaN;
    mantissa = mantissa * 10 + digit;
    digits++;
    if (places >= 0) places++;
  }
  if (digits === 0 || digits > 15 || places === 0) return Number.NaN;
  const value = places > 0 ? mantissa / POWERS[places] : mantissa;
  return negative ? 0 - value : value;
}

const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?$/;
const SWITCH = new Map<string, boolean>([
  ['true', true],
  ['false', false],
  ['on', true],
  ['off', false],
]);

/** The switch position that a word stands for. */
export function switchOf(text: string): boolean | undefined {
  return text.length <= 5 ? SWITCH.get(text.toLowerCase()) : undefined;
}

/** Whether a text is exactly one decimal number. */
export function isDecimal(text: string): boolean {
  return text.length <= 64 && DECIMAL.test(text);
}

/** Reads a payload that is one number or one switch position (`true`, `false`, `on`, `off`) and nothing else. */
export function readNumber(text: string): Findings {
  const findings = new Findings();
  const trimmed = text.trim();
  if (trimmed === '') return Findings.failed('empty', 'the payload holds nothing but white space');
  const position = switchOf(trimmed);
  if (position !== undefined) findings.add('', position);
  else if (!isDecimal(trimmed))
    findings.problem(
      'not-a-number',
      `the payload ${quote(trimmed)} is not a number; a bare number, true, false, on or off is`,
    );
  else {
    const { digits } = shape(trimmed);
    if (digits > MAX_DIGITS)
      findings.problem('too-precise', `the value has ${digits} digits; at most ${MAX_DIGITS} are kept, round it`);
    else findings.add('', Number(trimmed));
  }
  return findings;
}

/** The beginning of a text, fit for a sentence. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 39)}…` : text);
}
