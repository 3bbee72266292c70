import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { startCloud, type HealthAnswer, type RunningCloud } from '@tidegate/cloud-bridge';
import type { Packet } from 'mqtt-packet';

import { maySubscribe } from '../../../cloud-bridge/src/broker/access.ts';
import { Broker } from '../../../cloud-bridge/src/broker/mqtt-broker.ts';
import { PACKET_LIMIT, PacketLimit } from '../../../cloud-bridge/src/broker/packet-limit.ts';
import { eventually } from '../../support/eventually.ts';
import { HandMadeGateway, blockOf, partOf } from '../../support/hand-made-gateway.ts';
import { RawClient } from '../../support/mqtt-client.ts';

const UP = 'tide/v1/default/site/up/live';

const payloads = (client: RawClient): string[] =>
  client.received.flatMap((packet: Packet) => (packet.cmd === 'publish' ? [String(packet.payload)] : []));

/** A PUBLISH with so long a body, of zeros. */
const packetOf = (length: number): Buffer => {
  const bytes = [0x30];
  let rest = length;
  do {
    bytes.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    rest >>= 7;
  } while (rest > 0);
  return Buffer.concat([Buffer.from(bytes), Buffer.alloc(length)]);
};

describe('the embedded broker of the cloud', () => {
  let broker: Broker;
  const open: RawClient[] = [];

  beforeEach(async () => {
    broker = new Broker({ host: '127.0.0.1', port: 0, workerPassword: 'secret', clients: 20 });
    await broker.start();
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((client) => client.close()));
    await broker.stop();
  });

  async function connect(id: string, password?: string): Promise<RawClient> {
    const login = password === undefined ? {} : { username: 'tidegate-cloud', password: Buffer.from(password) };
    const { client, code } = await RawClient.connect(broker.port, id, login);
    open.push(client);
    assert.equal(code, 0);
    return client;
  }
  it('carries frames up to the merge worker and down to their gateway', async () => {
    const worker = await connect('worker', 'secret');
    const gateway = await connect('gateway');
    await worker.subscribe('tide/v1/+/+/up/#');
    await gateway.subscribe('tide/v1/default/site/down/+');
    gateway.publish(UP, 'up');
    await worker.until(() => payloads(worker).includes('up'));
    worker.publish('tide/v1/default/site/down/ack', 'down');
    await gateway.until(() => payloads(gateway).includes('down'));
  });

  it('gives the place of the merge worker only to who knows the password', async () => {
    const { client, code } = await RawClient.connect(broker.port, 'thief', {
      username: 'tidegate-cloud',
      password: Buffer.from('guess!'),
    });
    open.push(client);
    assert.notEqual(code, 0);
  });

  for (const topic of ['tide/v1/default/site/down/ack', 'tide/v1/default/site/up', 'any/topic', '$SYS/x'])
    it(`cuts a client off that publishes on ${topic}`, async () => {
      const client = await connect('client');
      client.publish(topic, 'x');
      await client.until(() => client.isClosed);
    });

  it('lets nobody listen to more than what goes down to one gateway', async () => {
    const spy = await connect('spy');
    const worker = await connect('worker', 'secret');
    for (const filter of ['#', 'tide/#', 'tide/v1/+/+/down/ack', 'tide/v1/default/+/down/+', UP]) {
      assert.equal(maySubscribe(filter), false, filter);
      spy.write({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: filter, qos: 0 }] });
    }
    const granted = (): unknown[] => spy.received.flatMap((packet) => (packet.cmd === 'suback' ? packet.granted : []));
    await spy.until(() => granted().length === 5);
    assert.deepEqual(granted(), [128, 128, 128, 128, 128]);
    worker.publish('tide/v1/default/site/down/ack', 'secret');
    await worker.until(() => worker.acknowledged.size === 1);
    assert.deepEqual(payloads(spy), []);
  });

  it('keeps no retained message', async () => {
    const worker = await connect('worker', 'secret');
    const gateway = await connect('gateway');
    gateway.publish(UP, 'old', 1, { retain: true });
    await gateway.until(() => gateway.acknowledged.size === 1);
    await worker.subscribe(UP);
    gateway.publish(UP, 'new');
    await worker.until(() => payloads(worker).length > 0);
    assert.deepEqual(payloads(worker), ['new']);
  });

  it('cuts a client off that announces a packet larger than any frame, before the packet comes', async () => {
    const client = await connect('client');
    // PUBLISH with a remaining length of 256 MB - 1.
    client.socket.write(Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f]));
    await client.until(() => client.isClosed);
    assert.equal(broker.cut, 1);
  });

  it('reads little of a client that has not said who it is', async () => {
    const { client } = await RawClient.connect(broker.port, 'x'.repeat(20), {
      will: { topic: UP, payload: Buffer.alloc(10_000), qos: 0, retain: false },
    });
    open.push(client);
    await client.until(() => client.isClosed);
  });

  it('says which port is taken', async () => {
    const second = new Broker({ host: '127.0.0.1', port: broker.port, workerPassword: 'x', clients: 1 });
    await assert.rejects(second.start(), { code: 'port-in-use', message: new RegExp(`127.0.0.1:${broker.port}`) });
    await second.stop();
  });
});

