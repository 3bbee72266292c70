/**
 * A process that publishes readings at QoS 1 as fast as they are acknowledged (or at a fixed rate), written on bare
 * sockets so that it costs little beside what it measures. One reading for each PUBLISH. Prints one JSON line:
 * `{"sent": n, "acknowledged": n, "seconds": s, "perSecond": n}`; counted from the end of the warm-up.
 *
 * argv[2]: JSON LoadOptions.
 */
import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { CONNACK, connectPacket, PUBACK, publishPacket } from './packets.ts';
import { signal } from './signal.ts';

export interface LoadOptions {
  port: number;
  clients: number;
  /** Publishes of one client that wait for their PUBACK. */
  inFlight: number;
  /** Series of one client; the topics are `site/line{client}/sensor{n}`. */
  seriesPerClient: number;
  warmUpSeconds: number;
  seconds: number;
  noise: number;
  /** Publishes a second of all clients together; as fast as possible without. */
  rate?: number;
}

/** Values of a series that are drawn before the clock starts and then repeated. */
const DRAWN = 256;

class Publisher {
  acknowledged = 0;
  sent = 0;
  private readonly socket: net.Socket;
  private readonly packets: { bytes: Buffer; idAt: number }[] = [];
  private readonly limit: number;
  private next = 0;
  private packetId = 0;
  private rest: Buffer = Buffer.alloc(0);
  /** Publishes that may be sent now; Infinity without a rate. */
  budget: number;

  constructor(socket: net.Socket, index: number, options: LoadOptions) {
    this.socket = socket;
    this.limit = options.inFlight;
    this.budget = options.rate === undefined ? Infinity : 0;
    const series = Array.from({ length: options.seriesPerClient }, (_, n) => ({
      topic: `site/line${index}/sensor${n}`,
      draw: signal({ noise: options.noise, seed: index * 1000 + n + 1 }),
    }));
    for (let i = 0; i < DRAWN; i++) {
      for (const { topic, draw } of series) this.packets.push(publishPacket(topic, draw().toFixed(2)));
    }
  }

  /** Takes what the broker sent: CONNACK and PUBACK are four bytes each. */
  receive(chunk: Buffer): void {
    const bytes = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    let at = 0;
    for (; at + 4 <= bytes.length; at += 4) {
      if (bytes[at] === PUBACK) this.acknowledged++;
      else if (bytes[at] !== CONNACK) throw new Error(`unexpected packet type ${bytes[at].toString(16)}`);
    }
    this.rest = bytes.subarray(at);
    this.fill();
  }

  fill(): void {
    const count = Math.min(this.limit - (this.sent - this.acknowledged), Math.floor(this.budget));
    if (count <= 0) return;
    const batch: Buffer[] = [];
    for (let i = 0; i < count; i++) {
      const { bytes, idAt } = this.packets[this.next];
      this.next = (this.next + 1) % this.packets.length;
      const packet = Buffer.from(bytes);
      this.packetId = (this.packetId % 65_535) + 1;
      packet.writeUInt16BE(this.packetId, idAt);
      batch.push(packet);
    }
    this.sent += count;
    this.budget -= count;
    this.socket.write(batch.length === 1 ? batch[0] : Buffer.concat(batch));
  }
}

async function main(): Promise<void> {
  const options = JSON.parse(process.argv[2] ?? '{}') as LoadOptions;
  const publishers: Publisher[] = [];
  const sockets: net.Socket[] = [];
  for (let i = 0; i < options.clients; i++) {
    const socket = net.connect({ host: '127.0.0.1', port: options.port, noDelay: true });
    await once(socket, 'connect');
    const publisher = new Publisher(socket, i, options);
    socket.write(connectPacket(`load-${process.pid}-${i}`));
    const [connack] = (await once(socket, 'data')) as [Buffer];
    if (connack[0] !== CONNACK || connack[3] !== 0)
      throw new Error(`client ${i} was refused: ${connack.toString('hex')}`);
    socket.on('data', (chunk: Buffer) => publisher.receive(chunk));
    socket.on('error', (error) => fail(`client ${i}: ${error.message}`));
    socket.on('close', () => fail(`client ${i}: the broker closed the connection`));
    publishers.push(publisher);
    sockets.push(socket);
  }
  const acknowledged = (): number => publishers.reduce((sum, { acknowledged }) => sum + acknowledged, 0);
  for (const publisher of publishers) publisher.fill();
  const pace = options.rate === undefined ? undefined : startPacing(publishers, options.rate);

  await sleep(options.warmUpSeconds * 1000);
  const before = acknowledged();
  const start = performance.now();
  await sleep(options.seconds * 1000);
  const seconds = (performance.now() - start) / 1000;
  const counted = acknowledged() - before;
  clearInterval(pace);
  stopping = true;
  for (const socket of sockets) socket.destroy();
  const sent = publishers.reduce((sum, publisher) => sum + publisher.sent, 0);
  console.log(JSON.stringify({ sent, acknowledged: counted, seconds, perSecond: counted / seconds }));
}

function startPacing(publishers: readonly Publisher[], rate: number): NodeJS.Timeout {
  let last = performance.now();
  return setInterval(() => {
    const now = performance.now();
    const share = ((now - last) / 1000) * (rate / publishers.length);
    last = now;
    for (const publisher of publishers) {
      publisher.budget += share;
      publisher.fill();
    }
  }, 10);
}

let stopping = false;
function fail(reason: string): void {
  if (stopping) return;
  console.error(reason);
  process.exit(1);
}

await main();
