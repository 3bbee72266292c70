import { closeSync, fsyncSync, openSync, readFileSync, renameSync, statSync, writeSync } from 'node:fs';
import path from 'node:path';
import { TideError } from '../../node/errors.ts';
import type { Disk } from '../disk.ts';
import { HEADER_FILE, headerText, type KeyHeader, MAX_HEADER_BYTES, parseHeader } from './key-header.ts';

export { HEADER_FILE, parseHeader } from './key-header.ts';

/** A header on its way to the disk; one that is found at a start was never in force. */
export const NEW_HEADER_FILE = `${HEADER_FILE}.new`;

/** The text of the header's file, undefined when there is none. Throws TideError `damaged` for a file that is too long. */
export function headerOn(disk: Disk): string | undefined {
  if (!disk.names().includes(HEADER_FILE)) return undefined;
  const file = disk.open(HEADER_FILE);
  try {
    if (file.size > MAX_HEADER_BYTES)
      throw new TideError('damaged', `${HEADER_FILE}: ${file.size} bytes, at most ${MAX_HEADER_BYTES} expected`);
    return Buffer.from(file.read(0, file.size)).toString('utf8');
  } finally {
    file.close();
  }
}

/** Writes the header so that a power cut leaves the old one or the new one. */
export function putHeader(disk: Disk, header: KeyHeader): void {
  const file = disk.create(NEW_HEADER_FILE);
  try {
    file.write(0, Buffer.from(headerText(header)));
    file.sync();
  } finally {
    file.close();
  }
  disk.rename(NEW_HEADER_FILE, HEADER_FILE);
  disk.sync();
}

/**
 * The key header lies in a file of its own, so that a wrong key is refused before the database is so much as opened.
 * Undefined when there is none; throws TideError `damaged` when there is something else in its place.
 */
export function readHeader(directory: string): KeyHeader | undefined {
  const file = path.join(directory, HEADER_FILE);
  let text: string;
  try {
    const { size } = statSync(file);
    if (size > MAX_HEADER_BYTES)
      throw new TideError('damaged', `${HEADER_FILE}: ${size} bytes, at most ${MAX_HEADER_BYTES} expected`);
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  return parseHeader(text, HEADER_FILE);
}

/** Writes the header so that a power cut leaves the old one or the new one. */
export function writeHeader(directory: string, header: KeyHeader): void {
  const file = path.join(directory, HEADER_FILE);
  const fd = openSync(`${file}.new`, 'w', 0o600);
  try {
    writeSync(fd, headerText(header));
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
