import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parse, stringify } from 'yaml';
import { Program, root } from './process.ts';

export const CLI = path.join(root, 'gateway/bin/tidegate.js');

export interface Ready {
  name: string;
  editor: string;
  gatewayBroker: string;
  /** Absent from the demo; null when /metrics and /healthz are not open. */
  metrics?: string | null;
  pid: number;
}

/** A directory that is removed again. */
export function temporaryDirectory(name: string): { path: string; remove: () => void } {
  const directory = mkdtempSync(path.join(os.tmpdir(), `tidegate-${name}-`));
  return { path: directory, remove: () => rmSync(directory, { recursive: true, force: true }) };
}

/** Runs a command of the gateway's CLI to its end. */
export async function tidegate(...args: string[]): Promise<{ code: number | null; output: string }> {
  const program = new Program(`tidegate ${args[0]}`, process.execPath, [CLI, ...args]);
  return { code: await program.ended(), output: program.output() };
}

/** A gateway without a cloud, as a real process on free ports. */
export class LoneGateway {
  readonly directory: string;
  readonly password = 'a password for the tests';
  private readonly home: { path: string; remove: () => void };
  program: Program | undefined;
  ready: Ready | undefined;

  private constructor(home: { path: string; remove: () => void }) {
    this.home = home;
    this.directory = path.join(home.path, 'gateway');
  }

  static async make(...options: string[]): Promise<LoneGateway> {
    const gateway = new LoneGateway(temporaryDirectory('gateway'));
    const passwordFile = path.join(gateway.home.path, 'password');
    writeFileSync(passwordFile, gateway.password, { mode: 0o600 });
    const init = ['init', gateway.directory, '--name', 'lone', '--password-file', passwordFile, '--yes', ...options];
    const { code, output } = await tidegate(...init);
    if (code !== 0) throw new Error(`tidegate init ended with ${code}:\n${output}`);
    gateway.configure((config) => {
      config['mqtt'] = { ...config['mqtt'], port: 0 };
      config['editor'] = { ...config['editor'], port: 0 };
    });
    return gateway;
  }

  /** Changes gateway.yaml while the gateway is down. */
  configure(change: (config: Record<string, Record<string, unknown>>) => void): void {
    const file = path.join(this.directory, 'gateway.yaml');
    const config = parse(readFileSync(file, 'utf8')) as Record<string, Record<string, unknown>>;
    change(config);
    writeFileSync(file, stringify(config));
  }

  async start(env: NodeJS.ProcessEnv = {}): Promise<Ready> {
    this.program = new Program('gateway', process.execPath, [CLI, 'run', this.directory, '--json'], { env });
    this.ready = await this.program.json<Ready>();
    return this.ready;
  }

  get brokerPort(): number {
    return Number(new URL(this.ready!.gatewayBroker).port);
  }

  /** Deploys the flow as it is, as the editor's Full Deploy does. */
  async deploy(): Promise<void> {
    const headers = { authorization: `Bearer ${await this.login()}`, 'Node-RED-API-Version': 'v2' };
    const { flows } = (await (await fetch(`${this.ready!.editor}/flows`, { headers })).json()) as { flows: unknown };
    const response = await fetch(`${this.ready!.editor}/flows`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json', 'Node-RED-Deployment-Type': 'full' },
      body: JSON.stringify({ flows }),
    });
    if (!response.ok) throw new Error(`deploy: ${response.status} ${await response.text()}`);
  }

  /** A token for the editor's admin API. */
  async login(password: string = this.password): Promise<string> {
    const response = await fetch(`${this.ready!.editor}/auth/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        client_id: 'node-red-admin',
        grant_type: 'password',
        scope: '*',
        username: 'admin',
        password,
      }),
    });
    if (!response.ok) throw new Error(`login: ${response.status} ${await response.text()}`);
    return ((await response.json()) as { access_token: string }).access_token;
  }

  async close(): Promise<void> {
    await this.program?.kill();
    this.home.remove();
  }
}
