import { closeSync, fsyncSync, openSync } from 'node:fs';
import { TideError } from '../../node/errors.ts';
import type { Disk } from '../disk.ts';
import { HEADER_FILE, headerText, type KeyHeader, MAX_HEADER_BYTES } from './key-header.ts';

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
