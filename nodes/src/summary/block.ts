import { TideError } from '../node/errors.ts';
import { BLOCK_VERSION } from '../vault/budget/block-windows.ts';
import { packColumns, unpackColumns } from './columns.ts';
import { FIELDS, fieldsOf, type Base } from './fields.ts';
import { SummaryCopy } from './summary-copy.ts';
import { readSummary } from './summary-reader.ts';
import { writeSummary } from './summary-writer.ts';
import type { Part, Summary } from './summary.ts';
import { ByteReader, ByteWriter } from './varint.ts';

export const MAX_BLOCK_PARTS = 100_000;
export const MAX_BLOCK_BYTES = 8 << 20;
const COLUMNS = ['series', 'windows', ...FIELDS].map((name) => `column ${name} of a block`);

/**
 * The body of a block: parts of one stream in order of (series, window start), field by field, because what is alike
 * compresses well side by side. Layout: version byte, number of parts, the earliest window, how much later the latest one
 * is, the columns (columns.ts): series, window starts, then the fields of fields.ts. No parts are no bytes: that is the
 * body of a block whose series have all lost their grant. Throws when two parts have the same series and window.
 */
export function encodeBlock(parts: readonly Part[]): Uint8Array {
  if (parts.length === 0) return new Uint8Array(0);
  if (parts.length > MAX_BLOCK_PARTS)
    throw new TideError('too-large', `a block of ${parts.length} parts; at most ${MAX_BLOCK_PARTS} are allowed`);
  const sorted = parts.toSorted((a, b) => a.series - b.series || a.windowStart - b.windowStart);
  const series = new ByteWriter(parts.length + 8);
  const windows = new ByteWriter(parts.length + 8);
  const fields = fieldsOf(() => new ByteWriter(parts.length + 8));
  let before = { series: 0, windowStart: 0, position: 0, span: 0 };
  for (const part of sorted) {
    if (part.series === before.series && part.windowStart <= before.windowStart)
      throw new TideError(
        'duplicate',
        `two parts of series ${part.series} and window ${part.windowStart} in one block`,
      );
    series.uint(part.series - before.series);
    windows.int(part.windowStart - before.windowStart);
    writeSummary(fields, part.summary, { ...before, time: part.windowStart });
    before = { series: part.series, windowStart: part.windowStart, ...endsOf(part.summary, before) };
  }
  const columns = [series, windows, ...FIELDS.map((field) => fields[field])].map((column) => column.view());
  const [earliest, latest] = spanOf(parts);
  const body = new ByteWriter(columns.reduce((bytes, column) => bytes + column.length + 8, 32));
  body.byte(BLOCK_VERSION);
  body.uint(parts.length);
  body.int(earliest);
  body.uint(latest - earliest);
  packColumns(body, columns);
  if (body.length > MAX_BLOCK_BYTES)
    throw new TideError('too-large', `a block of ${body.length} bytes; at most ${MAX_BLOCK_BYTES} are allowed`);
  return body.finish();
}

/**
 * The parts of a block, in order of (series, window start). Takes time and memory in proportion to the bytes; throws
 * TideError `malformed`, `too-large` or `unknown-version` for anything that encodeBlock would not have written.
 */
export function decodeBlock(bytes: Uint8Array): Part[] {
  if (bytes.length === 0) return [];
  const parts: Part[] = [];
  readParts(openBlock(bytes), undefined, (part) => void parts.push(part));
  return parts;
}

/** A part, and its summary as `encodeSummary` writes it. */
export interface EncodedPart extends Part {
  encoded: Uint8Array;
}

/** As `decodeBlock`, for who stores the summaries one by one. */
export function decodeBlockEncoded(bytes: Uint8Array): EncodedPart[] {
  if (bytes.length === 0) return [];
  const parts: EncodedPart[] = [];
  const opened = openBlock(bytes);
  const copy = new SummaryCopy(opened.rest);
  readParts(opened, copy, ({ series, windowStart, summary }) =>
    parts.push({ series, windowStart, summary, encoded: copy.finish(summary) }),
  );
  return parts;
}

