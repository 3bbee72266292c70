import { existsSync, globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Entry } from './ledger.ts';
import { root } from './process.ts';

/** Recorded series for end-to-end tests: public recordings where they lie beside the project, our own day otherwise. */
const PUBLIC = path.resolve(root, '../shared/datasets/nab-dev/data');
const OWN = path.join(root, 'test/data');

export interface Recording {
  /** `folder/file` or `file/metric`. */
  name: string;
  rows: { time: number; value: string }[];
}

/** Reads `timestamp,value` or one column for each metric; times without a zone are UTC. */
export function readRecording(directory: string, file: string): Recording[] {
  const [head, ...lines] = readFileSync(path.join(directory, file), 'utf8').trim().split(/\r?\n/);
  const base = file.replace(/\.csv$/, '');
  const metrics = head.split(',').slice(1);
  return metrics.map((metric, column) => ({
    name: metrics.length === 1 ? base : `${base}/${metric}`,
    rows: lines.map((line) => {
      const cells = line.split(',');
      return { time: Date.parse(`${cells[0].slice(0, 19).replace(' ', 'T')}Z`), value: cells[column + 1] };
    }),
  }));
}

/** All recorded series, at most `rows` of each. */
export function recordings(rows: number): Recording[] {
  const directory = existsSync(PUBLIC) ? PUBLIC : OWN;
  return globSync('**/*.csv', { cwd: directory })
    .sort()
    .flatMap((file) => readRecording(directory, file))
    .map(({ name, rows: all }) => ({ name, rows: all.slice(0, rows) }));
}

/** The rows of several recordings in turn, as publishes below a topic. */
export function* interleave(all: readonly Recording[], topic: string): Generator<Entry> {
  const longest = Math.max(...all.map(({ rows }) => rows.length));
  for (let i = 0; i < longest; i++) {
    for (const { name, rows } of all) {
      const row = rows[i];
      if (row !== undefined) yield { topic: `${topic}/${name}`, ...row };
    }
  }
}
