import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { chmod, mkdir, rm } from 'node:fs/promises';
import path from 'node:path';

import { reasonOf, TideError, toError } from '@tidegate/nodes/node';
import { z } from 'zod';

import { codeOf } from '../error-code.ts';
import { type Answer, answerControl, type Controlled } from './requests.ts';

/** Largest request and answer, bytes. */
const MAX_BODY = 1 << 20;

/** The socket over which the command line talks to a running gateway. Whoever may open it is the gateway's user. */
export class ControlServer {
  private readonly gateway: Controlled;
  private readonly path: string;
  private server: Server | undefined;

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
  }

  private async respond(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    let answer: Answer;
    try {
      answer = await this.answer(incoming);
    } catch (error) {
      answer = { status: 500, body: { error: { code: 'failed', message: reasonOf(error) } } };
    }
    response.writeHead(answer.status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer.body));
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

/** Asks a running gateway; undefined when none listens at the socket. Throws what the gateway answers as a TideError. */
export async function askControl(
  socket: string,
  method: string,
  requestPath: string,
  body?: unknown,
): Promise<unknown> {
  let text: string;
  try {
    text = await exchange(socket, method, requestPath, body === undefined ? '' : JSON.stringify(body));
  } catch (error) {
    if (['ENOENT', 'ECONNREFUSED', 'ENOTSOCK'].includes(codeOf(error) ?? '')) return undefined;
    throw error;
  }
  const answer = answerShape.parse(JSON.parse(text));
  if (answer.error !== undefined) throw new TideError(answer.error.code, answer.error.message);
  return answer;
}

const answerShape = z.looseObject({ error: z.object({ code: z.string(), message: z.string() }).optional() });

function exchange(socketPath: string, method: string, requestPath: string, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    // With its length, because Node sends the body of a DELETE without a frame otherwise.
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const asked = request({ socketPath, method, path: requestPath, headers, timeout: 60_000 }, (incoming) => {
      bodyOf(incoming).then(resolve, reject);
    });
    asked.on('timeout', () => asked.destroy(new TideError('no-answer', 'the running gateway does not answer')));
    asked.on('error', reject);
    asked.end(body);
  });
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
