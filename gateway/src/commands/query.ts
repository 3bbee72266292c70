import { systemClock, TideError } from '@tidegate/nodes/node';
import { missingText, requestOf } from '@tidegate/nodes/vault';
import { type Command, Option } from 'commander';

import type { Line, QueryAnswer } from '../control/requests.ts';
import { type Format, FORMATS, formatted } from '../query/formats.ts';
import { controlLines } from './control.ts';
import { pour } from './pour.ts';

type Outcome = QueryAnswer['outcome'];

interface Options {
  series: string[];
  from?: string;
  to?: string;
  resolution?: string;
  limit?: string;
  format: Format;
}

export function queryCommand(program: Command): void {
  program
    .command('query')
    .summary('read readings or summaries out of the vault')
    .description(
      'Writes what the vault of the gateway in DIR holds of some series to standard output, whether the gateway runs or ' +
        'not: readings as they came, series by series, or summaries of windows.',
    )
    .usage('<dir> --series <glob...> [options]')
    .showHelpAfterError('(the directory comes first: tidegate query DIR --series GLOB…; --help says more)')
    .argument('<dir>', 'directory of the gateway')
    .requiredOption(
      '--series <glob...>',
      'names or patterns, in quotes: * is anything within one level, ** any number of levels, + and # as in MQTT',
    )
    .option('--from <time>', 'ISO 8601 (UTC where it names no zone), epoch milliseconds, now, or -24h (ms s m h d w)')
    .option('--to <time>', 'the same; what is at this time itself is left out')
    .option('--resolution <length>', 'summaries of windows of 1s to 1d, e.g. 60, 15m, 1h, 1d; without it, readings')
    .addOption(new Option('--format <format>', 'csv, json or ndjson').choices(FORMATS).default('csv'))
    .option('--limit <rows>', 'write at most so many rows')
    .action(query);
}

async function query(directory: string, { format, ...fields }: Options): Promise<void> {
  const { from, to, resolution, limit, series } = request(fields);
  const asked = {
    series,
    from: Number.isFinite(from) ? from : null,
    to: Number.isFinite(to) ? to : null,
    resolution,
    limit,
  };
  let outcome: Outcome | undefined;
  async function* pages(): AsyncGenerator<readonly object[]> {
    for await (const line of controlLines(directory, 'POST', '/query', asked)) {
      if ('rows' in line) yield line.rows;
      else if ('end' in line) outcome = outcomeIn(line);
    }
  }
  const kind = resolution === undefined ? 'readings' : 'summaries';
  if (!(await pour(formatted(pages(), format, kind), process.stdout))) return;
  if (outcome === undefined) throw new TideError('cut-off', 'the answer broke off before its end');
  for (const line of remarks(outcome, series, limit)) console.error(`tidegate: ${line}`);
}

/** What the rows alone do not say. */
function remarks(outcome: Outcome, asked: readonly string[], limit: number | undefined): string[] {
  const { series, count, complete, missing = [] } = outcome;
  if (series === 0) return [`no series of this vault matches ${asked.join(', ')}`];
  const lines: string[] = [];
  if (count === 0) lines.push(`nothing of ${series === 1 ? 'this series' : `these ${series} series`} in this time`);
  else if (!complete) lines.push(`stopped at the limit of ${limit} ${limit === 1 ? 'row' : 'rows'}; there are more`);
  if (missing.length > 0) lines.push(missingText(missing));
  return lines;
}

/** What is wrong with the command line is said as such. */
function request(fields: Omit<Options, 'format'>): ReturnType<typeof requestOf> {
  try {
    return requestOf(fields, systemClock.now());
  } catch (error) {
    if (error instanceof TideError && error.code === 'bad-query')
      throw new TideError('usage', error.message, { cause: error });
    throw error;
  }
}

const outcomeIn = ({ end }: Extract<Line, { end: object }>): Outcome => end as Outcome;
