import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';

/** A record of the journal as anybody sees it who has no key. */
export interface ClearRecord {
  file: string;
  number: number;
  /** Where each sealed box begins in the file, and its bytes. */
  boxes: { at: number; length: number }[];
}

const PAGE = 4_096;
const FIXED = 120;
const SEAL = 45;

/** The records below a vault's directory, in order of number. Of a recycled file only those of its present life. */
export function clearRecords(directory: string): ClearRecord[] {
  const found: ClearRecord[] = [];
  for (const name of readdirSync(path.join(directory, 'journal'))) {
    const file = path.join(directory, 'journal', name);
    const bytes = readFileSync(file);
    const sequence = bytes.toString('latin1', 0, 8) === 'TIDEJRNL' ? bytes.readDoubleLE(16) : 0;
    for (let at = PAGE; at + PAGE <= bytes.length; at += PAGE) {
      if (bytes.toString('latin1', at, at + 8) !== 'TIDERECD' || bytes.readDoubleLE(at + 24) !== sequence) continue;
      const count = bytes.readUInt32LE(at + 12);
      let next = at + FIXED + 4 * count + SEAL;
      const boxes = Array.from({ length: count }, (_, i) => {
        const length = bytes.readUInt32LE(at + FIXED + 4 * i);
        const box = { at: next, length };
        next += length;
        return box;
      });
      found.push({ file, number: bytes.readDoubleLE(at + 32), boxes });
    }
  }
  return found.sort((a, b) => a.number - b.number);
}

/** Number of the newest record, 0 when there is none. */
export const newestRecord = (directory: string): number => clearRecords(directory).at(-1)?.number ?? 0;
