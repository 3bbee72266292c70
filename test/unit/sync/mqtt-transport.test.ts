import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { Aedes } from 'aedes';
import { MqttTransport } from '../../../nodes/src/sync/mqtt-transport.ts';
import { eventually } from '../../support/eventually.ts';

interface Heard {
  connected: string[];
  disconnected: { lane: string; reason: string }[];
  received: { topic: string; text: string }[];
}

describe('mqtt transport', () => {
  let server: Server | undefined;
  let broker: Aedes | undefined;
  let transport: MqttTransport | undefined;
  const sockets = new Set<Socket>();
  let heard: Heard;

  beforeEach(() => {
    heard = { connected: [], disconnected: [], received: [] };
  });

  afterEach(async () => {
    await transport?.stop();
    transport = undefined;
    for (const socket of sockets) socket.destroy();
    sockets.clear();
    if (broker !== undefined) await new Promise<void>((resolve) => broker!.close(resolve));
    broker = undefined;
    if (server !== undefined) await new Promise((resolve) => server!.close(resolve));
    server = undefined;
  });

  async function listen(handle: (socket: Socket) => void): Promise<number> {
    server = createServer((socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
      socket.on('error', () => socket.destroy());
      handle(socket);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    assert.ok(typeof address === 'object' && address !== null);
    return address.port;
  }

  async function startBroker(options: ConstructorParameters<typeof Aedes>[0] = {}): Promise<number> {
    const aedes = new Aedes(options);
    await aedes.listen();
    broker = aedes;
    return listen((socket) => aedes.handle(socket));
  }

  function open(port: number, credentials: { username?: string; password?: string } = {}): MqttTransport {
    const made = new MqttTransport(
      { url: `mqtt://127.0.0.1:${port}`, ...credentials },
      { tenant: 'plant', gateway: 'north' },
      {
        connected: (lane) => heard.connected.push(lane),
        disconnected: (lane, reason) => heard.disconnected.push({ lane, reason }),
        received: (topic, frame) => heard.received.push({ topic, text: Buffer.from(frame).toString() }),
        ready: () => undefined,
      },
    );
    transport = made;
    made.start();
    return made;
  }

  it('has two connections, sends on both and listens on one', async () => {
    const port = await startBroker();
    const published: string[] = [];
    broker!.on('publish', ({ topic, payload }, client) => {
      if (client !== null) published.push(`${client.id} ${topic} ${payload.toString()}`);
    });
    const made = open(port);
    await eventually('both lanes', () => heard.connected.length === 2);
    assert.ok(made.send('alert', 'alert', Buffer.from('a')));
    assert.ok(made.send('bulk', 'live', Buffer.from('b')));
    await eventually('both came', () => published.length === 2);
    assert.deepEqual(
      published.toSorted((a, b) => (a < b ? -1 : 1)),
      ['tide-plant-north-alert tide/v1/plant/north/up/alert a', 'tide-plant-north-bulk tide/v1/plant/north/up/live b'],
    );
    for (const gateway of ['north', 'south'])
      broker!.publish(
        {
          cmd: 'publish',
          topic: `tide/v1/plant/${gateway}/down/ack`,
          payload: Buffer.from('c'),
          qos: 1,
          dup: false,
          retain: false,
        },
        () => undefined,
      );
    await eventually('an answer', () => heard.received.length > 0);
    assert.deepEqual(heard.received, [{ topic: 'tide/v1/plant/north/down/ack', text: 'c' }]);
  });

  it('says why it cannot connect, tries again, and sends nothing meanwhile', async () => {
    const port = await startBroker();
    await new Promise((resolve) => server!.close(resolve));
    const made = open(port);
    await eventually('two reasons', () => heard.disconnected.length >= 2);
    assert.match(heard.disconnected[0].reason, /nobody listens at/);
    assert.equal(made.send('bulk', 'live', Buffer.from('b')), false);
    server!.listen(port, '127.0.0.1');
    await eventually('connected after all', () => heard.connected.length === 2);
  });

  it('says that the broker refused the password', async () => {
    const port = await startBroker({
      authenticate: (_client, _name, password, done) => done(null, password?.toString() === 'right'),
    });
    open(port, { username: 'u', password: 'wrong' });
    await eventually('a reason', () => heard.disconnected.length > 0);
    assert.match(heard.disconnected[0].reason, /refused the user or the password/);
    await transport!.stop();
    heard.connected.length = 0;
    open(port, { username: 'u', password: 'right' });
    await eventually('connected', () => heard.connected.length === 2);
  });

  it('connects again after the broker cut it off', async () => {
    const port = await startBroker();
    open(port);
    await eventually('connected', () => heard.connected.length === 2);
    for (const socket of sockets) socket.destroy();
    await eventually('told', () => heard.disconnected.length === 2);
    await eventually('connected again', () => heard.connected.length === 4);
  });

  it('is not connected while the broker refuses the subscription', async () => {
    const port = await startBroker({ authorizeSubscribe: (_client, _subscription, done) => done(null, null) });
    open(port);
    await eventually('a reason', () => heard.disconnected.some(({ lane }) => lane === 'bulk'));
    assert.match(heard.disconnected.find(({ lane }) => lane === 'bulk')!.reason, /refused the subscription/);
    assert.ok(!heard.connected.includes('bulk'));
  });

  it('ends a connection on which a packet grows without end', async () => {
    const port = await listen((socket) => {
      socket.once('data', () => {
        socket.write(Buffer.from('20020000', 'hex'));
        // A PUBLISH that announces 200 MB.
        socket.write(Buffer.from('30ffffff5f', 'hex'));
        const pour = setInterval(() => socket.write(Buffer.alloc(1 << 20)), 5);
        socket.on('close', () => clearInterval(pour));
      });
    });
    open(port);
    await eventually('cut off', () => heard.disconnected.some(({ reason }) => /too large/.test(reason)));
  });

  it('stops at once, connected or not, and leaves nothing behind', async () => {
    const port = await listen((socket) => socket.resume());
    const made = open(port);
    await eventually('connections to a broker that says nothing', () => sockets.size === 2);
    const began = Date.now();
    await made.stop();
    assert.ok(Date.now() - began < 5_000);
    await eventually('closed', () => sockets.size === 0);
    assert.deepEqual(heard.connected, []);
  });

  it('refuses what is no broker', () => {
    for (const url of ['cloud.example', 'http://cloud.example', ''])
      assert.throws(
        () =>
          new MqttTransport(
            { url },
            { tenant: 'a', gateway: 'b' },
            {
              connected: () => undefined,
              disconnected: () => undefined,
              received: () => undefined,
              ready: () => undefined,
            },
          ),
        { code: 'bad-broker' },
      );
  });
});