describe('the packet limit', () => {
  it('finds packet boundaries wherever the stream is cut', () => {
    const stream = Buffer.concat([packetOf(0), packetOf(1), packetOf(300), packetOf(20_000), packetOf(PACKET_LIMIT)]);
    for (const step of [1, 2, 3, 7, 4096, stream.length]) {
      const limit = new PacketLimit();
      limit.limit = PACKET_LIMIT;
      for (let at = 0; at < stream.length; at += step)
        assert.ok(limit.admits(stream.subarray(at, at + step)), `cut every ${step} bytes, at ${at}`);
    }
  });

  it('refuses one byte more, and a length that does not end', () => {
    const limit = new PacketLimit();
    limit.limit = 300;
    assert.ok(limit.admits(packetOf(300)));
    assert.equal(limit.admits(packetOf(301).subarray(0, 3)), false);
    assert.equal(new PacketLimit().admits(Buffer.from([0x30, 0x80, 0x80, 0x80, 0x80])), false);
  });
});

describe('a cloud on a broker elsewhere', function () {
  this.timeout(20_000);
  let directory: string;
  let broker: Broker;
  let cloud: RunningCloud;

  before(async () => {
    directory = mkdtempSync(path.join(os.tmpdir(), 'tidegate-cloud-elsewhere-'));
    broker = new Broker({ host: '127.0.0.1', port: 0, workerPassword: 'p@ss word', clients: 20 });
    await broker.start();
    cloud = await startCloud({
      directory,
      port: 0,
      broker: `mqtt://tidegate-cloud:p%40ss%20word@127.0.0.1:${broker.port}`,
      page: false,
    });
  });
  after(async () => {
    await cloud.stop();
    await broker.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  const health = async (): Promise<HealthAnswer> => JSON.parse(await (await fetch(`${cloud.pageUrl}/healthz`)).text());

  it('merges there too, in the broker’s version of MQTT, and shows no password', async () => {
    assert.equal(cloud.brokerUrl, `mqtt://127.0.0.1:${broker.port}`);
    const gateway = await HandMadeGateway.connect(cloud.brokerUrl, await cloud.enrol('far'));
    try {
      // The worker may still be on its way to the broker.
      const again = setInterval(() => void gateway.hello({ enrol: gateway.enrolment() }), 500);
      await gateway.answer('welcome').finally(() => clearInterval(again));
      await gateway.blocks('operations/60', [blockOf(1, partOf(1, 0, 5))]);
      assert.deepEqual((await gateway.answer('ack')).streams['operations/60'], [[1, 1]]);
    } finally {
      await gateway.close();
    }
  });

  it('says when it has lost the broker, and finds it again', async () => {
    const { port } = broker;
    await eventually('all is well', async () => (await health()).status === 'ok');
    await broker.stop();
    await eventually('it is missed', async () => (await health()).status === 'degraded');
    assert.match((await health()).problems[0], new RegExp(`^broker mqtt://127.0.0.1:${port}: `));
    broker = new Broker({ host: '127.0.0.1', port, workerPassword: 'p@ss word', clients: 20 });
    await broker.start();
    await eventually('it is found', async () => (await health()).status === 'ok');
  });
});
