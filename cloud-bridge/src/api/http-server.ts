import { TideError, reasonOf } from '@tidegate/nodes/node';
import { fastify, type FastifyInstance } from 'fastify';

import { listenError } from '../broker/mqtt-broker.ts';
import type { ErrorAnswer } from './contract.ts';
import { servePage } from './http-page.ts';
import { addRoutes, type ApiParts } from './http-routes.ts';

export interface HttpOptions {
  host: string;
  /** 0 takes a free port. */
  port: number;
  /** Whoever can reach the port may read. Otherwise only this machine's own names are answered. */
  anyoneMayRead: boolean;
  /** Serve the page; without it there is the API only. */
  page: boolean;
  log: (line: string) => void;
}

const BODY_LIMIT = 65_536;
const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);

const STATUS: Record<string, number> = {
  'bad-request': 400,
  unauthorized: 401,
  'wrong-host': 403,
  'not-found': 404,
  'too-many': 429,
  'stamp-ahead': 409,
  'store-unavailable': 503,
};

/** The HTTP server: API and page. */
export class HttpServer {
  private readonly options: HttpOptions;
  private readonly parts: ApiParts;
  private app: FastifyInstance | undefined;

  constructor(options: HttpOptions, parts: ApiParts) {
    this.options = options;
    this.parts = parts;
  }

  /** Resolves to the address. Throws TideError `port-in-use`, `page-not-built`. */
  async start(): Promise<string> {
    const { host, port, page } = this.options;
    const app = fastify({ bodyLimit: BODY_LIMIT, forceCloseConnections: true, requestTimeout: 30_000 });
    this.app = app;
    this.guard(app);
    if (page) await app.register(async (scope) => servePage(scope));
    addRoutes(app, this.parts);
    try {
      await app.listen({ host, port });
    } catch (error) {
      throw listenError(error instanceof Error ? error : new Error(reasonOf(error)), host, port);
    }
    const address = app.server.address();
    const actual = typeof address === 'object' && address !== null ? address.port : port;
    return `http://${host.includes(':') ? `[${host}]` : host}:${actual}`;
  }

  async stop(): Promise<void> {
    await this.app?.close();
    this.app = undefined;
  }

  private guard(app: FastifyInstance): void {
    app.addHook('onRequest', async ({ headers }, reply) => {
      reply.header('x-content-type-options', 'nosniff').header('cache-control', 'no-store');
      // A name that somebody else's DNS points at this machine would make their page a reader of ours.
      if (!this.allows(headers.host))
        throw new TideError(
          'wrong-host',
          `host: found ${shown(headers.host)}, allowed: localhost (see --anyone-may-read)`,
        );
    });
    app.setNotFoundHandler(({ method, url }, reply) => {
      const where = `${method} ${url.slice(0, 200)}`;
      return reply.code(404).send(answerOf('not-found', `there is nothing at ${where}`));
    });
    app.setErrorHandler((error, _request, reply) => {
      if (error instanceof TideError)
        return reply.code(STATUS[error.code] ?? 500).send(answerOf(error.code, error.message));
      const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500;
      if (status < 500) return reply.code(status).send(answerOf('bad-request', reasonOf(error)));
      this.options.log(`the API failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      return reply.code(500).send(answerOf('failed', 'the cloud failed to answer; its log says more'));
    });
  }

  private allows(host: string | undefined): boolean {
    return this.options.anyoneMayRead || LOOPBACK.has((host ?? '').replace(/:\d+$/, '').toLowerCase());
  }
}

const shown = (host: string | undefined): string => JSON.stringify((host ?? '').slice(0, 100));
const answerOf = (code: string, message: string): ErrorAnswer => ({ error: { code, message } });
