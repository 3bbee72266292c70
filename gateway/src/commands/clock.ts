import type { ClockState } from '@tidegate/nodes/node';
import type { Command } from 'commander';

import { control } from './control.ts';

export function clockCommand(program: Command): void {
  const clock = program
    .command('clock')
    .summary('say that the clock is right')
    .description(
      'The clock of a running gateway. While it cannot be trusted, readings without a time of their own are kept, and dated afterwards.',
    );
  clock
    .command('trust')
    .description('confirm that the time of this machine is right (look at `date` first)')
    .argument('<dir>', 'directory of the gateway')
    .option('--json', 'print one line of JSON')
    .action(async (directory: string, { json }: { json?: true }) => {
      const state = await control<ClockState>(directory, 'PUT', '/clock', { trust: true });
      if (json === true) console.log(JSON.stringify(state));
      else console.log(state.trusted ? `The clock is trusted: ${state.reason}.` : `Not trusted: ${state.reason}.`);
    });
}
