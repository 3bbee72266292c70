import { createWriteStream, type WriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { once } from 'node:events';
import path from 'node:path';
import { finished } from 'node:stream/promises';

import { detectStream } from '@tidegate/nodes/detect';
import { TideError } from '@tidegate/nodes/node';
import type { Command } from 'commander';

import { findRecordings, readRows, type Recording } from '../replay/file-recordings.ts';
import type { Row } from '../replay/merge.ts';
import { grouped } from '../replay/progress.ts';

interface Options {
  out: string;
  json?: true;
}

interface Tally {
  file: string;
  rows: number;
  alerts: number;
}

export function detectCommand(program: Command): void {
  program
    .command('detect')
    .summary('run the detector over recorded readings')
    .description(
      'Runs the detector over CSV files (timestamp,value or one column for each metric), row by row as the readings ' +
        'would have come, and writes timestamp,value,anomaly_score,alert under --out with the same relative paths ' +
        '(FILE.METRIC.csv for files with several columns). alert is 1 on the row that opens an alert.',
    )
    .argument('<file...>', 'CSV files, or folders with CSV files')
    .requiredOption('--out <dir>', 'folder for the results')
    .option('--json', 'print the result as one line of JSON')
    .action(detect);
}

async function detect(named: string[], options: Options): Promise<void> {
  const recordings = await findRecordings(named);
  const tallies: Tally[] = [];
  let unreadable = 0;
  const complain = (reason: string): void => {
    if (++unreadable <= 5) console.error(`tidegate: ${reason}`);
  };
  for (const recording of recordings) {
    for (const [column, metric] of recording.metrics.entries()) {
      const target = targetOf(options.out, recording, metric);
      if (path.resolve(target) === path.resolve(recording.path))
        throw new TideError('usage', `--out: ${target} is the recording itself; choose another folder`);
      tallies.push({ file: target, ...(await detectOne(recording, column, target, complain)) });
    }
  }
  if (options.json === true) console.log(JSON.stringify({ files: tallies, unreadable }));
  else {
    for (const { file, rows, alerts } of tallies)
      console.log(`${file}: ${grouped(rows)} rows, ${grouped(alerts)} alerts`);
    if (unreadable > 0) console.log(`${grouped(unreadable)} rows left out: their time could not be read`);
  }
}

function targetOf(out: string, { relative, metrics }: Recording, metric: string): string {
  if (metrics.length === 1) return path.join(out, relative);
  const { dir, name } = path.parse(relative);
  return path.join(out, dir, `${name}.${metric.replaceAll(/[^\w.-]/g, '_')}.csv`);
}

async function detectOne(
  recording: Recording,
  column: number,
  target: string,
  complain: (reason: string) => void,
): Promise<{ rows: number; alerts: number }> {
  await mkdir(path.dirname(target), { recursive: true });
  const out = createWriteStream(target);
  let rows = 0;
  let alerts = 0;
  // Rows on their way through the detector; those without a number go round it and keep their place.
  const waiting: Row[] = [];
  async function* values(): AsyncGenerator<{ time: number; value: number }> {
    for await (const row of readRows(recording, complain)) {
      waiting.push(row);
      const text = row.values[column];
      if (text !== undefined) yield { time: row.time, value: Number(text) };
    }
  }
  const write = async (row: Row, score: number, alert: 0 | 1): Promise<void> => {
    rows++;
    alerts += alert;
    await writeLine(out, `${row.stamp},${row.values[column] ?? ''},${Number(score.toPrecision(9))},${alert}`);
  };
  const passRound = async (): Promise<void> => {
    while (waiting.length > 0 && waiting[0].values[column] === undefined) await write(waiting.shift()!, 0, 0);
  };
  await writeLine(out, 'timestamp,value,anomaly_score,alert');
  for await (const { score, alert } of detectStream(values(), { series: recording.relative })) {
    await passRound();
    await write(waiting.shift()!, score, alert);
  }
  await passRound();
  out.end();
  await finished(out);
  return { rows, alerts };
}

async function writeLine(out: WriteStream, line: string): Promise<void> {
  if (!out.write(`${line}\n`)) await once(out, 'drain');
}