/** Hands out each part when it is read; `copy` is told before. */
function readParts(
  { body, count, earliest, latest, series, windows, rest }: ReturnType<typeof openBlock>,
  copy: SummaryCopy | undefined,
  take: (part: Part) => void,
): void {
  const fields = fieldsOf((field) => rest[FIELDS.indexOf(field)]);
  let [first, last] = [Infinity, -Infinity];
  let before = { series: 0, windowStart: 0, position: 0, span: 0 };
  for (let i = 0; i < count; i++) {
    const step = series.uint();
    const number = before.series + step;
    const windowStart = before.windowStart + windows.int();
    if (number < 1 || !Number.isSafeInteger(number)) series.fail(`${number} is not the number of a series`);
    if (!Number.isSafeInteger(windowStart)) windows.fail(`${windowStart} is not a time`);
    if (step === 0 && windowStart <= before.windowStart) windows.fail('windows of a series are not ascending');
    copy?.begin();
    const summary = readSummary(fields, { ...before, time: windowStart });
    first = Math.min(first, windowStart);
    last = Math.max(last, windowStart);
    take({ series: number, windowStart, summary });
    before = { series: number, windowStart, ...endsOf(summary, before) };
  }
  for (const column of [series, windows, ...rest]) column.end();
  if (first !== earliest || last !== latest)
    body.fail(`its windows begin at ${first} to ${last}; it says ${earliest} to ${latest}`);
}

/** Head and columns of a block; nothing of the columns is read yet. */
function openBlock(bytes: Uint8Array) {
  if (bytes.length > MAX_BLOCK_BYTES)
    throw new TideError('too-large', `a block of ${bytes.length} bytes; at most ${MAX_BLOCK_BYTES} are read`);
  const body = new ByteReader(bytes, 'block');
  const version = body.byte();
  if (version !== BLOCK_VERSION)
    throw new TideError('unknown-version', `a block of version ${version}; version ${BLOCK_VERSION} is read`);
  const count = body.uint();
  if (count > MAX_BLOCK_PARTS)
    throw new TideError('too-large', `a block of ${count} parts; at most ${MAX_BLOCK_PARTS} are read`);
  if (count === 0) body.fail('no parts');
  const earliest = body.int();
  const latest = earliest + body.uint();
  const [series, windows, ...rest] = unpackColumns(body, COLUMNS, MAX_BLOCK_BYTES);
  body.end();
  // A part takes a byte at least in each of several columns.
  if (count > series.remaining) body.fail(`${count} parts and ${series.remaining} bytes of series`);
  return { body, count, earliest, latest, series, windows, rest };
}

/** Numbers of the series that a block has parts of, without a look at the parts themselves. */
function seriesOf(bytes: Uint8Array): Set<number> {
  const { count, series } = openBlock(bytes);
  const found = new Set<number>();
  let number = 0;
  for (let i = 0; i < count; i++) {
    number += series.uint();
    if (number < 1 || !Number.isSafeInteger(number)) series.fail(`${number} is not the number of a series`);
    found.add(number);
  }
  series.end();
  return found;
}

/** What the next part's position and span are counted from: neighbours are alike. */
function endsOf({ first, last }: Summary, before: Omit<Base, 'time'>): Omit<Base, 'time'> {
  if (first === undefined || last === undefined) return { position: before.position, span: before.span };
  return { position: first.position, span: last.time - first.time };
}

/** Begin of the earliest window and of the latest one. */
function spanOf(parts: readonly Part[]): [earliest: number, latest: number] {
  let [earliest, latest] = [Infinity, -Infinity];
  for (const { windowStart } of parts) {
    if (windowStart < earliest) earliest = windowStart;
    if (windowStart > latest) latest = windowStart;
  }
  return [earliest, latest];
}

/**
 * The block without the parts of the series for which `leaveOut` is true; the same object when none is. Decodes the parts
 * only where some have to go.
 */
export function blockWithout(bytes: Uint8Array, leaveOut: (series: number) => boolean): Uint8Array {
  if (bytes.length === 0 || ![...seriesOf(bytes)].some(leaveOut)) return bytes;
  return encodeBlock(decodeBlock(bytes).filter(({ series }) => !leaveOut(series)));
}
