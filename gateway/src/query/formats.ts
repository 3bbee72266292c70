import type { Reading } from '@tidegate/nodes/reading';
import type { SummaryRow } from '@tidegate/nodes/summary';

import { readingsCsv, type Sheet, summariesCsv } from './csv.ts';

export const FORMATS = ['csv', 'json', 'ndjson'] as const;
export type Format = (typeof FORMATS)[number];

/**
 * Rows as text, a page at a time. What has to come before the first row comes together with it, so that an answer which
 * cannot begin writes nothing.
 */
export function formatted(
  pages: AsyncIterable<readonly object[]>,
  format: Format,
  kind: 'readings' | 'summaries',
): AsyncGenerator<string> {
  if (format === 'ndjson') return ndjson(pages);
  if (format === 'json') return json(pages);
  return kind === 'readings'
    ? csv(pages as AsyncIterable<readonly Reading[]>, readingsCsv)
    : csv(pages as AsyncIterable<readonly SummaryRow[]>, summariesCsv);
}

async function* csv<Row>(pages: AsyncIterable<readonly Row[]>, sheet: Sheet<Row>): AsyncGenerator<string> {
  let { header } = sheet;
  for await (const page of pages) {
    yield header + page.map((row) => sheet.line(row)).join('');
    header = '';
  }
  if (header !== '') yield header;
}

async function* ndjson(pages: AsyncIterable<readonly object[]>): AsyncGenerator<string> {
  for await (const page of pages) yield page.map((row) => `${JSON.stringify(row)}\n`).join('');
}

/** One array, a row on each line. An answer that broke off lacks its closing bracket. */
async function* json(pages: AsyncIterable<readonly object[]>): AsyncGenerator<string> {
  let before = '[\n';
  for await (const page of pages) {
    if (page.length === 0) continue;
    yield before + page.map((row) => JSON.stringify(row)).join(',\n');
    before = ',\n';
  }
  yield before === '[\n' ? '[]\n' : '\n]\n';
}
