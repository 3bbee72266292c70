import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parse, stringify } from 'yaml';
import type { GatewaysAnswer } from '../../cloud-bridge/src/api/contract.ts';
import { eventually } from './eventually.ts';
import { freePort } from './ports.ts';
import { Program, root } from './process.ts';
import { TcpProxy } from './tcp-proxy.ts';

const GATEWAY_CLI = path.join(root, 'gateway/bin/tidegate.js');
const CLOUD_CLI = path.join(root, 'cloud-bridge/bin/tidegate-cloud.js');

export interface CloudUrls {
  page: string;
  broker: string;
}

/**
 * A cloud and a gateway as real processes, with a link between them that can be cut. Each can be stopped, killed and
 * started again on its own directory; ports stay the same, as they would on a site.
 */
/** Windows of a second, sent each second, so that a test need not wait for minutes. */
export function hurry(flow: Record<string, unknown>[]): void {
  for (const node of flow) {
    if (node['type'] === 'tide-summarize') Object.assign(node, { resolutions: '1s', grace: '1' });
    if (node['type'] === 'tide-bridge') node['interval'] = '1';
  }
}

export class Site {
  readonly directory: string;
  readonly gatewayDirectory: string;
  readonly cloudDirectory: string;
  readonly mqttPort: number;
  readonly editorPort: number;
  readonly password = 'a password for the tests';
  private readonly pagePort: number;
  private readonly cloudMqttPort: number;
  private broker: string[] = [];
  link!: TcpProxy;
  gateway: Program | undefined;
  cloud: Program | undefined;
  apiToken = '';

  private constructor(directory: string, ports: readonly number[]) {
    this.directory = directory;
    this.gatewayDirectory = path.join(directory, 'gateway');
    this.cloudDirectory = path.join(directory, 'cloud');
    [this.mqttPort, this.editorPort, this.pagePort, this.cloudMqttPort] = ports as [number, number, number, number];
  }

  /** Starts a cloud, enrols a gateway named `site` there and makes its directory. */
  static async make(options: {
    grants: readonly string[];
    /** Port of a broker of somebody else; the cloud's embedded one without. */
    brokerPort?: number;
    flow?: (flow: Record<string, unknown>[]) => void;
    /** The broker is reached by TLS; options with which the cloud is run. */
    tls?: readonly string[];
  }): Promise<Site> {
    const scheme = options.tls === undefined ? 'mqtt' : 'mqtts';
    const ports = [await freePort(), await freePort(), await freePort(), options.brokerPort ?? (await freePort())];
    const site = new Site(mkdtempSync(path.join(os.tmpdir(), 'tidegate-site-')), ports);
    if (options.brokerPort !== undefined) site.broker = ['--broker', `${scheme}://127.0.0.1:${options.brokerPort}`];
    else site.broker = ['--mqtt-port', String(site.cloudMqttPort)];
    site.broker.push(...(options.tls ?? []));
    await site.startCloud();
    site.link = await TcpProxy.open(site.cloudMqttPort);
    const { token } = await site.runJson<{ token: string }>(CLOUD_CLI, [
      'enroll',
      'site',
      '--dir',
      site.cloudDirectory,
      '--broker-url',
      `${scheme}://127.0.0.1:${site.link.port}`,
      '--json',
    ]);
    const passwordFile = path.join(site.directory, 'password');
    writeFileSync(passwordFile, site.password, { mode: 0o600 });
    await site.run(GATEWAY_CLI, [
      'init',
      site.gatewayDirectory,
      '--yes',
      '--name',
      'site',
      '--enrol',
      token,
      '--user',
      'admin',
      '--password-file',
      passwordFile,
      ...site.grantOptions(options.grants),
    ]);
    site.configure((config) => {
      config.mqtt = { ...config.mqtt, port: site.mqttPort };
      config.editor = { ...config.editor, port: site.editorPort };
    });
    if (options.flow !== undefined) site.editFlow(options.flow);
    return site;
  }

