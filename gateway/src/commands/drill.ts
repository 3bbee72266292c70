import { writeFile } from 'node:fs/promises';

import { TideError, systemClock } from '@tidegate/nodes/node';
import type { Command } from 'commander';

import { drillTable } from '../drill/drill-table.ts';
import { checkRoom, makeWorkplace, needsOf, vaultBytes } from '../drill/file-workplace.ts';
import { parseLink } from '../drill/link-shape.ts';
import { drillOutage } from '../drill/outage-drill.ts';
import { csvOf, MOST_ROWS, type LoggedPackets } from '../drill/packet-log.ts';
import { boundedNumber, integer } from './options.ts';
import { ProgressShow } from './progress.ts';

interface Options {
  days: number;
  series: number;
  link: string;
  directory?: string;
  fineMinutes?: number;
  packets?: string;
  json?: true;
}

export function drillCommand(program: Command): void {
  const drill = program.command('drill').summary('try an emergency out and measure it');
  drill
    .command('outage')
    .summary('weeks without a link, and how they are caught up')
    .description(
      'Fills a temporary gateway with as many days of summaries, cuts and restores the link to a cloud that it starts on this\nmachine, and prints how the gap is closed. Nothing is sent anywhere else; all that it makes is removed at the end.',
    )
    .option('--days <n>', 'days without a link', integer('--days', 1, 366), 30)
    .option('--series <n>', 'series, a summary a minute each', integer('--series', 1, 10_000), 1000)
    .option('--link <shape>', 'capacity and delay, each way', '10mbit,50ms')
    .option('--directory <dir>', 'a gateway that does not run: drill on a copy of its vault')
    .option(
      '--fine-minutes <n>',
      'end after so many minutes of the fine fill',
      boundedNumber('--fine-minutes', 0.1, 1e4),
    )
    .option('--packets <file>', 'log every packet towards the cloud, and the alerts that are raised, as CSV')
    .option('--json', 'print the result as one line of JSON')
    .action(outage);
}

async function outage(options: Options): Promise<void> {
  const link = parseLink(options.link);
  const copied = options.directory === undefined ? 0 : await vaultBytes(options.directory);
  const needs = needsOf(options.days, options.series, copied);
  const { freeDisk } = await checkRoom(needs);
  console.error(
    `The drill takes up to ${gigabytes(needs.diskBytes)} of disk (${gigabytes(freeDisk)} are free) and ${gigabytes(needs.memoryBytes)} of memory until it ends.`,
  );
  const { signal, release } = untilAsked();
  const workplace = await makeWorkplace(options.directory);
  let show: { stage: string; bar: ProgressShow } | undefined;
  try {
    const result = await drillOutage({
      ...workplace,
      days: options.days,
      series: options.series,
      link,
      ...(options.fineMinutes === undefined ? {} : { fineSeconds: options.fineMinutes * 60 }),
      ...(options.packets !== undefined && { packets: logTo(options.packets) }),
      progress: (stage, share, facts) => {
        if (show?.stage !== stage) {
          show?.bar.end();
          show = { stage, bar: new ProgressShow(stage) };
        }
        show.bar.update(share, facts);
      },
      signal,
      clock: systemClock,
    });
    show?.bar.end();
    if (options.json === true) console.log(JSON.stringify(result));
    else for (const line of drillTable(result)) console.log(line);
  } catch (error) {
    if (signal.aborted) throw new TideError('broken-off', 'the drill was broken off; nothing of it is left');
    throw error;
  } finally {
    show?.bar.end();
    await workplace.close();
    release();
  }
}

function logTo(file: string): (packets: LoggedPackets, start: number) => Promise<void> {
  return async ({ rows, unlogged }, start) => {
    await writeFile(file, csvOf(rows, start));
    if (unlogged > 0)
      console.error(
        `${file} has the first ${MOST_ROWS.toLocaleString('en-US')} packets; ${unlogged.toLocaleString('en-US')} more came, of which it and the frames before each alert know nothing.`,
      );
  };
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;

/** Ctrl-C once lets the drill clean up; twice ends it at once. */
function untilAsked(): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController();
  const ask = (): void => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort();
  };
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, ask);
  return {
    signal: controller.signal,
    release: () => {
      for (const name of ['SIGINT', 'SIGTERM'] as const) process.off(name, ask);
    },
  };
}
