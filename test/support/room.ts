import { randomBytes } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Reading } from '@tidegate/nodes/reading';
import { GAPS, gapSchema, type Gap, type Vault } from '@tidegate/nodes/vault';

/** Bytes of all files below a directory. */
export function bytesBelow(directory: string): number {
  let sum = 0;
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    const stat = statSync(path.join(directory, name), { throwIfNoEntry: false });
    if (stat?.isFile() === true) sum += stat.size;
  }
  return sum;
}

/** Readings that no codec makes small: numbers from `first` on, in the text of each, one a second. */
export function bulky(first: number, count: number, bytes = 200): Reading[] {
  return Array.from({ length: count }, (_, i) => ({
    series: `line${(first + i) % 5}`,
    time: 1_790_000_000_000 + (first + i) * 1_000,
    value: `${first + i} ${randomBytes(bytes).toString('base64')}`,
    quality: 'good' as const,
    clock: 'gateway' as const,
  }));
}

/** Number in the text of each reading that a query finds. */
export async function numbersIn(vault: Vault): Promise<Set<number>> {
  const found = new Set<number>();
  const series = [...vault.series.entries()].map(({ name }) => name);
  for await (const page of vault.query({ series }))
    for (const { value } of page) {
      const number = Number(/^\d+/.exec(String(value))?.[0]);
      if (found.has(number)) throw new Error(`reading ${number} is there twice`);
      found.add(number);
    }
  return found;
}

export async function gapsOf(vault: Vault): Promise<Gap[]> {
  return (await vault.documents.list(GAPS)).map(({ value }) => gapSchema.parse(value));
}

/** Readings that gaps name as lost, of some causes. */
export const countOf = (
  gaps: readonly Gap[],
  causes: readonly Gap['cause'][],
  what: Gap['what'] = 'readings',
): number =>
  gaps.filter((gap) => gap.what === what && causes.includes(gap.cause)).reduce((sum, { count }) => sum + count, 0);
