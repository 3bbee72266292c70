import { systemClock } from '@tidegate/nodes/node';
import type { Command } from 'commander';

import { enrolGateway } from '../enrol.ts';
import { DEFAULT_TENANT } from '../gateway-label.ts';
import { BROKER_URL, openCloudDirectory } from '../main.ts';
import { addDirectory } from './options.ts';

interface EnrollOptions {
  dir: string;
  tenant: string;
  brokerUrl?: string;
  json?: boolean;
}

export function addEnroll(program: Command): void {
  addDirectory(program.command('enroll'))
    .argument('<name>', 'name of the gateway: letters, digits, dots, dashes and underscores')
    .description('make a one-time token with which a gateway registers its keys')
    .option('--tenant <name>', 'whose gateway it is', DEFAULT_TENANT)
    .option('--broker-url <url>', 'where the gateway finds the broker (default: that of the cloud that runs here)')
    .option('--json', 'print the token as JSON')
    .action(enroll);
}

async function enroll(name: string, { dir, tenant, brokerUrl, json }: EnrollOptions): Promise<void> {
  const { store, keys } = openCloudDirectory(dir);
  try {
    const broker = brokerUrl ?? (await store.setting(BROKER_URL));
    const { token } = await enrolGateway(store, keys.identity, systemClock, { name, tenant, broker });
    if (json === true) {
      process.stdout.write(`${JSON.stringify({ token, tenant, gateway: name, broker: broker ?? null })}\n`);
      return;
    }
    process.stdout.write(`${token}\n`);
    // The token alone stands on stdout, so that it can be piped.
    const where = broker === undefined ? 'It names no broker: tell the gateway where it is.' : `It leads to ${broker}.`;
    process.stderr.write(`This token enrols ${name} once. ${where}\n  tidegate init DIR --enrol TOKEN\n`);
  } finally {
    await store.close();
  }
}
