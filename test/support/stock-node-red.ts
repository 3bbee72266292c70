import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';

import { freePort } from './ports.ts';
import { Program, root } from './process.ts';

const RED = path.join(root, 'node_modules/node-red/red.js');

/** Settings of a stock installation, less what opens windows of its own in the editor. */
const settings = (port: number): string => `module.exports = {
  uiPort: ${port},
  uiHost: '127.0.0.1',
  flowFile: 'flows.json',
  telemetry: { enabled: false },
  editorTheme: { tours: false },
  externalModules: { autoInstall: false, palette: { allowInstall: false } },
  logging: { console: { level: 'info', metrics: false, audit: false } },
};
`;

/** A Node-RED as anyone has it, in a process and a user directory of its own, with no code of the gateway. */
export class StockNodeRed {
  readonly userDir: string;
  private readonly port: number;
  private process: Program | undefined;

  private constructor(userDir: string, port: number) {
    this.userDir = userDir;
    this.port = port;
  }

  /** Makes an empty user directory. Nothing runs yet. */
  static async make(): Promise<StockNodeRed> {
    const port = await freePort();
    const red = new StockNodeRed(mkdtempSync(path.join(os.tmpdir(), 'tidegate-node-red-')), port);
    writeFileSync(path.join(red.userDir, 'settings.js'), settings(port));
    writeFileSync(path.join(red.userDir, 'package.json'), JSON.stringify({ name: 'node-red-project', private: true }));
    return red;
  }

  /** Puts @tidegate/nodes into the user directory as the working copy has it: the built files. */
  linkNodes(): void {
    const scope = path.join(this.userDir, 'node_modules/@tidegate');
    mkdirSync(scope, { recursive: true });
    symlinkSync(path.join(root, 'nodes'), path.join(scope, 'nodes'), 'dir');
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get output(): string {
    return this.process?.output() ?? '';
  }

  async start(): Promise<void> {
    this.process = new Program('node-red', process.execPath, [
      RED,
      '--userDir',
      this.userDir,
      '--settings',
      path.join(this.userDir, 'settings.js'),
    ]);
    await this.process.line(/Started flows/, 60_000);
  }

  /** An answer of the admin API. */
  async get<T>(address: string): Promise<T> {
    const response = await fetch(this.url + address, { headers: { accept: 'application/json' } });
    if (!response.ok) throw new Error(`GET ${address}: ${response.status} ${await response.text()}`);
    const answer: T = await response.json();
    return answer;
  }

  /** Deploys flows as the editor does. */
  async deploy(flows: readonly Record<string, unknown>[]): Promise<void> {
    const response = await fetch(`${this.url}/flows`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'Node-RED-API-Version': 'v1' },
      body: JSON.stringify(flows),
    });
    if (!response.ok) throw new Error(`deploy: ${response.status} ${await response.text()}`);
  }

  /** Waits for a line of its log. */
  async line(matches: RegExp, timeoutMs = 30_000): Promise<string> {
    if (this.process === undefined) throw new Error('Node-RED has not been started');
    return this.process.line(matches, timeoutMs);
  }

  async stop(): Promise<void> {
    await this.process?.stop();
    this.process = undefined;
  }

  /** Stops it and removes its user directory. */
  async close(): Promise<void> {
    await this.stop();
    rmSync(this.userDir, { recursive: true, force: true });
  }
}

/** Unpacks a tarball as `npm pack` makes it (ustar, entries below `package/`) into a folder; the names of its files. */
export function unpack(tarball: string, folder: string): string[] {
  const tar = gunzipSync(readFileSync(tarball));
  const names: string[] = [];
  for (let at = 0; at + 512 <= tar.length;) {
    const text = (from: number, length: number): string =>
      tar.toString('utf8', at + from, at + from + length).replace(/\0.*$/s, '');
    const name = text(345, 155) === '' ? text(0, 100) : `${text(345, 155)}/${text(0, 100)}`;
    if (name === '') break;
    const size = Number.parseInt(text(124, 12), 8);
    const isFile = ['0', ''].includes(text(156, 1));
    if (isFile) {
      const inside = name.replace(/^package\//, '');
      if (inside.split('/').includes('..')) throw new Error(`${tarball} holds ${name}`);
      const target = path.join(folder, inside);
      mkdirSync(path.dirname(target), { recursive: true });
      writeFileSync(target, tar.subarray(at + 512, at + 512 + size));
      names.push(inside);
    }
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return names;
}
