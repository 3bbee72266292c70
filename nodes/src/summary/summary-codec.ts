import { TideError } from '../node/errors.ts';
import { fieldsOf } from './fields.ts';
import { readSummary } from './summary-reader.ts';
import { writeSummary } from './summary-writer.ts';
import type { Summary } from './summary.ts';
import { ByteReader, ByteWriter } from './varint.ts';

export const SUMMARY_VERSION = 1;

/** Largest encoded summary: every bucket filled, and two long texts. */
export const MAX_SUMMARY_BYTES = 1 << 18;

const ALONE = { time: 0, position: 0, span: 0 };

/** Made once: a cloud encodes a hundred thousand summaries a second. */
const writer = new ByteWriter(1024);
const written = fieldsOf(() => writer);

/** The canonical bytes of a summary: two summaries are equal exactly when these are. */
export function encodeSummary(summary: Summary): Uint8Array {
  writer.reset();
  writer.byte(SUMMARY_VERSION);
  writeSummary(written, summary, ALONE);
  return writer.finish();
}

/** Reads what encodeSummary wrote; anything else is a TideError `malformed`, `too-large` or `unknown-version`. */
export function decodeSummary(bytes: Uint8Array): Summary {
  if (bytes.length > MAX_SUMMARY_BYTES)
    throw new TideError('too-large', `a summary of ${bytes.length} bytes; at most ${MAX_SUMMARY_BYTES} are read`);
  const reader = new ByteReader(bytes, 'summary');
  const version = reader.byte();
  if (version !== SUMMARY_VERSION)
    throw new TideError('unknown-version', `a summary of version ${version}; version ${SUMMARY_VERSION} is read`);
  const summary = readSummary(
    fieldsOf(() => reader),
    ALONE,
  );
  reader.end();
  return summary;
}

/** How many readings an encoded summary is of, without reading the rest of it: `bad` ones are not in `count`. */
export function readCounts(bytes: Uint8Array): { count: number; bad: number } {
  const reader = new ByteReader(bytes, 'summary');
  const version = reader.byte();
  if (version !== SUMMARY_VERSION)
    throw new TideError('unknown-version', `a summary of version ${version}; version ${SUMMARY_VERSION} is read`);
  const [count, , , , bad] = Array.from({ length: 5 }, () => reader.uint());
  return { count, bad };
}
