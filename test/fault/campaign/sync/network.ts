import { parseTopic, type Address } from '@tidegate/nodes/sync';
import type { World } from './world.ts';

/** What a link does to frames. */
export interface Weather {
  /** Probabilities of loss and of delivery twice, for each frame. */
  loss: number;
  twice: number;
  /** One bit is another one on arrival, with this probability. */
  flipped: number;
  /** Frames take between these many milliseconds, each on its own: they overtake one another. */
  delay: readonly [least: number, most: number];
  /** Frames that go this way vanish, and nobody is told: a partition, or a socket that is open at one end. */
  deaf: { up: boolean; down: boolean };
  /** So many of the next frames that come down arrive no more: the link breaks under each. */
  breaks: number;
}

export const CALM: Weather = {
  loss: 0,
  twice: 0,
  flipped: 0,
  delay: [5, 5],
  deaf: { up: false, down: false },
  breaks: 0,
};

export interface Client {
  /** Known to the broker by this name when it comes again. */
  readonly name: string;
  readonly weather: Weather;
  wants(address: Address): boolean;
  received(address: Address, topic: string, frame: Uint8Array): void;
  /** The connection is gone, and the client has noticed. */
  lost(reason: string): void;
}

export interface Connection {
  readonly client: Client;
  open: boolean;
  /** Since when nothing has come through one of its ways; Infinity while all is well. */
  deafSince: number;
}

/** A client notices after so long that nothing comes through. */
const KEEPALIVE_MS = 45_000;
/** Frames that a broker keeps for a client, or that somebody has recorded. */
const MOST_KEPT = 200;

/** A broker as the protocol sees it: it may lose, double, delay, reorder, keep and play again what it is given. */
export class Broker {
  up = true;
  frames = 0;
  /** What somebody on the way has recorded. */
  readonly recorded: { topic: string; frame: Uint8Array }[] = [];
  private readonly world: World;
  private readonly connections = new Set<Connection>();
  /** By name of the client: what it gets when it comes again. */
  private readonly sessions = new Map<string, { topic: string; frame: Uint8Array }[]>();
  private keeps = false;

  constructor(world: World) {
    this.world = world;
  }

  /** Undefined when there is no way to it now. */
  connect(client: Client): Connection | undefined {
    const { deaf } = client.weather;
    if (!this.up || deaf.up || deaf.down) return undefined;
    const connection: Connection = { client, open: true, deafSince: Infinity };
    this.connections.add(connection);
    const kept = this.sessions.get(client.name) ?? [];
    this.sessions.delete(client.name);
    for (const { topic, frame } of kept) this.hand(connection, topic, frame);
    return connection;
  }

  /** Takes the connection away without a word; what is under way on it is lost. */
  drop(connection: Connection): void {
    connection.open = false;
    this.connections.delete(connection);
  }

  /** Takes the connection away, and both ends notice. */
  cut(connection: Connection, reason: string): void {
    if (!connection.open) return;
    this.drop(connection);
    connection.client.lost(reason);
  }

  connectionsOf(prefix: string): Connection[] {
    return [...this.connections].filter(({ client }) => client.name.startsWith(prefix));
  }

  /** `keepsSessions`: what it had for somebody comes when they come again. */
  stop(keepsSessions: boolean): void {
    this.up = false;
    this.keeps = keepsSessions;
    this.sessions.clear();
    for (const connection of this.connections) {
      if (keepsSessions) this.sessions.set(connection.client.name, []);
      this.cut(connection, 'the broker stopped');
    }
  }

  start(): void {
    this.up = true;
  }

  publish(connection: Connection, topic: string, frame: Uint8Array): void {
    this.frames++;
    this.record(topic, frame);
    this.travel(connection, 'up', frame, (arrived) => this.spread(topic, arrived));
  }

  /** Looks after connections that have gone deaf; to be called now and then. */
  keepAlive(): void {
    for (const connection of this.connections) {
      const { up, down } = connection.client.weather.deaf;
      if (!up && !down) connection.deafSince = Infinity;
      else if (connection.deafSince === Infinity) connection.deafSince = this.world.now;
      else if (this.world.now - connection.deafSince >= KEEPALIVE_MS) this.cut(connection, 'nothing came any more');
    }
  }

  /** Hands a frame to whoever listens to its topic. */
  spread(topic: string, frame: Uint8Array): void {
    const address = parseTopic(topic);
    if (address === undefined) throw new Error(`a frame on ${topic}`);
    for (const connection of this.connections)
      if (connection.client.wants(address)) this.hand(connection, topic, frame);
    for (const kept of this.keeps ? this.sessions.values() : [])
      if (kept.length < MOST_KEPT) kept.push({ topic, frame });
  }

  private hand(connection: Connection, topic: string, frame: Uint8Array): void {
    const { client } = connection;
    if (client.weather.breaks > 0) {
      client.weather.breaks--;
      this.cut(connection, 'the link broke under an answer');
      return;
    }
    this.travel(connection, 'down', frame, (arrived) => {
      const address = parseTopic(topic)!;
      if (client.wants(address)) client.received(address, topic, arrived);
    });
  }

  private travel(
    connection: Connection,
    way: 'up' | 'down',
    frame: Uint8Array,
    arrive: (frame: Uint8Array) => void,
  ): void {
    const { random } = this.world;
    const { loss, twice, flipped, delay, deaf } = connection.client.weather;
    if (deaf[way] || !connection.open) return;
    const copies = random.chance(loss) ? 0 : random.chance(twice) ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      const sent = random.chance(flipped) ? flip(frame, random.below(frame.length * 8)) : frame;
      const [least, most] = delay;
      this.world.after(least + random.fraction() * (most - least), () => {
        if (connection.open) arrive(sent);
      });
    }
  }

  private record(topic: string, frame: Uint8Array): void {
    const place = this.recorded.length < MOST_KEPT ? this.recorded.length : this.world.random.below(MOST_KEPT);
    this.recorded[place] = { topic, frame };
  }
}

function flip(frame: Uint8Array, bit: number): Uint8Array {
  const altered = Uint8Array.from(frame);
  altered[bit >> 3] ^= 1 << (bit & 7);
  return altered;
}
