import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { LoneGateway, tidegate } from '../support/gateway.ts';
import { RawClient } from '../support/mqtt-client.ts';
import { vibrate } from '../support/vibration.ts';
import { root } from '../support/process.ts';

interface FlowNode {
  id: string;
  type: string;
  z?: string;
  x?: number;
  y?: number;
  wires?: string[][];
  [property: string]: unknown;
}

describe('the shipped flow', function () {
  this.timeout(60_000);

  it('is wired to nodes that exist, and laid out without overlaps', () => {
    const flow = JSON.parse(readFileSync(path.join(root, 'flows/gateway.json'), 'utf8')) as FlowNode[];
    const ids = new Set(flow.map(({ id }) => id));
    assert.equal(ids.size, flow.length);
    for (const { id, wires = [], vault, cloud, broker, type } of flow) {
      for (const target of wires.flat()) assert.ok(ids.has(target), `${id} is wired to ${target}`);
      for (const reference of [vault, cloud, type === 'mqtt out' ? broker : undefined])
        if (typeof reference === 'string') assert.ok(ids.has(reference), `${id} refers to ${reference}`);
    }
    const places = flow.filter(({ x }) => x !== undefined).map(({ x, y }) => `${x},${y}`);
    assert.equal(new Set(places).size, places.length);
  });

  describe('on a gateway', () => {
    let gateway: LoneGateway;

    before(async () => {
      gateway = await LoneGateway.make();
      await gateway.start();
    });

    after(() => gateway.close());

    it('publishes an alert on the local broker, which is not taken in again', async () => {
      const { client: listener } = await RawClient.connect(gateway.brokerPort, 'lamp');
      await listener.subscribe('tide/alerts/#');
      const { client: sensor } = await RawClient.connect(gateway.brokerPort, 'bearing');
      await vibrate(sensor);
      const alerts = (): { topic: string; payload: string | Buffer }[] =>
        listener.received.filter((packet) => packet.cmd === 'publish');
      await listener.until(() => alerts().length > 0, 20_000);
      const [{ topic, payload }] = alerts() as [{ topic: string; payload: Buffer }];
      assert.equal(topic, 'tide/alerts/site/pump/vibration');
      const alert = JSON.parse(payload.toString('utf8')) as Record<string, unknown>;
      assert.equal(alert['series'], 'site/pump/vibration');
      assert.equal(alert['state'], 'open');
      assert.match(String(alert['text']), /30/);
      const { output } = await tidegate('status', gateway.directory, '--json');
      assert.equal((JSON.parse(output) as { vault: { readings: number } }).vault.readings, 400);
      await listener.close();
      await sensor.close();
    });

    it('leaves no key, no password and no reading in clear anywhere in the directory', async () => {
      const { client } = await RawClient.connect(gateway.brokerPort, 'telltale-client');
      const id = client.publish('site/telltale-topic', '{"temperature":48151.62342,"note":"telltale-word"}');
      await client.until(() => client.acknowledged.has(id));
      await gateway.deploy();
      await client.close();
      const key = readFileSync(path.join(gateway.directory, 'keys/vault.key'), 'utf8').trim();
      const secrets = [
        key,
        Buffer.from(key, 'hex').toString('latin1'),
        gateway.password,
        'telltale',
        '48151',
        'pump/vibration',
      ];
      const number = Buffer.alloc(8);
      number.writeDoubleLE(48151.62342);
      for (const moment of ['it runs', 'it has ended']) {
        const files = readdirSync(gateway.directory, { recursive: true, encoding: 'utf8' }).filter(
          (file) => file !== 'keys/vault.key' && statSync(path.join(gateway.directory, file)).isFile(),
        );
        assert.ok(files.includes('vault/catalogue.db') && files.includes('node-red/flows.json'), files.join(', '));
        for (const file of files) {
          const bytes = readFileSync(path.join(gateway.directory, file));
          for (const secret of secrets)
            assert.ok(!bytes.includes(secret, 0, 'latin1'), `${file} holds "${secret}" while ${moment}`);
          assert.ok(!bytes.includes(number), `${file} holds the value as a double while ${moment}`);
        }
        await gateway.program!.stop();
      }
    });
  });
});
