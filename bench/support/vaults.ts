import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Reading } from '@tidegate/nodes/reading';
import type { VaultOptions } from '@tidegate/nodes/vault';
import { jitter, signal, uniform } from './signal.ts';

/** A folder with a key for one vault, below `parent`. */
export class BenchFolder {
  readonly root: string;
  readonly options: VaultOptions;

  constructor(parent = os.tmpdir()) {
    this.root = mkdtempSync(path.join(parent, 'tidegate-bench-'));
    const file = path.join(this.root, 'vault.key');
    writeFileSync(file, randomBytes(32).toString('hex'), { mode: 0o600 });
    this.options = { directory: path.join(this.root, 'vault'), key: { file } };
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** Names of series for `Sensors`. */
export const deviceNames = (series: number): string[] =>
  Array.from({ length: series }, (_, i) => `site/line${i % 20}/device${i}/temperature`);

/** Readings of the reference signal: a series for each name at 1 Hz, a second at a time, each in its own order of arrival. */
export class Sensors {
  readonly names: readonly string[];
  private readonly values: (() => number)[];
  private readonly random: () => number;
  private second = 0;
  readonly start: number;

  constructor(series: number | readonly string[], noise: number, start = Date.UTC(2026, 10, 2)) {
    this.start = start;
    this.names = typeof series === 'number' ? deviceNames(series) : series;
    this.values = this.names.map((_, i) => signal({ noise, seed: i + 1 }));
    this.random = uniform(4711);
  }

  /** The readings of the next second. Devices are spread over it, and stray by 20 ms from their own grid. */
  next(): Reading[] {
    const begin = this.start + 1000 * this.second++;
    const { length } = this.names;
    return this.names.map((series, i) => ({
      series,
      time: begin + Math.floor((1000 * i) / length) + jitter(this.random),
      value: this.values[i](),
      quality: 'good',
      clock: 'device',
    }));
  }
}

/** Bytes of all files below a directory. */
export function bytesBelow(directory: string): number {
  let bytes = 0;
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    const stat = statSync(path.join(directory, name), { throwIfNoEntry: false });
    if (stat?.isFile() === true) bytes += stat.size;
  }
  return bytes;
}