  async startCloud(): Promise<void> {
    this.cloud = new Program('cloud', process.execPath, [
      CLOUD_CLI,
      'run',
      '--dir',
      this.cloudDirectory,
      '--port',
      String(this.pagePort),
      ...this.broker,
      '--json',
    ]);
    await this.cloud.json();
    this.apiToken = readFileSync(path.join(this.cloudDirectory, 'keys/api-token'), 'utf8').trim();
  }

  async startGateway(): Promise<void> {
    this.gateway = new Program('gateway', process.execPath, [GATEWAY_CLI, 'run', this.gatewayDirectory, '--json']);
    await this.gateway.json();
  }

  /** Waits until the cloud has heard of the gateway. */
  async enrolled(): Promise<void> {
    await eventually('the gateway is enrolled at the cloud', async () => {
      const { gateways } = await this.ask<GatewaysAnswer>('/api/v1/gateways');
      return gateways.some(({ gateway, online }) => gateway === 'site' && online);
    });
  }

  /** Changes gateway.yaml while the gateway is down. */
  configure(change: (config: Record<string, Record<string, unknown>>) => void): void {
    const file = path.join(this.gatewayDirectory, 'gateway.yaml');
    const config = parse(readFileSync(file, 'utf8')) as Record<string, Record<string, unknown>>;
    change(config);
    writeFileSync(file, stringify(config));
  }

  /** Changes the flow file while the gateway is down. */
  editFlow(change: (flow: Record<string, unknown>[]) => void): void {
    const flow = JSON.parse(readFileSync(this.flowFile, 'utf8')) as Record<string, unknown>[];
    change(flow);
    writeFileSync(this.flowFile, JSON.stringify(flow, null, 2));
  }

  get flowFile(): string {
    return path.join(this.gatewayDirectory, 'node-red/flows.json');
  }

  /** GET on the cloud's API. */
  async ask<T>(request: string): Promise<T> {
    const response = await fetch(`http://127.0.0.1:${this.pagePort}${request}`);
    if (!response.ok) throw new Error(`${request}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  }

  async put(request: string, body: unknown): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.pagePort}${request}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${this.apiToken}` },
      body: JSON.stringify(body),
    });
  }

  /** A token for the editor's admin API. */
  async login(): Promise<string> {
    const response = await fetch(`http://127.0.0.1:${this.editorPort}/auth/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        client_id: 'node-red-admin',
        grant_type: 'password',
        scope: '*',
        username: 'admin',
        password: this.password,
      }),
    });
    if (!response.ok) throw new Error(`login: ${response.status} ${await response.text()}`);
    return ((await response.json()) as { access_token: string }).access_token;
  }

  /** Deploys the flow as it is, as the editor's Full Deploy does. */
  async deploy(token: string): Promise<void> {
    const headers = { authorization: `Bearer ${token}`, 'Node-RED-API-Version': 'v2' };
    const flows = await fetch(`http://127.0.0.1:${this.editorPort}/flows`, { headers });
    const { flows: nodes } = (await flows.json()) as { flows: unknown };
    const response = await fetch(`http://127.0.0.1:${this.editorPort}/flows`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json', 'Node-RED-Deployment-Type': 'full' },
      body: JSON.stringify({ flows: nodes }),
    });
    if (!response.ok) throw new Error(`deploy: ${response.status} ${await response.text()}`);
  }

  /** Runs a command of the gateway's CLI to its end. */
  async tidegate(...args: string[]): Promise<string> {
    return this.run(GATEWAY_CLI, args);
  }

  async close(): Promise<void> {
    await this.gateway?.stop();
    await this.cloud?.stop();
    await this.link.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  private grantOptions(grants: readonly string[]): string[] {
    return grants.length === 0 ? ['--no-grants'] : grants.flatMap((grant) => ['--grant', grant]);
  }

  private async run(script: string, args: readonly string[]): Promise<string> {
    const program = new Program(path.basename(script), process.execPath, [script, ...args]);
    const code = await program.ended();
    if (code !== 0) throw new Error(`${path.basename(script)} ${args[0]} ended with ${code}:\n${program.output()}`);
    return program.output();
  }

  private async runJson<T>(script: string, args: readonly string[]): Promise<T> {
    const output = await this.run(script, args);
    return JSON.parse(output.split('\n').find((line) => line.startsWith('{'))!) as T;
  }
}
