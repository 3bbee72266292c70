import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { toError } from '@tidegate/nodes/node';

import type { GatewayStatus } from '../control/status.ts';
import { listenError } from '../listen-error.ts';
import { EXPOSITION, exposed } from './exposition.ts';
import { metricsOf } from './gateway-metrics.ts';
import { type Health, healthOf } from './health.ts';

export interface MetricsOptions {
  host: string;
  port: number;
  version: string;
  status: () => Promise<GatewayStatus>;
}

const MAX_CONNECTIONS = 64;
/** A status that takes longer counts as none. */
const PATIENCE_MS = 5_000;
/** Scrapes within this time share one status. */
const FRESH_MS = 1_000;

/** `/metrics` for Prometheus and `/healthz` for a watchdog. Reads nothing from the request but method and path. */
export class MetricsServer {
  private readonly options: MetricsOptions;
  private server: Server | undefined;
  private asked: { at: number; status: Promise<GatewayStatus | undefined> } | undefined;

  constructor(options: MetricsOptions) {
    this.options = options;
  }

  get port(): number {
    const address = this.server?.address();
    return typeof address === 'object' && address !== null ? (address satisfies AddressInfo).port : 0;
  }

  async start(): Promise<void> {
    const { host, port } = this.options;
    const server = createServer({ headersTimeout: 10_000, requestTimeout: 10_000 }, (incoming, response) => {
      this.respond(incoming, response).catch((error: unknown) => response.destroy(toError(error)));
    });
    server.maxConnections = MAX_CONNECTIONS;
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => reject(listenError(error, host, port)));
      server.listen(port, host, resolve);
    });
    this.server = server;
  }

  async stop(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    if (server === undefined) return;
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
    await this.asked?.status;
  }

  private async respond(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/' } = incoming;
    const [path] = url.split('?', 1);
    // A body that nobody wants is not read.
    if (method !== 'GET' && method !== 'HEAD')
      return answer(response, 405, 'text/plain', 'GET and HEAD are allowed\n', {
        allow: 'GET, HEAD',
        connection: 'close',
      });
    if (path === '/metrics') return this.metrics(response);
    if (path === '/healthz') return this.health(response);
    answer(response, 404, 'text/plain', '/metrics and /healthz are here\n');
  }

  private async metrics(response: ServerResponse): Promise<void> {
    const status = await this.status();
    if (status === undefined) answer(response, 503, 'text/plain', 'the vault does not answer\n');
    else answer(response, 200, EXPOSITION, exposed(metricsOf(status, this.options.version)));
  }

  private async health(response: ServerResponse): Promise<void> {
    const health: Health = healthOf(await this.status());
    const code = health.status === 'failing' ? 503 : 200;
    answer(response, code, 'application/json', `${JSON.stringify(health)}\n`, { 'cache-control': 'no-store' });
  }

  /** Undefined when it failed or took too long. */
  private status(): Promise<GatewayStatus | undefined> {
    const now = performance.now();
    if (this.asked === undefined || now - this.asked.at > FRESH_MS)
      this.asked = { at: now, status: this.options.status().catch(() => undefined) };
    return within(PATIENCE_MS, this.asked.status);
  }
}

function answer(
  response: ServerResponse,
  code: number,
  type: string,
  body: string,
  headers: Record<string, string> = {},
): void {
  response.writeHead(code, { 'content-type': type, ...headers });
  response.end(body);
}

async function within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
