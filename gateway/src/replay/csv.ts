import { TideError } from '@tidegate/nodes/node';

/** Longest line that is read, characters. */
export const MAX_LINE = 1 << 20;

/** Cells of one line of CSV (RFC 4180, without line breaks within a cell). */
export function cellsOf(line: string): string[] {
  if (!line.includes('"')) return line.split(',');
  const cells: string[] = [];
  for (const match of line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g))
    cells.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? '');
  return cells;
}

/** Metrics of a file, from its first line: `timestamp,value` or `timestamp` and one column for each. */
export function metricsOf(file: string, head: string): string[] {
  const [first, ...metrics] = cellsOf(head.replace(/^\uFEFF/, '')).map((cell) => cell.trim());
  if (!/^(timestamp|time|date|datetime|ts)$/i.test(first ?? '') || metrics.length === 0 || metrics.includes(''))
    throw new TideError(
      'csv',
      `${file}: line 1: found "${head.slice(0, 80)}", allowed: timestamp,value or timestamp and one named column for each metric`,
    );
  return metrics;
}

/**
 * Epoch milliseconds of a time as recordings write it: ISO 8601 (also with a space; UTC when it names no zone), or
 * seconds or milliseconds since 1970. Undefined when it is none of these.
 */
export function timeOf(text: string): number | undefined {
  const trimmed = text.trim();
  if (/^\d{9,11}(\.\d+)?$/.test(trimmed)) return Math.round(Number(trimmed) * 1000);
  if (/^\d{12,14}$/.test(trimmed)) return Number(trimmed);
  const parts = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?)\s*(Z|[+-]\d\d:?\d\d)?)?$/i.exec(
    trimmed,
  );
  if (parts === null) return undefined;
  const [, day, clock = '00:00', zone = 'Z'] = parts;
  const time = Date.parse(`${day}T${clock.replace(',', '.')}${zone.toUpperCase()}`);
  return Number.isNaN(time) ? undefined : time;
}

/** The value as a JSON number with the very digits of the file, or undefined when it is no number. */
export function numberText(text: string): string | undefined {
  const trimmed = text.trim();
  if (/^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(trimmed)) return trimmed;
  const value = trimmed === '' ? Number.NaN : Number(trimmed);
  return Number.isFinite(value) ? String(value) : undefined;
}
