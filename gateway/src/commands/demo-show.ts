import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { Worker } from 'node:worker_threads';

import { type RunningCloud, startCloud } from '@tidegate/cloud-bridge';
import { systemClock } from '@tidegate/nodes/node';
import { outgoingOf, storeEnrolment } from '@tidegate/nodes/sync';
import { openVault, readKey, type Vault } from '@tidegate/nodes/vault';

import { CONFIG_FILE, readConfig } from '../config/file-config.ts';
import type { GatewayConfig } from '../config/schema.ts';
import { vaultOptionsOf } from '../config/vault-options.ts';
import { DEMO_PASSWORD, derivedSecret } from '../device/derived-secret.ts';
import { initGateway, KEY_FILE } from '../device/file-init.ts';
import type { FlowNode } from '../device/file-flow.ts';
import { Gateway } from '../device/gateway.ts';
import { hashPassword, makePassword } from '../login/password.ts';
import { PLANT_LIMITS } from '../simulate/plant-limits.ts';
import type { SiteWorkerData, SiteWorkerMessage } from '../simulate/site-worker.ts';

export interface DemoOptions {
  dir: string;
  editorPort: number;
  mqttPort: number;
  pagePort: number;
  cloudMqttPort: number;
  json?: true;
}

const NAME = 'waterworks';
const GRANT = 'site/#';
/** Seed of the simulated site; the times of its faults hang on it. */
const SEED = 20_261_121;

const log = (line: string): void => console.error(line);

/** Cloud and gateway in this process, the simulated site in a thread of its own. */
export class Demo {
  private readonly options: DemoOptions;
  private readonly undo: (() => Promise<unknown>)[] = [];

  constructor(options: DemoOptions) {
    this.options = options;
  }

