import type { Reading } from '../../reading/reading.ts';
import { lastSpanText, numberText, spanText, withUnit } from '../number-text.ts';
import { type Measure, scaleFloor, SHORT_SPAN } from './scale.ts';
import { SHORT_SIZE, type AutoState } from './state.ts';
import { medianOfNewest } from './sorted-window.ts';

/** The band that is called usual is this many scales to each side: Gaussian readings leave it once in 370. */
const BAND = 3;

/** Writes into the state why the alarm is open, in a technician's words, and the range that was expected. */
export function explain(s: AutoState, reading: Reading, measure: Measure, value: number, before: number): void {
  const slow = measure === 'level';
  const middle = slow ? s.longMedian : s.median;
  const band = BAND * finite(scaleFloor(s, slow ? s.longScale : s.scale), value);
  s.low = tidy(middle - band, band);
  s.high = tidy(middle + band, band);
  s.text = (measure === 'jump' ? jump : measure === 'level' ? level : measure === 'spread' ? spread : spike)(
    s,
    reading,
    value,
    before,
    band,
  );
}

function spike(s: AutoState, { unit }: Reading, value: number, _before: number, band: number): string {
  const distance = Math.abs(value - s.median);
  const far = distance > 3 * band ? 'far ' : '';
  const side = value >= s.median ? 'above' : 'below';
  const usual = `${numberText(s.median, band)} ± ${numberText(band, band)}`;
  return `${withUnit(numberText(value, band), unit)} is ${far}${side} ${usual}, usual for ${lastSpanText(shortSpan(s))}`;
}

function jump(s: AutoState, { unit }: Reading, value: number, before: number): string {
  const change = finite(scaleFloor(s, s.change), value);
  const usual = withUnit(numberText(change, change), unit);
  const to = withUnit(numberText(value, change), unit);
  return `jumped from ${numberText(before, change)} to ${to} within ${spanText(s.interval)}; it usually changes by ${usual}`;
}

function level(s: AutoState, { unit }: Reading, _value: number, _before: number, band: number): string {
  const now = medianOfNewest(s.short, 9);
  const to = withUnit(numberText(now, band), unit);
  const usual = `${numberText(s.longMedian, band)} ± ${numberText(band, band)}`;
  return `settled at ${to}, ${now >= s.longMedian ? 'above' : 'below'} ${usual}, usual for the last day`;
}

function spread(s: AutoState, { unit }: Reading, value: number): string {
  const now = finite(scaleFloor(s, s.scale), value);
  const usual = Math.exp(s.usualScale);
  const shown = (scale: number): string => `± ${withUnit(numberText(BAND * scale, BAND * scale), unit)}`;
  const still = now < usual;
  return `${still ? 'moves unusually little' : 'moves unusually much'}: ${shown(now)} over ${spanText(shortSpan(s))}, usually ${shown(usual)}`;
}

function shortSpan(s: AutoState): number {
  return Math.min(Math.max(SHORT_SPAN, SHORT_SIZE * s.interval), s.last - s.first);
}

function finite(scale: number, value: number): number {
  return Number.isFinite(scale) ? scale : Math.abs(value);
}

/** Rounded to a hundredth of the band, so that the range reads as numbers and not as noise. */
function tidy(value: number, band: number): number {
  if (!(band > 0)) return value;
  const unit = 10 ** Math.floor(Math.log10(band) - 2);
  return unit < 1e-15 ? value : Number((Math.round(value / unit) * unit).toPrecision(12));
}
