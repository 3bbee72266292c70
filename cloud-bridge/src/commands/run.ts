import path from 'node:path';

import { type Command, Option } from 'commander';

import { startCloud, versionOf } from '../main.ts';
import { addDirectory, portNumber, withBrokerLogin } from './options.ts';

interface RunOptions {
  dir: string;
  port: number;
  host: string;
  anyoneMayRead?: boolean;
  broker: string;
  mqttPort: number;
  mqttHost: string;
  mqttCert?: string;
  mqttKey?: string;
  mqttCa?: string;
  mqttPlain?: boolean;
  json?: boolean;
}

export function addRun(program: Command): void {
  addDirectory(program.command('run'))
    .description('run the cloud: broker, merging, API and page')
    .option('--port <n>', 'port of API and page; 0 takes a free one', portNumber, 8080)
    .option('--host <host>', 'where API and page listen', '127.0.0.1')
    .option('--anyone-may-read', 'allow another host than this machine: reading needs no login yet')
    .option('--broker <where>', 'embedded, or the URL of an MQTT broker', 'embedded')
    .option('--mqtt-port <n>', 'port of the embedded broker; 0 takes a free one', portNumber, 1884)
    .option('--mqtt-host <host>', 'where the embedded broker listens', '127.0.0.1')
    .option('--mqtt-cert <file>', 'certificate that the embedded broker shows (TLS), or that is shown to yours; PEM')
    .option('--mqtt-key <file>', 'its private key; PEM, readable by its owner only')
    .option(
      '--mqtt-ca <file>',
      'authorities of the gateways that may connect (mutual TLS), or that are trusted of yours',
    )
    .option('--mqtt-plain', 'says that an embedded broker without TLS on the network is meant')
    .addOption(new Option('--json', 'print one line of JSON when all is ready, then only errors'))
    .addHelpText(
      'after',
      '\nEnvironment: TIDEGATE_BROKER_USERNAME and TIDEGATE_BROKER_PASSWORD log in at a broker given by URL.',
    )
    .action(run);
}

async function run(options: RunOptions): Promise<void> {
  const directory = path.resolve(options.dir);
  const cloud = await startCloud({
    directory,
    port: options.port,
    host: options.host,
    anyoneMayRead: options.anyoneMayRead ?? false,
    broker: withBrokerLogin(options.broker, process.env),
    mqttPort: options.mqttPort,
    mqttHost: options.mqttHost,
    mqttTls: {
      ...(options.mqttCa === undefined ? {} : { caFile: options.mqttCa }),
      ...(options.mqttCert === undefined ? {} : { certFile: options.mqttCert }),
      ...(options.mqttKey === undefined ? {} : { keyFile: options.mqttKey }),
    },
    mqttPlain: options.mqttPlain ?? false,
    log: (line) => process.stderr.write(`tidegate-cloud: ${line}\n`),
  });
  const ended = new Promise<void>((resolve) => {
    const end = (): void => {
      // The second one does not wait.
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
      resolve();
    };
    let asked = false;
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.once(signal, () => {
        if (!asked) end();
        asked = true;
      });
  });
  const tokenFile = path.join(directory, 'keys/api-token');
  if (options.json === true) {
    const { pageUrl: page, brokerUrl: broker } = cloud;
    process.stdout.write(`${JSON.stringify({ page, broker, directory, apiTokenFile: tokenFile })}\n`);
  } else {
    process.stdout.write(
      [
        `Tidegate cloud ${versionOf()}`,
        `  page       ${cloud.pageUrl}`,
        `  broker     ${cloud.brokerUrl}`,
        `  data       ${directory}`,
        `  API token  ${tokenFile}`,
        `A token for a gateway: tidegate-cloud enroll NAME --dir ${options.dir}`,
        '',
      ].join('\n'),
    );
  }
  await ended;
  await cloud.stop();
}
