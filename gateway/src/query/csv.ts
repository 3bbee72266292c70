import type { Reading } from '@tidegate/nodes/reading';
import type { SummaryRow } from '@tidegate/nodes/summary';
import type { SeriesAccount } from '@tidegate/nodes/sync';
import { DROPS } from '@tidegate/nodes/vault';

/**
 * CSV by RFC 4180: CRLF at the end of each line, a header, quotes where they are needed. Times are ISO 8601 in UTC with
 * milliseconds; what is absent is empty.
 */
const READING_COLUMNS: Record<string, (reading: Reading) => string> = {
  series: ({ series }) => text(series),
  time: ({ time }) => timeText(time),
  value: ({ value }) => (typeof value === 'string' ? text(value) : String(value)),
  unit: ({ unit }) => text(unit ?? ''),
  quality: ({ quality }) => quality,
  clock: ({ clock }) => clock,
  anomaly: ({ anomaly }) => String(anomaly ?? ''),
  stale: ({ stale }) => (stale === true ? 'true' : ''),
};

const number = (value: number | null): string => (value === null ? '' : String(value));
const either = (value: number | string | null): string => (typeof value === 'string' ? text(value) : number(value));

const SUMMARY_COLUMNS: Record<string, (row: SummaryRow) => string> = {
  series: ({ series }) => text(series),
  from: ({ from }) => timeText(from),
  to: ({ to }) => timeText(to),
  unit: ({ unit }) => text(unit ?? ''),
  count: ({ count }) => String(count),
  numeric: ({ numeric }) => String(numeric),
  sum: ({ sum }) => sum,
  mean: ({ mean }) => number(mean),
  min: ({ min }) => number(min),
  max: ({ max }) => number(max),
  first: ({ first }) => either(first),
  last: ({ last }) => either(last),
  p50: ({ p50 }) => number(p50),
  p95: ({ p95 }) => number(p95),
  p99: ({ p99 }) => number(p99),
  anomalies: ({ anomalies }) => String(anomalies),
  uncertain: ({ uncertain }) => String(uncertain),
  bad: ({ bad }) => String(bad),
};

const ACCOUNT_COLUMNS: Record<string, (row: SeriesAccount) => string> = {
  series: ({ series }) => text(series),
  resolution: ({ resolution }) => String(resolution),
  produced: ({ produced }) => String(produced),
  retained: ({ stale }) => String(stale),
  not_seen: ({ unseen }) => String(unseen),
  open: ({ open }) => String(open),
  withheld: ({ withheld }) => String(withheld),
  delivered: ({ delivered }) => String(delivered),
  waiting: ({ waiting }) => String(waiting),
  ...Object.fromEntries(
    DROPS.map((cause) => [`dropped_${cause}`, ({ dropped }: SeriesAccount) => String(dropped[cause] ?? 0)]),
  ),
  cloud: ({ cloud }) => (cloud === undefined ? '' : String(cloud)),
  adds_up: ({ adds }) => String(adds),
};

export const accountCsv = sheet(ACCOUNT_COLUMNS);
export const readingsCsv = sheet(READING_COLUMNS);
export const summariesCsv = sheet(SUMMARY_COLUMNS);

export interface Sheet<Row> {
  header: string;
  line(row: Row): string;
}

function sheet<Row>(columns: Record<string, (row: Row) => string>): Sheet<Row> {
  const cells = Object.values(columns);
  return {
    header: `${Object.keys(columns).join(',')}\r\n`,
    line: (row) => `${cells.map((cell) => cell(row)).join(',')}\r\n`,
  };
}

const FORMULA = /^[=+\-@\t\r]/;
const NUMBER = /^[+-]?\d+(\.\d+)?(e[+-]?\d+)?$/i;

/**
 * A cell with text that somebody else chose. A spreadsheet runs one that begins like a formula, so that it gets an
 * apostrophe in front (as OWASP's page on CSV injection advises); numbers are left as they are.
 */
export function text(value: string): string {
  const safe = FORMULA.test(value) && !NUMBER.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** What lies beyond the last date that ISO 8601 can write stays a number. */
function timeText(time: number): string {
  return Math.abs(time) <= 8.64e15 ? new Date(time).toISOString() : String(time);
}
