import { createServer, type Server, type Socket } from 'node:net';

import type { Door, DoorMessage } from '@tidegate/nodes/ingest';
import { type Clock, reasonOf, TideError } from '@tidegate/nodes/node';
import { Aedes, type Client, type PublishPacket } from 'aedes';

import { listenError } from '../listen-error.ts';
import { PasswordCheck } from '../login/password.ts';
import { Complaints } from './complaints.ts';
import { Inlet } from './mqtt-inlet.ts';
import { RetainedBudget } from './retained-budget.ts';
import { OWN_TOPICS, packetLimit } from './topics.ts';

export interface BrokerOptions {
  host: string;
  /** 0 takes a free port. */
  port: number;
  /** Absent: anybody who reaches the port may connect. */
  users?: readonly { name: string; passwordHash: string }[];
  /** Largest payload that the door reads, bytes; larger ones are rejected with a reason. */
  payloadBytes: number;
  /** Bytes of one client that may wait for their commit. */
  clientBytes: number;
  /** Connections at one time. */
  clients: number;
  log: (line: string) => void;
}

export interface BrokerStats {
  clients: number;
  /** Connections closed because a message could not be committed in time, or a packet was too large. */
  cut: number;
  /** Clients whose socket is not read at the moment because too much of theirs waits for a commit. */
  paused: number;
}

/**
 * The gateway's own MQTT broker. What comes on a topic that the door accepts is committed to the vault before it is
 * acknowledged: aedes sends PUBACK and PUBREC right after `authorizePublish`, the only hook before them, so the door
 * sits there. Sessions end with their connection (docs/gateway.md).
 */
export class Broker {
  private readonly door: Door;
  private readonly options: BrokerOptions;
  private readonly clock: Clock;
  private readonly complaints: Complaints;
  private readonly passwords: PasswordCheck | undefined;
  private readonly retained = new RetainedBudget();
  private readonly inlets = new Map<unknown, { inlet: Inlet; socket: Socket }>();
  private aedes: Aedes | undefined;
  private server: Server | undefined;
  private cut = 0;

  constructor(door: Door, options: BrokerOptions, clock: Clock) {
    this.door = door;
    this.options = options;
    this.clock = clock;
    this.complaints = new Complaints(options.log, clock);
    this.passwords = options.users === undefined ? undefined : new PasswordCheck(options.users);
  }