  async start(): Promise<void> {
    try {
      await this.startAll();
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    for (const step of this.undo.splice(0).toReversed()) await step();
  }

  private async startAll(): Promise<void> {
    const { dir, json } = this.options;
    const cloudIsNew = !existsSync(path.resolve(dir, 'cloud'));
    const cloud = await startCloud({
      directory: path.resolve(dir, 'cloud'),
      host: '127.0.0.1',
      port: this.options.pagePort,
      mqttPort: this.options.cloudMqttPort,
      portOptions: { port: '--page-port', mqttPort: '--cloud-mqtt-port' },
      log,
    });
    this.undo.push(() => cloud.stop());
    const directory = path.resolve(dir, 'gateway');
    const isNew = !existsSync(path.join(directory, CONFIG_FILE));
    if (isNew) await makeGateway(directory, cloud);
    const config = await readConfig(directory);
    // A cloud that was thrown away knows nobody: the gateway that is still there enrols with the new one.
    if (cloudIsNew && !isNew) await enrol(directory, config, cloud);
    const gateway = new Gateway(
      {
        directory,
        config: {
          ...config,
          mqtt: { ...config.mqtt, port: this.options.mqttPort },
          editor: { ...config.editor, port: this.options.editorPort },
          cloud: { broker: cloud.brokerUrl },
        },
        log,
        portNames: { mqtt: '--mqtt-port', editor: '--editor-port' },
      },
      systemClock,
    );
    await gateway.start();
    this.undo.push(() => gateway.stop());
    this.startSite(gateway.brokerUrl);
    const login = { user: config.editor.user, password: passwordOf(directory, config) };
    const urls = {
      editor: gateway.editorUrl,
      page: cloud.pageUrl,
      gatewayBroker: gateway.brokerUrl,
      cloudBroker: cloud.brokerUrl,
    };
    if (json === true) console.log(JSON.stringify({ ...urls, login }));
    else report(urls, login, dir, isNew);
  }

  private startSite(url: string): void {
    const data: SiteWorkerData = { url, seed: SEED, periodMs: 1_000 };
    const file = import.meta.url.endsWith('.ts') ? '../simulate/site-worker.ts' : '../simulate/site-worker.js';
    const site = new Worker(new URL(file, import.meta.url), { workerData: data });
    const ended = new Promise<void>((resolve) => {
      site.once('exit', () => resolve());
    });
    site.on('error', (error) => console.error(`simulated site: ${error.message}`));
    site.on('message', (message: SiteWorkerMessage) => {
      if (message.kind !== 'fault' || this.options.json === true) return;
      console.log(`${new Date().toTimeString().slice(0, 8)}  at the site: ${message.text}`);
    });
    this.undo.push(async () => {
      site.postMessage('stop', []);
      await ended;
    });
  }
}

/** Makes and enrols the demo's gateway aside and puts it in place when it is whole. */
async function makeGateway(directory: string, cloud: RunningCloud): Promise<void> {
  const aside = `${directory}.new`;
  await rm(aside, { recursive: true, force: true });
  const config = await initGateway(aside, {
    name: NAME,
    user: 'admin',
    passwordHash: (made) =>
      hashPassword(demoPassword(readKey({ file: path.join(made, KEY_FILE) }, path.join(made, 'vault')))),
    flow: forDemo,
  });
  await withVault(aside, config, async (vault) => (await outgoingOf(vault)).grant(GRANT));
  await enrol(aside, config, cloud);
  await rename(aside, directory);
}

async function enrol(directory: string, config: GatewayConfig, cloud: RunningCloud): Promise<void> {
  const token = await cloud.enrol(NAME);
  await withVault(directory, config, async (vault) => storeEnrolment(vault, token));
}

async function withVault(
  directory: string,
  config: GatewayConfig,
  use: (vault: Vault) => Promise<unknown>,
): Promise<void> {
  const vault = await openVault(vaultOptionsOf(directory, config), systemClock);
  try {
    await use(vault);
  } finally {
    await vault.close();
  }
}

/** Windows of 5 seconds, sent every second, so that the page moves while one looks; and the limits of this plant. */
function forDemo(node: FlowNode): FlowNode {
  if (node.type === 'tide-detect') return { ...node, rules: PLANT_LIMITS };
  if (node.type === 'tide-summarize') return { ...node, name: 'every 5 seconds', resolutions: '5s' };
  if (node.type === 'tide-bridge') return { ...node, interval: '1' };
  return node;
}

/** The editor's password follows from the vault's key, so that each start can print it and none is stored. */
const demoPassword = (key: string): string => makePassword(Buffer.from(derivedSecret(key, DEMO_PASSWORD), 'base64url'));

function passwordOf(directory: string, config: GatewayConfig): string {
  const { key, directory: vault } = vaultOptionsOf(directory, config);
  return demoPassword(readKey(key, vault));
}

function report(
  urls: { editor: string; page: string; gatewayBroker: string; cloudBroker: string },
  login: { user: string; password: string },
  directory: string,
  isNew: boolean,
): void {
  const lines = [
    '',
    `  Tidegate: a simulated waterworks with 24 sensors${isNew ? '' : ', going on where it stopped'}`,
    '',
    `  page      ${urls.page}   series advance within half a minute; the first alert comes within three`,
    `  editor    ${urls.editor}   user ${login.user}, password ${login.password}`,
    `  sensors   ${urls.gatewayBroker}`,
    `  cloud     ${urls.cloudBroker}`,
    `  may leave ${GRANT} (grant made for this demo; nothing else leaves the site)`,
    '',
    '  What to try next',
    `    send a reading     npx mqtt pub -h 127.0.0.1 -p ${new URL(urls.gatewayBroker).port} -q 1 -t site/kettle/temperature -m 21.5`,
    '    open the editor, change the flow and deploy: no reading is lost',
    '    write a set-point on the page (it asks for a token, see below) and see it in the editor, in the debug sidebar',
    `    token for the page cat ${path.join(directory, 'cloud/keys/api-token')}`,
    `    how it is          npx tidegate status ${path.join(directory, 'gateway')}`,
    `    let nothing leave  npx tidegate grant revoke ${path.join(directory, 'gateway')} '${GRANT}'`,
    '',
    '  Ctrl-C ends everything; npm start goes on where it stopped.',
    '',
  ];
  console.log(lines.join('\n'));
}
