import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { systemClock, TideError } from '@tidegate/nodes/node';
import type { Command } from 'commander';

import { findRecordings, readRows, type Recording } from '../replay/file-recordings.ts';
import { mergeByTime } from '../replay/merge.ts';
import { Publisher } from '../replay/mqtt-replay.ts';
import { grouped, progressLine } from '../replay/progress.ts';
import { checkTemplate, topicFrom, usesMetric } from '../replay/template.ts';
import { boundedNumber, integer } from './options.ts';

interface Options {
  broker: string;
  topic: string;
  speed: number;
  qos: 0 | 1;
  limit?: number;
  inFlight: number;
  user?: string;
  json?: true;
}

export function replayCommand(program: Command): void {
  program
    .command('replay')
    .summary('publish recorded readings as sensors would')
    .description(
      'Publishes the rows of CSV files (timestamp,value or one column for each metric) to an MQTT broker, in the order ' +
        'of their times, as {"timestamp": …, "value": …}. Ends when every message is acknowledged.',
    )
    .argument('<file...>', 'CSV files, or folders with CSV files')
    .requiredOption('--broker <url>', 'MQTT broker, e.g. mqtt://127.0.0.1:1883')
    .option('--topic <template>', 'topic; {file}, {folder} and {metric} are filled in', 'site/{folder}/{file}/{metric}')
    .option('--speed <n>', 'times as fast as recorded; 0 is as fast as possible', boundedNumber('--speed', 0, 1e9), 1)
    .option('--qos <0|1>', 'quality of service', integer('--qos', 0, 1), 1)
    .option('--limit <n>', 'rows of each file at most', integer('--limit', 1, Number.MAX_SAFE_INTEGER))
    .option('--in-flight <n>', 'messages that may be unacknowledged', integer('--in-flight', 1, 60_000), 500)
    .option('--user <name>', 'MQTT user; the password is taken from TIDEGATE_MQTT_PASSWORD')
    .option('--json', 'print the result as one line of JSON')
    .action(replay);
}

async function replay(named: string[], options: Options): Promise<void> {
  checkTemplate(options.topic);
  const recordings = await findRecordings(named);
  const several = recordings.find(({ metrics }) => metrics.length > 1);
  if (several !== undefined && !usesMetric(options.topic))
    throw new TideError('usage', `--topic: ${several.relative} has several columns; put {metric} into the template`);
  const publisher = new Publisher(
    {
      url: options.broker,
      qos: options.qos,
      inFlight: options.inFlight,
      patienceMs: 60_000,
      ...(options.user === undefined
        ? {}
        : { username: options.user, password: process.env['TIDEGATE_MQTT_PASSWORD'] ?? '' }),
    },
    systemClock,
  );
  await publisher.start();
  const started = systemClock.monotonic();
  const outcome = await publishAll(recordings, options, publisher);
  const complete = outcome.sent && (await publisher.drained());
  outcome.progress.end();
  await publisher.stop();
  const seconds = (systemClock.monotonic() - started) / 1000;
  const { published, acknowledged, reconnects } = publisher;
  const summary = {
    files: recordings.length,
    published,
    acknowledged,
    unreadable: outcome.unreadable,
    reconnects,
    seconds: Number(seconds.toFixed(3)),
    perSecond: Math.round(acknowledged / Math.max(seconds, 0.001)),
  };
  if (options.json === true) console.log(JSON.stringify(summary));
  else
    console.log(
      `${grouped(acknowledged)} of ${grouped(published)} messages from ${grouped(recordings.length)} files acknowledged ` +
        `in ${seconds.toFixed(1)} s (${grouped(summary.perSecond)}/s), ${grouped(outcome.unreadable)} cells not readable`,
    );
  if (!complete || acknowledged < published) process.exitCode = 1;
}

async function publishAll(
  recordings: Recording[],
  options: Options,
  publisher: Publisher,
): Promise<{ sent: boolean; unreadable: number; progress: Progress }> {
  const progress = new Progress(recordings, publisher, options.json !== true && process.stderr.isTTY);
  const rowsLeft = new Map(recordings.map((recording) => [recording, options.limit ?? Number.POSITIVE_INFINITY]));
  let unreadable = 0;
  const complain = (reason: string): void => {
    if (++unreadable <= 5) progress.note(`tidegate: ${reason}`);
  };
  const sources = recordings.map((source) => ({
    source,
    rows: readRows(source, complain, (bytes) => progress.advance(bytes)),
  }));
  const pace = new Pace(options.speed);
  for await (const { source, row } of mergeByTime(sources)) {
    const left = rowsLeft.get(source)!;
    if (left === 0) continue;
    rowsLeft.set(source, left - 1);
    await pace.until(row.time);
    for (const [i, metric] of source.metrics.entries()) {
      const value = row.values[i];
      if (value === undefined) unreadable++;
      else if (
        !(await publisher.publish(topicOf(options.topic, source, metric), `{"timestamp":${row.time},"value":${value}}`))
      )
        return { sent: false, unreadable, progress };
    }
  }
  return { sent: true, unreadable, progress };
}

function topicOf(template: string, { relative, metrics }: Recording, metric: string): string {
  const { dir, name } = path.posix.parse(relative.split(path.sep).join('/'));
  return topicFrom(template, {
    folder: dir,
    file: name,
    metric: metrics.length === 1 && metric === 'value' ? '' : metric,
  });
}

/** Waits until a recorded time has come, at a multiple of its speed. */
class Pace {
  private readonly speed: number;
  private first: number | undefined;
  private started = 0;

  constructor(speed: number) {
    this.speed = speed;
  }

  async until(time: number): Promise<void> {
    if (this.speed === 0) return;
    if (this.first === undefined) {
      this.first = time;
      this.started = systemClock.monotonic();
    }
    const due = this.started + (time - this.first) / this.speed;
    const wait = due - systemClock.monotonic();
    if (wait > 1) await sleep(wait);
  }
}

/** The bar on the terminal, redrawn ten times a second. */
class Progress {
  private readonly total: number;
  private readonly publisher: Publisher;
  private readonly shown: boolean;
  private readonly started = systemClock.monotonic();
  private read = 0;
  private drawn = 0;

  constructor(recordings: Recording[], publisher: Publisher, shown: boolean) {
    this.total = recordings.reduce((sum, { bytes }) => sum + bytes, 0);
    this.publisher = publisher;
    this.shown = shown;
  }

  advance(bytes: number): void {
    this.read += bytes;
    const now = systemClock.monotonic();
    if (!this.shown || now - this.drawn < 100) return;
    this.drawn = now;
    this.draw();
  }

  note(line: string): void {
    process.stderr.write(this.shown ? `\r\u001B[K${line}\n` : `${line}\n`);
  }

  end(): void {
    if (!this.shown) return;
    this.draw();
    process.stderr.write('\n');
  }

  private draw(): void {
    const seconds = Math.max(0.1, (systemClock.monotonic() - this.started) / 1000);
    const { acknowledged } = this.publisher;
    const facts = `${grouped(acknowledged)} acknowledged, ${grouped(acknowledged / seconds)}/s`;
    process.stderr.write(`\r${progressLine(this.read / Math.max(1, this.total), facts, process.stderr.columns ?? 80)}`);
  }
}
