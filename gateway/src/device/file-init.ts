import { mkdir, readdir } from 'node:fs/promises';
import path from 'node:path';

import { TideError } from '@tidegate/nodes/node';
import { createKeyFile } from '@tidegate/nodes/vault';
import { stringify } from 'yaml';

import { CONFIG_FILE } from '../config/file-config.ts';
import { UNFINISHED, writeWhole } from '../config/file-whole.ts';
import { parseConfig } from '../config/parse.ts';
import type { GatewayConfig } from '../config/schema.ts';
import { FLOW_FILE, type FlowNode, shippedFlow, USER_DIR } from './file-flow.ts';

export const KEY_FILE = 'keys/vault.key';

export interface InitOptions {
  name: string;
  user: string;
  /** Makes the password's hash once the key lies there. */
  passwordHash: (directory: string) => Promise<string>;
  mqttPort?: number;
  editorPort?: number;
  /** Changes the shipped flow on its way to the gateway. */
  flow?: (node: FlowNode) => FlowNode;
}

/**
 * Makes a gateway's directory: key, flow, configuration, in this order, so that a directory with a gateway.yaml is whole.
 * Throws a TideError `not-empty` when something else lies there; never overwrites.
 */
export async function initGateway(directory: string, options: InitOptions): Promise<GatewayConfig> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const there = await readdir(directory);
  if (there.includes(CONFIG_FILE))
    throw new TideError('gateway-exists', `${directory} is a gateway already; run it with: tidegate run ${directory}`);
  const foreign = there.filter((name) => !LEFT_BY_INIT.has(name));
  if (foreign.length > 0)
    throw new TideError(
      'not-empty',
      `${directory} is not empty (found ${foreign.slice(0, 3).join(', ')}); name a new directory`,
    );
  await mkdir(path.join(directory, 'keys'), { recursive: true, mode: 0o700 });
  await mkdir(path.join(directory, USER_DIR), { recursive: true, mode: 0o700 });
  // An init that was cut off may have left its key or flow; they are as good as new ones.
  if (!(await readdir(path.join(directory, 'keys'))).includes(path.basename(KEY_FILE)))
    createKeyFile(path.join(directory, KEY_FILE));
  if (!(await readdir(path.join(directory, USER_DIR))).includes(path.basename(FLOW_FILE))) {
    const flow = (await shippedFlow()).map(options.flow ?? ((node) => node));
    await writeWhole(path.join(directory, FLOW_FILE), `${JSON.stringify(flow, null, 2)}\n`);
  }
  const text = configText(options, await options.passwordHash(directory));
  const config = parseConfig(text);
  await writeWhole(path.join(directory, CONFIG_FILE), text);
  return config;
}

const LEFT_BY_INIT = new Set(['keys', USER_DIR, `${CONFIG_FILE}${UNFINISHED}`]);

function configText({ name, user, mqttPort = 1883, editorPort = 1880 }: InitOptions, passwordHash: string): string {
  const body = stringify({
    version: 1,
    name,
    vault: { directory: 'vault', key: { file: KEY_FILE } },
    mqtt: { host: '127.0.0.1', port: mqttPort },
    editor: { host: '127.0.0.1', port: editorPort, user, passwordHash },
  });
  return `# A Tidegate gateway. What can stand here: docs/configuration.md.\n${body}`;
}
