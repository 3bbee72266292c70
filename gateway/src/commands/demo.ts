import type { Command } from 'commander';

import type { DemoOptions } from './demo-show.ts';
import { port } from './options.ts';
import { serve } from './serve.ts';

export function demoCommand(program: Command): void {
  program
    .command('demo')
    .summary('see everything at work: a cloud, a gateway and a simulated waterworks')
    .description(
      'Starts a cloud, a gateway and a simulated waterworks with 24 sensors, and prints where to look. Ctrl-C ends it; ' +
        'the next start goes on where it stopped.',
    )
    .option('--dir <dir>', 'where data lies', 'tidegate-demo')
    .option('--editor-port <n>', 'port of the Node-RED editor; 0 takes a free one', port('--editor-port'), 1880)
    .option('--mqtt-port <n>', "port of the gateway's broker", port('--mqtt-port'), 1883)
    .option('--page-port <n>', "port of the cloud's page", port('--page-port'), 8080)
    .option('--cloud-mqtt-port <n>', "port of the cloud's broker", port('--cloud-mqtt-port'), 1884)
    .option('--json', 'print one line of JSON when all is ready, then only errors')
    .action(demo);
}

async function demo(options: DemoOptions): Promise<void> {
  // Loaded here: nothing else needs a cloud.
  const { Demo } = await import('./demo-show.ts');
  const show = new Demo(options);
  await serve(
    () => show.start(),
    () => show.stop(),
  );
}
