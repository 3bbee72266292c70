import { closeSync, fsyncSync, openSync, readFileSync, renameSync, statSync, writeSync } from 'node:fs';
import path from 'node:path';
import { TideError, reasonOf } from '../../node/errors.ts';
import { keyHeaderSchema, type KeyHeader } from './keys.ts';

export const HEADER_FILE = 'vault.keys';
const MAX_BYTES = 256 * 1024;

/**
 * The key header lies in a file of its own, so that a wrong key is refused before the database is so much as opened.
 * Undefined when there is none; throws TideError `damaged` when there is something else in its place.
 */
export function readHeader(directory: string): KeyHeader | undefined {
  const file = path.join(directory, HEADER_FILE);
  let text: string;
  try {
    const { size } = statSync(file);
    if (size > MAX_BYTES)
      throw new TideError('damaged', `${HEADER_FILE}: ${size} bytes, at most ${MAX_BYTES} expected`);
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  return parseHeader(text, HEADER_FILE);
}

/** Throws TideError `damaged`, or `newer-format` for a header that a later version wrote. */
export function parseHeader(text: string, what: string): KeyHeader {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new TideError('damaged', `${what}: ${reasonOf(error)}`, { cause: error });
  }
  const format = typeof json === 'object' && json !== null && 'format' in json ? json.format : undefined;
  if (typeof format === 'number' && format > 1)
    throw new TideError('newer-format', `${what} has format ${format}; this version reads up to 1`);
  const parsed = keyHeaderSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new TideError('damaged', `${what}: ${issue.path.join('.')}: ${issue.message}`);
}

/** Writes the header so that a power cut leaves the old one or the new one. */
export function writeHeader(directory: string, header: KeyHeader): void {
  const file = path.join(directory, HEADER_FILE);
  const fd = openSync(`${file}.new`, 'w', 0o600);
  try {
    writeSync(fd, `${JSON.stringify(header, undefined, 2)}\n`);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(`${file}.new`, file);
  syncDirectory(directory);
}

/** Makes names as durable as contents. Windows neither needs nor allows it. */
export function syncDirectory(directory: string): void {
  if (process.platform === 'win32') return;
  const fd = openSync(directory, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Makes a file that only its owner can read, when there is none; SQLite gives its side files the same mode. */
export function touchPrivate(file: string): void {
  closeSync(openSync(file, 'a', 0o600));
}
