/** Numbers and times in the browser's language (English outside of a browser). Times are epoch milliseconds and are shown in the browser's own zone. */
const language = typeof document === 'undefined' ? 'en' : navigator.language;

const integer = new Intl.NumberFormat(language, { maximumFractionDigits: 0 });
const significant = new Intl.NumberFormat(language, { maximumSignificantDigits: 5 });
const coarse = new Intl.NumberFormat(language, { maximumSignificantDigits: 3 });
const scientific = new Intl.NumberFormat(language, { notation: 'scientific', maximumSignificantDigits: 4 });
const percent = new Intl.NumberFormat(language, { style: 'percent', maximumSignificantDigits: 3 });
const clockTime = new Intl.DateTimeFormat(language, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const dayTime = new Intl.DateTimeFormat(language, {
  month: 'short',
  day: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
});
const fullTime = new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'medium' });
const relative = new Intl.RelativeTimeFormat(language, { numeric: 'always', style: 'long' });

export function count(value: number): string {
  return integer.format(value);
}

/** At most five significant digits; very large and very small ones in powers of ten. */
export function number(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e9 || size < 1e-4)) return scientific.format(value);
  return size >= 10_000 ? integer.format(value) : significant.format(value);
}

/** A quantile: three digits, because its error is one in a hundred. */
export function quantile(value: number): string {
  return coarse.format(value);
}

/** `21.4 °C`; words as they are; switches as on and off. */
export function value(of: number | boolean | string | null, unit: string | null, kind?: string): string {
  if (of === null) return '–';
  if (typeof of === 'boolean' || (kind === 'boolean' && typeof of === 'number')) return Number(of) === 0 ? 'off' : 'on';
  if (typeof of === 'string') return of;
  return unit === null || unit === '' ? number(of) : `${number(of)} ${unit}`;
}

/** `14:03:20` today, `3 Nov, 14:03` on another day. */
export function time(at: number, now: number): string {
  const sameDay = new Date(at).toDateString() === new Date(now).toDateString();
  return sameDay ? clockTime.format(at) : dayTime.format(at);
}

/** Date and time to the second, without the zone: for places where the zone is named beside. */
export function preciseTime(at: number): string {
  return fullTime.format(at);
}

/** 0.26 as `26 %`. */
export function share(of: number | null): string {
  return of === null ? '–' : percent.format(of);
}

export function exactTime(at: number): string {
  return `${fullTime.format(at)} (${zone(at)})`;
}

/** `12 seconds ago`. */
export function ago(at: number, now: number): string {
  const seconds = Math.round((now - at) / 1000);
  if (seconds < 2) return 'just now';
  if (seconds < 60) return relative.format(-seconds, 'second');
  if (seconds < 3600) return relative.format(-Math.round(seconds / 60), 'minute');
  if (seconds < 48 * 3600) return relative.format(-Math.round(seconds / 3600), 'hour');
  return relative.format(-Math.round(seconds / 86_400), 'day');
}

/** `40 s`, `12 min`, `5 h 20 min`, `3 d 4 h`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return seconds % 60 === 0 || minutes >= 10 ? `${minutes} min` : `${minutes} min ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return hours % 24 === 0 ? `${Math.floor(hours / 24)} d` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** `one series`, `12 series`. */
export function plural(n: number, one: string, many: string): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

/** The zone's name and its short form at a time: `Europe/Zurich, GMT+1`. */
export function zone(at: number): string {
  const name = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const short = new Intl.DateTimeFormat(language, { timeZoneName: 'short' })
    .formatToParts(at)
    .find((part) => part.type === 'timeZoneName')?.value;
  return short === undefined || short === name ? name : `${name}, ${short}`;
}

/** A series' path without its last step, and that step: `line1/pump3/` and `temperature`. */
export function splitSeries(series: string): { path: string; name: string } {
  const cut = series.lastIndexOf('/') + 1;
  return { path: series.slice(0, cut), name: series.slice(cut) };
}
