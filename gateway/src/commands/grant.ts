import type { Command } from 'commander';

import type { GrantView } from '../control/status.ts';
import { control } from './control.ts';

interface Options {
  purpose?: string;
  json?: true;
}

export function grantCommand(program: Command): void {
  const grant = program
    .command('grant')
    .summary('say what may leave the site')
    .description(
      'Grants: which series may be sent to the cloud, and what for. Without a grant nothing leaves the site.',
    );
  grant
    .command('add')
    .description('allow the series that match PATTERN (+ is one level, # the rest) to be sent')
    .argument('<dir>', 'directory of the gateway')
    .argument('<pattern>', 'e.g. site/line1/#')
    .option('--purpose <name>', 'what for', 'operations')
    .option('--json', 'print one line of JSON')
    .action(async (directory: string, series: string, options: Options) => {
      show(await control(directory, 'PUT', '/grants', { series, purpose: options.purpose }), options);
    });
  grant
    .command('revoke')
    .description('take a grant back; what waits of its series is taken out of the outbox')
    .argument('<dir>', 'directory of the gateway')
    .argument('<pattern>', 'exactly as it was granted')
    .option('--purpose <name>', 'what for', 'operations')
    .option('--json', 'print one line of JSON')
    .action(async (directory: string, series: string, options: Options) => {
      show(await control(directory, 'DELETE', '/grants', { series, purpose: options.purpose }), options);
    });
  grant
    .command('list')
    .description('show the grants that stand')
    .argument('<dir>', 'directory of the gateway')
    .option('--json', 'print one line of JSON')
    .action(async (directory: string, options: Options) => show(await control(directory, 'GET', '/grants'), options));
}

function show(answer: { grants: GrantView[]; rewritten?: number }, { json }: Options): void {
  if (json === true) {
    console.log(JSON.stringify(answer));
    return;
  }
  if (answer.rewritten !== undefined)
    console.log(`${answer.rewritten} waiting blocks were rewritten without these series`);
  if (answer.grants.length === 0) console.log('No grant stands: nothing leaves this site.');
  for (const { series, purpose, since } of answer.grants)
    console.log(`${series}  for ${purpose}, since ${new Date(since).toISOString()}`);
}
