/** Numbers as a technician would write them: no more digits than tell the value from what is usual. */

/** `value` with the digits that its `spread` gives meaning to (two digits of the spread), e.g. 21.4371 with spread 0.6 is `21.44`. */
export function numberText(value: number, spread = 0): string {
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e9 || size < 1e-6) return value.toExponential(2).replace('e+', 'e');
  const telling = spread > 0 && Number.isFinite(spread) ? 1 - exponentOf(spread) : 2 - exponentOf(size);
  const digits = Math.min(6, Math.max(0, telling));
  const text = value.toFixed(digits);
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

function exponentOf(size: number): number {
  return Math.floor(Math.log10(size));
}

/** A number as it was set or measured, to at most seven digits. */
export function exactText(value: number): string {
  return String(Number(value.toPrecision(7)));
}

/** A number with its unit, `38.2 °C`. */
export function withUnit(text: string, unit: string | undefined): string {
  return unit === undefined || unit === '' ? text : `${text} ${unit}`;
}

/** A span of time in the unit in which people would say it. */
export function spanText(seconds: number): string {
  const units: [size: number, one: string, many: string][] = [
    [86_400, 'day', 'days'],
    [3600, 'hour', 'hours'],
    [60, 'minute', 'minutes'],
  ];
  for (const [size, one, many] of units) {
    if (seconds >= 0.95 * size) {
      const count = seconds / size;
      const text = count < 9.5 ? count.toFixed(1).replace(/\.0$/, '') : String(Math.round(count));
      return text === '1' ? `1 ${one}` : `${text} ${many}`;
    }
  }
  const text = numberText(Math.round(seconds * 10) / 10);
  return text === '1' ? '1 second' : `${text} seconds`;
}

/** `the last hour`, `the last 10 minutes`. */
export function lastSpanText(seconds: number): string {
  return `the last ${spanText(seconds).replace(/^1 /, '')}`;
}
