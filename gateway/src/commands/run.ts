import path from 'node:path';

import { systemClock } from '@tidegate/nodes/node';
import type { Command } from 'commander';

import { refuseHalfImported } from '../backup/file-marker.ts';
import { CONFIG_FILE, readConfig } from '../config/file-config.ts';
import { Gateway } from '../device/gateway.ts';
import { serve } from './serve.ts';

export function runCommand(program: Command): void {
  program
    .command('run')
    .summary('run a gateway')
    .description(
      'Runs the gateway in DIR: opens its vault and its broker, then Node-RED. Ctrl-C ends it in good order.',
    )
    .argument('<dir>', 'directory of the gateway, made by tidegate init')
    .option('--json', 'print one line of JSON when it is ready, then only errors')
    .action(run);
}

async function run(directory: string, options: { json?: true }): Promise<void> {
  await refuseHalfImported(directory);
  const config = await readConfig(directory);
  const anew = Promise.withResolvers<string>();
  const gateway = new Gateway(
    {
      directory: path.resolve(directory),
      config,
      log: (line) => console.error(line),
      portNames: { mqtt: `${CONFIG_FILE}: mqtt.port`, editor: `${CONFIG_FILE}: editor.port` },
      onRenewal: () =>
        anew.resolve('another copy of the vault writes to the cloud; starting anew under a new incarnation'),
    },
    systemClock,
  );
  await serve(
    async () => {
      await gateway.start();
      if (options.json === true)
        console.log(
          JSON.stringify({
            name: config.name,
            editor: gateway.editorUrl,
            gatewayBroker: gateway.brokerUrl,
            metrics: gateway.metricsUrl,
            pid: process.pid,
          }),
        );
      else {
        console.log(`Gateway ${config.name} is running.`);
        console.log(`  sensors  ${gateway.brokerUrl}`);
        console.log(`  editor   ${gateway.editorUrl}  (user ${config.editor.user})`);
        if (gateway.metricsUrl !== null) console.log(`  metrics  ${gateway.metricsUrl}/metrics`);
        console.log(`  status   tidegate status ${directory}`);
      }
    },
    () => gateway.stop(),
    anew.promise,
  );
}
