import { TideError } from '@tidegate/nodes/node';
import type { Account, SeriesAccount } from '@tidegate/nodes/sync';
import { globProblem, seriesMatcher } from '@tidegate/nodes/vault';
import type { Command } from 'commander';

import { accountText, isSound } from '../control/account-text.ts';
import { accountCsv } from '../query/csv.ts';
import { controlLines } from './control.ts';
import { pour } from './pour.ts';

interface Options {
  series?: string[];
  json?: true;
  csv?: true;
}

export function accountCommand(program: Command): void {
  program
    .command('account')
    .summary('show what became of every reading')
    .description(
      'Shows for each series of the gateway in DIR how many readings were produced and what became of them: delivered, waiting, ' +
        'withheld, or dropped and why; and whether the cloud holds the same. The exit code is 1 when it does not add up or the ' +
        'cloud holds something else.',
    )
    .argument('<dir>', 'directory of the gateway')
    .option(
      '--series <glob...>',
      'show only series that match: * is anything within one level, ** any number of levels',
    )
    .option('--json', 'print one line of JSON')
    .option('--csv', 'print a table for spreadsheets')
    .action(account);
}

async function account(directory: string, { series, json, csv }: Options): Promise<void> {
  if (json === true && csv === true) throw new TideError('usage', '--json or --csv; both were given');
  const matches = series === undefined ? () => true : seriesMatcher(checked(series));
  const rows: SeriesAccount[] = [];
  let end: Omit<Account, 'series'> | undefined;
  for await (const line of controlLines(directory, 'POST', '/account')) {
    if ('rows' in line) rows.push(...(line.rows as SeriesAccount[]));
    else if ('end' in line) end = line.end as Omit<Account, 'series'>;
  }
  if (end === undefined) throw new TideError('cut-off', 'the answer broke off before its end');
  const whole: Account = { ...end, series: rows };
  const shown = rows.filter((row) => matches(row.series));
  await pour(textOf(whole, shown, { json, csv }), process.stdout);
  if (!isSound(whole)) process.exitCode = 1;
}

async function* textOf(whole: Account, shown: SeriesAccount[], { json, csv }: Options): AsyncGenerator<string> {
  if (json === true) yield `${JSON.stringify({ ...whole, series: shown })}\n`;
  else if (csv === true) yield accountCsv.header + shown.map((row) => accountCsv.line(row)).join('');
  else yield `${accountText(whole, shown)}\n`;
}

function checked(patterns: string[]): string[] {
  for (const pattern of patterns) {
    const problem = globProblem(pattern);
    if (problem !== undefined) throw new TideError('usage', `--series: ${JSON.stringify(pattern)} ${problem}`);
  }
  return patterns;
}
