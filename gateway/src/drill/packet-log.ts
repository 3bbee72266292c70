import { parser, type Packet } from 'mqtt-packet';

/** A packet of MQTT as it went towards the cloud, or an alert that was raised. */
export interface LogRow {
  /** Epoch milliseconds. */
  at: number;
  /** `sent`: the gateway handed its last byte to the link. `arrived`: it left the link. */
  event: 'raised' | 'sent' | 'arrived';
  /** Connections of the gateway, from 1; 0 for what was raised. */
  connection: number;
  /** Last level of the topic of a PUBLISH (`alert`, `live`, `fill`, …), else the kind of packet. */
  frame: string;
  bytes: number;
}

/** What a log holds, and how much came that it did not take any more. */
export interface LoggedPackets {
  rows: LogRow[];
  unlogged: number;
}

/** Rows that are kept; a month of a thousand series takes about 70,000. */
export const MOST_ROWS = 400_000;

/** Reads along what a connection says, without changing it. */
export class PacketLog {
  readonly logged: LoggedPackets = { rows: [], unlogged: 0 };
  private readonly now: () => number;
  private connections = 0;

  constructor(now: () => number) {
    this.now = now;
  }

  /** Readers for both ends of a new connection. */
  connection(): { sent: (bytes: Uint8Array) => void; arrived: (bytes: Uint8Array) => void } {
    const connection = ++this.connections;
    return { sent: this.reader(connection, 'sent'), arrived: this.reader(connection, 'arrived') };
  }

  private reader(connection: number, event: 'sent' | 'arrived'): (bytes: Uint8Array) => void {
    const packets = parser();
    packets.on('packet', (packet: Packet) => {
      const { rows } = this.logged;
      if (rows.length >= MOST_ROWS) {
        this.logged.unlogged++;
        return;
      }
      const frame = packet.cmd === 'publish' ? packet.topic.slice(packet.topic.lastIndexOf('/') + 1) : packet.cmd;
      rows.push({ at: this.now(), event, connection, frame, bytes: packet.length ?? 0 });
    });
    // Bytes that are no MQTT are the ends' to complain of.
    packets.on('error', () => undefined);
    return (bytes) => void packets.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
  }
}

/** How alerts passed what waited, from a log in order of time. */
export interface Overtaking {
  alerts: number;
  /** Frames of the backlog that were sent between the raising of an alert and its own frame. */
  before: { p50: number; max: number };
  /** Frames of the backlog that were sent after the last alert. */
  after: number;
}

/** Undefined where the log has no alert. */
export function overtakingIn(rows: readonly LogRow[]): Overtaking | undefined {
  const before: number[] = [];
  let waiting: number[] = [];
  let after = 0;
  for (const { event, frame } of rows) {
    if (event === 'raised') waiting.push(0);
    else if (event === 'sent' && frame === 'fill') {
      waiting = waiting.map((count) => count + 1);
      after++;
    } else if (event === 'sent' && frame === 'alert') {
      // A frame carries all that were raised by then.
      before.push(...waiting);
      waiting = [];
      after = 0;
    }
  }
  if (before.length === 0) return undefined;
  const sorted = before.toSorted((a, b) => a - b);
  return {
    alerts: before.length,
    before: { p50: sorted[Math.ceil(sorted.length / 2) - 1], max: sorted.at(-1)! },
    after,
  };
}

/** CSV (RFC 4180); milliseconds count from `start`. */
export function* csvOf(rows: readonly LogRow[], start: number): Generator<string> {
  yield 'ms,event,connection,frame,bytes\r\n';
  for (const { at, event, connection, frame, bytes } of rows)
    yield `${at - start},${event},${connection},${frame},${bytes}\r\n`;
}
