/** Exports over the control socket: requests are JSON, a piece comes back as its bytes with its facts in a header. */
import { chmod, mkdir, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import path from 'node:path';

import { reasonOf, TideError, toError } from '@tidegate/nodes/node';
import { z } from 'zod';

import { codeOf } from '../error-code.ts';
import type { Piece, Sealing } from './export-session.ts';
import type { ExportSource } from './exports.ts';

const EXPORT_PATH = '/export';
const FACTS = 'x-tidegate-export';
const MAX_REQUEST = 256 * 1024;
/** A piece is about 1 MiB, and one part beyond that at most. */
const MAX_PIECE = 64 << 20;
/** A piece may have to read a large part of the vault, milliseconds. */
const PATIENCE_MS = 600_000;

const size = z.number().int().nonnegative();
const asked = z.discriminatedUnion('call', [
  z.strictObject({
    call: z.literal('begin'),
    path: z.string().max(4096),
    header: z.base64().max(200_000),
    fileKey: z.base64().max(32),
    readers: z.string().max(65_536),
  }),
  z.strictObject({ call: z.literal('resume'), path: z.string().max(4096), readers: z.string().max(65_536), size }),
  z.strictObject({ call: z.literal('next'), path: z.string().max(4096), have: size }),
  z.strictObject({ call: z.literal('finish'), path: z.string().max(4096) }),
]);
type Asked = z.infer<typeof asked>;

const facts = z.object({ done: z.boolean(), readings: z.number(), share: z.number() });
const failure = z.object({ error: z.object({ code: z.string(), message: z.string() }) });
const resumed = z.union([z.object({ offset: size }), z.object({ reason: z.string() })]);

/** Where exports are asked for: beside a gateway's control socket. */
export const exportSocket = (control: string): string =>
  control.endsWith('control.sock') ? path.join(path.dirname(control), 'export.sock') : `${control}-export`;

/** Lets the command line copy a running gateway's vault. Whoever may open the socket is the gateway's user. */
export class ExportServer {
  private readonly source: ExportSource;
  private readonly path: string;
  private server: Server | undefined;

  constructor(source: ExportSource, socket: string) {
    this.source = source;
    this.path = socket;
  }

  /** Call only while holding the vault: a socket that is left over from a process that was killed is replaced. */
  async start(): Promise<void> {
    const file = !this.path.startsWith('\\\\.\\pipe\\');
    if (file) {
      await mkdir(path.dirname(this.path), { recursive: true, mode: 0o700 });
      await rm(this.path, { force: true });
    }
    const server = createServer((incoming, response) => {
      respond(this.source, incoming, response).catch((error: unknown) => response.destroy(toError(error)));
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.path, resolve);
    });
    if (file) await chmod(this.path, 0o600);
    this.server = server;
  }

  async stop(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    if (server !== undefined) {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    }
    await this.source.close();
  }
}

async function respond(source: ExportSource, incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  const json = (status: number, body: object): void => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  };
  try {
    const body = asked.parse(JSON.parse((await bodyOf(incoming, MAX_REQUEST)).toString('utf8')));
    const answer = await act(source, body);
    if (!('bytes' in answer)) return json(200, answer);
    const { bytes, ...rest } = answer;
    response.writeHead(200, {
      'content-type': 'application/octet-stream',
      'content-length': bytes.length,
      [FACTS]: JSON.stringify(rest),
    });
    response.end(bytes);
  } catch (error) {
    const code = error instanceof TideError ? error.code : error instanceof z.ZodError ? 'bad-request' : 'failed';
    json(400, { error: { code, message: reasonOf(error) } });
  }
}

async function act(source: ExportSource, body: Asked): Promise<Piece | object> {
  switch (body.call) {
    case 'begin': {
      const { path, readers } = body;
      await source.begin(path, { header: bytesIn(body.header), fileKey: bytesIn(body.fileKey), readers });
      break;
    }
    case 'resume':
      return source.resume(body.path, body.readers, body.size);
    case 'next':
      return source.next(body.path, body.have);
    case 'finish':
      await source.finish(body.path);
  }
  return {};
}

/** The running gateway's vault. */
export class GatewayExports implements ExportSource {
  private readonly socket: string;

  constructor(socket: string) {
    this.socket = socket;
  }

  /** Whether a gateway listens there. */
  static listens(socket: string): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const connection = connect(socket);
      connection.once('connect', () => {
        connection.destroy();
        resolve(true);
      });
      connection.once('error', (error) => {
        if (['ENOENT', 'ECONNREFUSED', 'ENOTSOCK'].includes(codeOf(error) ?? '')) resolve(false);
        else reject(error);
      });
    });
  }

  async begin(path: string, { header, fileKey, readers }: Sealing): Promise<void> {
    await this.ask({ call: 'begin', path, header: base64(header), fileKey: base64(fileKey), readers });
  }

  async resume(path: string, readers: string, bytes: number): Promise<{ offset: number } | { reason: string }> {
    const { body } = await this.ask({ call: 'resume', path, readers, size: bytes });
    return resumed.parse(JSON.parse(body.toString('utf8')));
  }

  async next(path: string, have: number): Promise<Piece> {
    const { body, header } = await this.ask({ call: 'next', path, have });
    return { bytes: body, ...facts.parse(JSON.parse(header)) };
  }

  async finish(path: string): Promise<void> {
    await this.ask({ call: 'finish', path });
  }

  async close(): Promise<void> {
    // Nothing stands between two requests.
  }

  private async ask(body: Asked): Promise<{ body: Buffer; header: string }> {
    const answer = await exchange(this.socket, JSON.stringify(body));
    if (answer.status === 200) return answer;
    const { error } = failure.parse(JSON.parse(answer.body.toString('utf8')));
    throw new TideError(error.code, error.message);
  }
}

function exchange(socketPath: string, body: string): Promise<{ status: number; body: Buffer; header: string }> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const sent = request(
      { socketPath, method: 'POST', path: EXPORT_PATH, headers, timeout: PATIENCE_MS },
      (incoming) => {
        const header = incoming.headers[FACTS];
        bodyOf(incoming, MAX_PIECE).then(
          (bytes) =>
            resolve({
              status: incoming.statusCode ?? 0,
              body: bytes,
              header: typeof header === 'string' ? header : '',
            }),
          reject,
        );
      },
    );
    sent.on('timeout', () => sent.destroy(new TideError('no-answer', 'the running gateway does not answer')));
    sent.on('error', (error) => reject(gone(error)));
    sent.end(body);
  });
}

/** A gateway that ended while it was asked. */
function gone(error: Error): Error {
  const code = codeOf(error);
  if (code === undefined || !['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE'].includes(code)) return error;
  return new TideError('no-session', 'the gateway has ended meanwhile; call again to go on with the export', {
    cause: error,
  });
}

async function bodyOf(incoming: IncomingMessage, most: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of incoming) {
    bytes += (chunk as Buffer).length;
    if (bytes > most) throw new TideError('too-large', `more than ${most} bytes`);
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
const bytesIn = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'base64'));
