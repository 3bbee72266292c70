import { readFileSync } from 'node:fs';

/** Entries as test/fault/shim/powercut.c writes them. */
export const ENTRY = {
  create: 1,
  write: 2,
  size: 3,
  rename: 4,
  unlink: 5,
  mkdir: 6,
  rmdir: 7,
  syncBegin: 8,
  syncEnd: 9,
  mark: 10,
  link: 11,
} as const;

export interface LogEntry {
  entry: number;
  inode: bigint;
  /** Offset of a write, size, or number of a sync. */
  offset: number;
  result: number;
  /** Of a name, absolute; two of a rename or link. */
  paths: string[];
  data: Uint8Array;
}

const HEAD = 40;

/** All operations in the order in which the kernel saw them. A last one that was cut off is left out. */
export function readLog(file: string): LogEntry[] {
  const bytes = readFileSync(file);
  const entries: LogEntry[] = [];
  for (let at = 0; at + HEAD <= bytes.length;) {
    const length = bytes.readUInt32LE(at);
    if (at + length > bytes.length) break;
    const path = bytes.readUInt32LE(at + 32);
    const data = bytes.readUInt32LE(at + 36);
    if (length !== HEAD + path + data) throw new Error(`${file}: entry at ${at} is malformed`);
    entries.push({
      entry: bytes.readUInt32LE(at + 4),
      inode: bytes.readBigUInt64LE(at + 8),
      offset: Number(bytes.readBigUInt64LE(at + 16)),
      result: Number(bytes.readBigInt64LE(at + 24)),
      paths: path === 0 ? [] : bytes.toString('utf8', at + HEAD, at + HEAD + path).split('\0'),
      data: bytes.subarray(at + HEAD + path, at + length),
    });
    at += length;
  }
  return entries;
}
