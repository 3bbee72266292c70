import type { Command } from 'commander';

import type { GatewayStatus } from '../control/status.ts';
import { statusText } from '../control/status-text.ts';
import { control } from './control.ts';

export function statusCommand(program: Command): void {
  program
    .command('status')
    .summary('show how a gateway is')
    .description('Shows readings, backlog, bridge and grants of the gateway in DIR, whether it runs or not.')
    .argument('<dir>', 'directory of the gateway')
    .option('--json', 'print one line of JSON')
    .option('--metrics', 'print metrics in the text format of Prometheus')
    .action(async (directory: string, options: { json?: true; metrics?: true }) => {
      if (options.metrics === true) {
        const { text } = await control<{ text: string }>(directory, 'GET', '/metrics');
        process.stdout.write(text);
        return;
      }
      const status = await control<GatewayStatus>(directory, 'GET', '/status');
      console.log(options.json === true ? JSON.stringify(status) : statusText(status, Date.now()));
    });
}
