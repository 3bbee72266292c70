import { createReadStream, type Stats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';

import { TideError } from '@tidegate/nodes/node';

import { codeOf } from '../error-code.ts';
import { cellsOf, MAX_LINE, metricsOf, numberText, timeOf } from './csv.ts';
import type { Row } from './merge.ts';

export interface Recording {
  /** Where it lies. */
  path: string;
  /** Path below the folder that was named, e.g. `line1/pump.csv`. */
  relative: string;
  metrics: string[];
  bytes: number;
}

/** Most files of one run: they are all open at the same time. */
const MAX_FILES = 1_000;

/** The CSV files that are meant: files themselves, folders with all that lies below. Sorted by relative path. */
export async function findRecordings(named: readonly string[]): Promise<Recording[]> {
  const found: Recording[] = [];
  for (const name of named) {
    const about = await statOf(name);
    const files = about.isDirectory()
      ? (await readdir(name, { recursive: true })).filter((file) => /\.csv$/i.test(file)).toSorted()
      : [path.basename(name)];
    if (files.length === 0) throw new TideError('csv', `${name} holds no .csv file`);
    const base = about.isDirectory() ? name : path.dirname(name);
    for (const relative of files) {
      const file = path.join(base, relative);
      const { size } = await stat(file);
      found.push({ path: file, relative, metrics: metricsOf(file, await firstLine(file)), bytes: size });
    }
  }
  if (found.length > MAX_FILES) throw new TideError('csv', `${found.length} files are too many, allowed: ${MAX_FILES}`);
  return found;
}

/**
 * Rows of a recording, one at a time. A row whose time cannot be read is given to `unreadable` and left out.
 * @param advance Called with the bytes of each line, for progress.
 */
export async function* readRows(
  recording: Recording,
  unreadable: (reason: string) => void,
  advance: (bytes: number) => void = () => undefined,
): AsyncGenerator<Row> {
  let line = 0;
  for await (const text of linesOf(recording.path)) {
    line++;
    advance(text.length + 1);
    if (line === 1 || text.trim() === '') continue;
    const [stamp = '', ...cells] = cellsOf(text);
    const time = timeOf(stamp);
    if (time === undefined) {
      unreadable(
        `${recording.path}: line ${line}: found the time "${stamp.slice(0, 40)}", allowed: ISO 8601 or seconds since 1970`,
      );
      continue;
    }
    yield { time, stamp, values: recording.metrics.map((_, i) => numberText(cells[i] ?? '')) };
  }
}

async function firstLine(file: string): Promise<string> {
  for await (const line of linesOf(file)) return line;
  throw new TideError('csv', `${file}: is empty, allowed: a first line such as timestamp,value`);
}

async function* linesOf(file: string): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of createReadStream(file, { encoding: 'utf8' })) {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop()!;
    if (rest.length > MAX_LINE) throw new TideError('csv', `${file}: has a line of more than ${MAX_LINE} characters`);
    for (const line of lines) yield line.endsWith('\r') ? line.slice(0, -1) : line;
  }
  if (rest !== '') yield rest;
}

async function statOf(name: string): Promise<Stats> {
  try {
    return await stat(name);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') throw new TideError('csv', `${name} does not exist`);
    throw error;
  }
}
