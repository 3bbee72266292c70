import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { chmod, mkdir, rm } from 'node:fs/promises';
import path from 'node:path';

import { reasonOf, TideError, toError } from '@tidegate/nodes/node';

import { sendLines } from './http-lines.ts';
import { type Answer, answerControl, type Controlled, type Line } from './requests.ts';

/** Largest request, bytes. */
const MAX_BODY = 1 << 20;
/** Long answers at one time. */
const MAX_STREAMS = 4;

/** The socket over which the command line talks to a running gateway. Whoever may open it is the gateway's user. */
export class ControlServer {
  private readonly gateway: Controlled;
  private readonly path: string;
  private server: Server | undefined;
  /** Long answers that are under way. */
  private readonly streams = new Set<Promise<void>>();

  constructor(gateway: Controlled, socket: string) {
    this.gateway = gateway;
    this.path = socket;
  }

  /** Call only while holding the vault: a socket that is left over from a process that was killed is replaced. */
  async start(): Promise<void> {
    if (!isPipe(this.path)) {
      await mkdir(path.dirname(this.path), { recursive: true, mode: 0o700 });
      await rm(this.path, { force: true });
    }
    const server = createServer((incoming, response) => {
      this.respond(incoming, response).catch((error: unknown) => response.destroy(toError(error)));
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.path, resolve);
    });
    if (!isPipe(this.path)) await chmod(this.path, 0o600);
    this.server = server;
  }

  async stop(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    if (server === undefined) return;
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
    // They read from the vault, which is closed next.
    await Promise.allSettled(this.streams);
  }

  private async respond(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    let answer: Answer;
    try {
      answer = await this.answer(incoming);
    } catch (error) {
      answer = { status: 500, body: { error: { code: 'failed', message: reasonOf(error) } } };
    }
    if ('lines' in answer) {
      if (this.streams.size < MAX_STREAMS) return this.stream(answer.lines, response);
      const message = `${MAX_STREAMS} long answers are under way already; ask again when one has ended`;
      answer = { status: 503, body: { error: { code: 'busy', message } } };
    }
    response.writeHead(answer.status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer.body));
  }

  private async stream(lines: AsyncIterable<Line>, response: ServerResponse): Promise<void> {
    const sent = sendLines(lines, response);
    this.streams.add(sent);
    try {
      await sent;
    } finally {
      this.streams.delete(sent);
    }
  }

  private async answer(incoming: IncomingMessage): Promise<Answer> {
    const text = await bodyOf(incoming);
    let body: unknown;
    try {
      body = text === '' ? undefined : JSON.parse(text);
    } catch {
      return { status: 400, body: { error: { code: 'bad-request', message: 'the body is no JSON' } } };
    }
    return answerControl(this.gateway, incoming.method ?? 'GET', incoming.url ?? '/', body);
  }
}

async function bodyOf(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of incoming) {
    size += (chunk as Buffer).length;
    if (size > MAX_BODY) throw new TideError('too-large', `more than ${MAX_BODY} bytes`);
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
}

const isPipe = (socket: string): boolean => socket.startsWith('\\\\.\\pipe\\');
