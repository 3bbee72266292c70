import net from 'node:net';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { freePort } from '../../test/support/ports.ts';
import { Program } from '../../test/support/process.ts';

/** As much of a NATS client (the text protocol of docs.nats.io) as publishing and asking JetStream takes. */
export class NatsClient {
  private readonly socket: net.Socket;
  private readonly waiting = new Map<string, (payload: string) => void>();
  private pending = Buffer.alloc(0);
  private asked = 0;

  private constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => this.take(chunk));
  }

  static async connect(port: number): Promise<NatsClient> {
    const socket = net.connect(port, '127.0.0.1');
    await once(socket, 'connect');
    const client = new NatsClient(socket);
    socket.write('CONNECT {"verbose":false,"pedantic":false}\r\nSUB inbox.* 1\r\n');
    return client;
  }

  /** Resolves with the answer; for a publish into a stream that is the acknowledgement of JetStream. */
  request(subject: string, payload: string): Promise<string> {
    const id = `inbox.${++this.asked}`;
    const answer = new Promise<string>((resolve) => this.waiting.set(id, resolve));
    this.socket.write(`PUB ${subject} ${id} ${Buffer.byteLength(payload)}\r\n${payload}\r\n`);
    return answer;
  }

  /** Asks JetStream; throws what it answers with when that is an error. */
  async ask<T>(subject: string, body: unknown = ''): Promise<T> {
    const answer = await this.request(subject, body === '' ? '' : JSON.stringify(body));
    const parsed = JSON.parse(answer) as T & { error?: { description: string } };
    if (parsed.error !== undefined) throw new Error(`NATS, ${subject}: ${parsed.error.description}`);
    return parsed;
  }

  close(): void {
    this.socket.destroy();
  }

  private take(chunk: Buffer): void {
    this.pending = Buffer.concat([this.pending, chunk]);
    for (;;) {
      const end = this.pending.indexOf('\r\n');
      if (end < 0) return;
      const words = this.pending.toString('latin1', 0, end).split(' ');
      let next = end + 2;
      if (words[0] === 'MSG') {
        const size = Number(words.at(-1));
        if (this.pending.length < next + size + 2) return;
        this.waiting.get(words[1])?.(this.pending.toString('utf8', next, next + size));
        this.waiting.delete(words[1]);
        next += size + 2;
      } else if (words[0] === 'PING') this.socket.write('PONG\r\n');
      this.pending = this.pending.subarray(next);
    }
  }
}

/** A NATS server with JetStream in a domain of its own; a leaf of `hub` when one is given, and open to leaves when not. */
export async function startNats(
  binary: string,
  directory: string,
  domain: string,
  ports: { client: number; leaves: number },
  role: 'hub' | 'leaf',
): Promise<Program> {
  const file = path.join(directory, `${domain}.conf`);
  const leaves =
    role === 'hub'
      ? `leafnodes { host: "127.0.0.1", port: ${ports.leaves} }`
      : `leafnodes { reconnect: 1, remotes: [ { url: "nats-leaf://127.0.0.1:${ports.leaves}" } ] }`;
  writeFileSync(
    file,
    `server_name: ${domain}\nhost: "127.0.0.1"\nport: ${ports.client}\n` +
      `jetstream { store_dir: ${JSON.stringify(path.join(directory, domain))}, domain: ${domain} }\n${leaves}\n`,
  );
  const program = new Program(`nats ${domain}`, binary, ['-c', file]);
  await program.line(/Server is ready/);
  return program;
}

export async function natsPorts(): Promise<{ hub: number; leaf: number; leaves: number }> {
  return { hub: await freePort(), leaf: await freePort(), leaves: await freePort() };
}
