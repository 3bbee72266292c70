import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { generate, parser, type Packet } from 'mqtt-packet';

export interface Entry {
  topic: string;
  /** Decimal text as it is sent. */
  value: string;
  /** Epoch milliseconds. */
  time: number;
}

export interface Total {
  count: number;
  /** Exact sum at 40 decimal places. */
  sum: bigint;
  first: number;
  last: number;
}

const PLACES = 40;

/** A decimal text as an integer multiple of 10^-40: arithmetic that owes nothing to the code under test. */
export function scaled(text: string): bigint {
  const match = /^([+-]?)(\d*)\.?(\d*)(?:[eE]([+-]?\d+))?$/.exec(text);
  assert.ok(match, `"${text}" is no decimal number`);
  const [, sign, whole = '', fraction = '', exponent = '0'] = match;
  const shift = PLACES - fraction.length + Number(exponent);
  assert.ok(shift >= 0, `"${text}" has more than ${PLACES} decimal places`);
  const magnitude = BigInt(`${whole}${fraction}` || '0') * 10n ** BigInt(shift);
  return sign === '-' ? -magnitude : magnitude;
}

/**
 * A sensor's honest book: an MQTT 3.1.1 client at QoS 1 that keeps what it sent and what was acknowledged, comes back
 * after every cut, and sends again (DUP) what was not acknowledged, as section 4.4 demands.
 */
export class Ledger {
  private readonly port: number;
  private readonly clientId: string;
  private readonly inFlight = new Map<number, Entry>();
  private readonly window: number;
  private socket: net.Socket | undefined;
  private packetId = 0;
  private ended = false;
  private running: Promise<void> | undefined;
  private wake: (() => void) | undefined;
  readonly totals = new Map<string, Total>();
  sent = 0;
  acknowledged = 0;
  reconnects = -1;

  constructor(port: number, clientId: string, window = 50) {
    this.port = port;
    this.clientId = clientId;
    this.window = window;
  }

  start(): void {
    this.running = this.run();
  }

  /** Sends one reading; waits while too many are unacknowledged. It counts as produced from now on. */
  async publish(entry: Entry): Promise<void> {
    while (this.inFlight.size >= this.window || this.socket === undefined) {
      assert.ok(!this.ended, 'the ledger is closed');
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
    do this.packetId = (this.packetId % 65_535) + 1;
    while (this.inFlight.has(this.packetId));
    this.inFlight.set(this.packetId, entry);
    this.book(entry);
    this.send(this.packetId, entry, false);
  }

  /** Waits until everything is acknowledged. */
  async drained(timeoutMs = 60_000): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (this.inFlight.size > 0) {
      assert.ok(Date.now() < deadline, `${this.inFlight.size} publishes are not acknowledged after ${timeoutMs} ms`);
      await sleep(20);
    }
  }

  async close(): Promise<void> {
    this.ended = true;
    this.socket?.destroy();
    this.wake?.();
    await this.running;
  }

  private book({ topic, value, time }: Entry): void {
    this.sent++;
    const total = this.totals.get(topic);
    if (total === undefined) this.totals.set(topic, { count: 1, sum: scaled(value), first: time, last: time });
    else {
      total.count++;
      total.sum += scaled(value);
      total.first = Math.min(total.first, time);
      total.last = Math.max(total.last, time);
    }
  }

  private send(messageId: number, { topic, value, time }: Entry, dup: boolean): void {
    const payload = `{"timestamp":${time},"value":${value}}`;
    this.socket?.write(generate({ cmd: 'publish', topic, payload, qos: 1, dup, retain: false, messageId }));
  }

  private async run(): Promise<void> {
    while (!this.ended) {
      const socket = net.connect({ port: this.port, host: '127.0.0.1', noDelay: true });
      const closed = once(socket, 'close');
      // Refused or reset: the close that follows leads to the next try.
      socket.on('error', () => socket.destroy());
      socket.on('connect', () =>
        socket.write(
          generate({
            cmd: 'connect',
            protocolId: 'MQTT',
            protocolVersion: 4,
            clean: true,
            clientId: this.clientId,
            keepalive: 0,
          }),
        ),
      );
      const incoming = parser();
      incoming.on('packet', (packet: Packet) => this.receive(packet, socket));
      socket.on('data', (chunk: Buffer) => incoming.parse(chunk));
      await closed.catch(() => undefined);
      this.socket = undefined;
      if (!this.ended) await sleep(50);
    }
  }

  private receive(packet: Packet, socket: net.Socket): void {
    if (packet.cmd === 'connack') {
      assert.equal(packet.returnCode, 0);
      this.reconnects++;
      this.socket = socket;
      for (const [messageId, entry] of this.inFlight) this.send(messageId, entry, true);
    } else if (packet.cmd === 'puback' && this.inFlight.delete(packet.messageId!)) this.acknowledged++;
    this.wake?.();
  }
}