  /** Opens the port. Throws a TideError `port-in-use`. */
  async start(): Promise<void> {
    // aedes warns of a leak at 2 * concurrency listeners; sockets get their own bound in connect().
    const aedes = new Aedes({
      concurrency: 0,
      drainTimeout: 30_000,
      preConnect: (_client, packet, done) => {
        // Sessions are not kept: a queue for clients that stay away would lie in memory without a bound.
        packet.clean = true;
        done(null, true);
      },
      authenticate: (client, name, password, done) => this.authenticate(client, name, password, done),
      authorizePublish: (client, packet, done) => this.authorizePublish(client, packet, done),
    });
    await aedes.listen();
    aedes.on('clientError', (client, error) => this.failed(client, error));
    aedes.on('connectionError', (client, error) => this.failed(client, error));
    this.aedes = aedes;
    try {
      this.server = await this.listen(aedes);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Closes all connections. Messages whose commit is under way stay unacknowledged and will be sent again. */
  async stop(): Promise<void> {
    const { aedes, server } = this;
    this.aedes = undefined;
    this.server = undefined;
    const closed = server === undefined ? undefined : new Promise((resolve) => server.close(resolve));
    for (const { socket } of this.inlets.values()) socket.destroy();
    await closed;
    await new Promise<void>((resolve) => (aedes === undefined ? resolve() : aedes.close(resolve)));
  }

  get port(): number {
    const address = this.server?.address();
    return typeof address === 'object' ? (address?.port ?? 0) : 0;
  }

  stats(): BrokerStats {
    return { clients: this.aedes?.connectedClients ?? 0, cut: this.cut, paused: this.paused() };
  }

  private listen(aedes: Aedes): Promise<Server> {
    const { host, port, clients } = this.options;
    const server = createServer((socket) => this.connect(aedes, socket));
    server.maxConnections = clients;
    server.on('drop', () => this.complaints.say('clients', `mqtt: refused a connection: limits.clients is ${clients}`));
    return new Promise((resolve, reject) => {
      server.once('error', (error) => reject(listenError(error, host, port)));
      server.listen(port, host, () => resolve(server));
    });
  }

  private connect(aedes: Aedes, socket: Socket): void {
    socket.setNoDelay(true);
    const inlet = new Inlet(socket, this.options.clientBytes, (bytes) => {
      this.cut++;
      const limit = packetLimit(this.options.payloadBytes);
      this.complaints.say('packet', `mqtt: closed a connection: a packet of ${bytes} bytes, allowed: ${limit}`);
    });
    this.inlets.set(socket, { inlet, socket });
    socket.once('close', () => this.inlets.delete(socket));
    aedes.handle(socket);
  }

  private inletOf(client: Client | null): Inlet | undefined {
    return client === null ? undefined : this.inlets.get(client.conn)?.inlet;
  }

  private paused(): number {
    let paused = 0;
    for (const { inlet } of this.inlets.values()) if (inlet.paused) paused++;
    return paused;
  }

  private authenticate(
    client: Client,
    name: string | undefined,
    password: Readonly<Buffer> | undefined,
    answer: (error: null, success: boolean) => void,
  ): void {
    const welcome = (): void => {
      this.inletOf(client)?.allowPackets(packetLimit(this.options.payloadBytes));
      answer(null, true);
    };
    if (this.passwords === undefined) return welcome();
    const refuse = (): void => {
      this.complaints.say('login', 'mqtt: refused a login: unknown user or wrong password');
      answer(null, false);
    };
    if (name === undefined || password === undefined) return refuse();
    this.passwords.matches(name, password.toString('utf8')).then(
      (matches) => (matches ? welcome() : refuse()),
      (error: unknown) => {
        this.complaints.say('login', `mqtt: could not check a login: ${reasonOf(error)}`);
        answer(null, false);
      },
    );
  }

  private authorizePublish(client: Client | null, packet: PublishPacket, done: (error?: Error | null) => void): void {
    const { topic } = packet;
    if (topic.startsWith('$SYS/')) return done(new Error('$SYS/ is reserved'));
    const payload = typeof packet.payload === 'string' ? Buffer.from(packet.payload) : packet.payload;
    if (packet.retain && !this.retained.admits(topic, payload.length)) {
      packet.retain = false;
      this.complaints.say('retained', `mqtt: did not keep a retained message: ${this.retained.limits}`);
    }
    if (topic.startsWith(OWN_TOPICS) || !this.door.accepts(topic)) return done(null);
    const message: DoorMessage = {
      topic,
      payload,
      client: client?.id ?? '',
      qos: packet.qos,
      packetId: packet.messageId,
      dup: packet.dup,
      // Retain on a publish asks the broker to keep it; the message itself is fresh.
      stale: false,
      received: this.clock.now(),
    };
    const inlet = this.inletOf(client);
    if (inlet === undefined) return this.door.offer(message, (error) => done(error ?? null));
    const bytes = payload.length + topic.length + MESSAGE_OVERHEAD;
    inlet.take(bytes);
    this.door.offer(message, (error) => {
      inlet.release(bytes);
      done(error ?? null);
    });
  }

  private failed(client: Client | null, error: Error): void {
    if (!(error instanceof TideError)) return;
    this.cut++;
    const who = client?.id ?? 'a client';
    this.complaints.say(error.code, `mqtt: closed the connection of ${who}, so that it sends again: ${error.message}`);
  }
}

/** What a message costs in memory beside its topic and payload, roughly. Bytes. */
const MESSAGE_OVERHEAD = 256;
