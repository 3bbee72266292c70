import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectPacket, PUBACK, publishPacket } from './packets.ts';

const PAUSE_MS = 2;

/** Tries until a QoS 1 publish is acknowledged by the broker at this port. Throws after `timeoutMs`. */
export async function firstPuback(port: number, timeoutMs = 60_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await isAcknowledged(port, timeoutMs))) {
    if (performance.now() > deadline) throw new Error(`no PUBACK from port ${port} within ${timeoutMs} ms`);
    await sleep(PAUSE_MS);
  }
}

function isAcknowledged(port: number, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: '127.0.0.1', port, noDelay: true, timeout: timeoutMs });
    const end = (acknowledged: boolean): void => {
      socket.destroy();
      resolve(acknowledged);
    };
    const { bytes, idAt } = publishPacket('site/line0/sensor0', '21.50');
    bytes.writeUInt16BE(1, idAt);
    socket.on('connect', () => socket.write(Buffer.concat([connectPacket(`first-${process.pid}`), bytes])));
    let received = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      // CONNACK and PUBACK are four bytes each.
      if (received.length >= 8) end(received[4] === PUBACK);
    });
    socket.on('error', () => end(false));
    socket.on('timeout', () => end(false));
    socket.on('close', () => end(false));
  });
}
