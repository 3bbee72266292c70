import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import type { GatewayHost } from '@tidegate/nodes/node';
import type NodeRed from 'node-red';

import { listenError } from '../listen-error.ts';
import { isWorthALine, type LogMessage, logLine } from './log-line.ts';

export interface EditorOptions {
  /** Name of the gateway, shown in the editor's title. */
  name: string;
  host: string;
  /** 0 takes a free port. */
  port: number;
  userDir: string;
  user: string;
  /** Whether a password is the user's. */
  login: (user: string, password: string) => Promise<boolean>;
  /** Seals the credentials of nodes; derived, so that none is generated in clear beside the flows. */
  credentialSecret: string;
  tidegate: GatewayHost;
  log: (line: string) => void;
}

/** Node-RED with its editor, embedded. One in a process, and it cannot be started again after its end: Node-RED's rule. */
export class Editor {
  private readonly options: EditorOptions;
  private server: Server | undefined;
  private ready = false;
  private running = false;
  /** Loaded when the flows start: the door opens before, and does not wait for it. */
  private red: typeof NodeRed | undefined;
  /** How the flows are, in words. */
  flows = 'not started';

  constructor(options: EditorOptions) {
    this.options = options;
  }

  /** Opens the port. Throws a TideError `port-in-use`. */
  async listen(): Promise<void> {
    const { host, port } = this.options;
    const server = createServer((request, response) => this.answer(request, response));
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => reject(listenError(error, host, port)));
      server.listen(port, host, () => resolve());
    });
    this.server = server;
  }

  /** Starts Node-RED and waits until the flows run or Node-RED has said why they do not. */
  async start(): Promise<void> {
    if (this.server === undefined) await this.listen();
    const { default: red } = await import('node-red');
    this.red = red;
    red.init(this.server!, this.settings());
    this.running = true;
    const settled = this.watchFlows(red);
    await red.start();
    this.ready = true;
    await settled;
  }

  /** Keeps `flows` true; resolves when they have started or have been held back (a missing node type, for example). */
  private watchFlows(red: typeof NodeRed): Promise<void> {
    return new Promise((resolve) => {
      red.events.on('flows:started', () => {
        this.flows = 'running';
        resolve();
      });
      red.events.on('runtime-event', (event) => {
        const { id, payload } = event as { id?: string; payload?: { state?: string; error?: string } };
        if (id !== 'runtime-state' || payload === undefined) return;
        if (payload.error !== undefined) this.flows = `held back: ${payload.error}`;
        else if (payload.state === 'stop') this.flows = 'stopped';
        if (payload.error !== undefined || payload.state === 'stop') resolve();
      });
    });
  }

  /** Stops the flows, which close their nodes, then the port. */
  async stop(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    this.ready = false;
    if (this.running) await this.red?.stop();
    this.running = false;
    if (server === undefined) return;
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  }

  get port(): number {
    const address = this.server?.address();
    return typeof address === 'object' ? (address?.port ?? 0) : 0;
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const refuse = (status: number, text: string): void => {
      response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' });
      response.end(`${text}\n`);
    };
    const { red } = this;
    if (!this.ready || red === undefined) return refuse(503, 'The gateway is starting; try again in a few seconds.');
    red.httpAdmin(request, response, () =>
      red.httpNode(request, response, () => refuse(404, 'There is nothing here.')),
    );
  }

  private settings(): Record<string, unknown> {
    const { name, host, userDir, user, login, credentialSecret, tidegate, log } = this.options;
    const nodes = path.dirname(fileURLToPath(import.meta.resolve('@tidegate/nodes/package.json')));
    return {
      uiHost: host,
      uiPort: this.port,
      httpAdminRoot: '/',
      httpNodeRoot: '/',
      userDir,
      flowFile: 'flows.json',
      flowFilePretty: true,
      credentialSecret,
      nodesDir: [nodes],
      adminAuth: {
        type: 'credentials',
        users: (username: string) => Promise.resolve(username === user ? { username, permissions: '*' } : null),
        authenticate: async (username: string, password: string) =>
          (await login(username, password)) ? { username, permissions: '*' } : null,
      },
      // What the gateway is about stands first in the palette.
      paletteCategories: ['Tidegate', 'subflows', 'common', 'function', 'network', 'sequence', 'parser', 'storage'],
      telemetry: { enabled: false, updateNotification: false },
      editorTheme: {
        tours: false,
        // Projects are off by default; saying so would be logged at each start.
        projects: {},
        page: { title: `Tidegate: ${name}` },
        header: { title: `Tidegate: ${name}` },
      },
      logging: {
        tidegate: {
          level: 'warn',
          metrics: false,
          audit: false,
          handler: () => (message: LogMessage) => {
            if (isWorthALine(message)) log(logLine(message));
          },
        },
      },
      tidegate,
    };
  }
}
