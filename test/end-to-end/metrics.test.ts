import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { eventually } from '../support/eventually.ts';
import { LoneGateway, tidegate } from '../support/gateway.ts';
import { RawClient } from '../support/mqtt-client.ts';

/** A sample's value in an exposition; undefined when there is none. */
function sampleOf(text: string, name: string): number | undefined {
  const line = text.split('\n').find((one) => one.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.slice(name.length + 1));
}

describe('metrics and health of a gateway', function () {
  this.timeout(60_000);
  let gateway: LoneGateway;

  before(async () => {
    gateway = await LoneGateway.make();
  });
  after(() => gateway?.close());

  it('are not open unless they are configured, and are reached over the control socket all the same', async () => {
    const ready = await gateway.start();
    assert.equal(ready.metrics, null);
    const { code, output } = await tidegate('status', gateway.directory, '--metrics');
    assert.equal(code, 0);
    assert.equal(sampleOf(output, 'tidegate_up'), 1);
    assert.equal(await gateway.program!.stop(), 0);
    const atRest = await tidegate('status', gateway.directory, '--metrics');
    assert.equal(sampleOf(atRest.output, 'tidegate_up'), 0);
    assert.equal(sampleOf(atRest.output, 'tidegate_vault_readings'), 0);
  });

  it('are answered over HTTP while the gateway runs', async () => {
    gateway.configure((config) => {
      config['metrics'] = { port: 0 };
    });
    const { metrics } = await gateway.start();
    assert.match(metrics!, /^http:\/\/127\.0\.0\.1:\d+$/);
    const { client } = await RawClient.connect(gateway.brokerPort, 'sensor');
    await client.answered(client.publish('site/pump/temperature', '21.5'));
    await eventually('the reading is counted', async () => {
      const response = await fetch(`${metrics}/metrics`);
      assert.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
      const text = await response.text();
      assert.doesNotMatch(text, /pump|temperature|sensor/);
      return sampleOf(text, 'tidegate_vault_readings') === 1 && sampleOf(text, 'tidegate_door_readings_total') === 1;
    });
    await client.close();
    await eventually('it is well', async () => {
      const response = await fetch(`${metrics}/healthz`);
      assert.equal(response.status, 200);
      const health = (await response.json()) as { status: string };
      assert.ok(['ok', 'degraded'].includes(health.status));
      return health.status === 'ok';
    });
    assert.equal((await fetch(`${metrics}/else`)).status, 404);
    const posted = await fetch(`${metrics}/metrics`, { method: 'POST', body: 'x' });
    assert.deepEqual([posted.status, posted.headers.get('allow')], [405, 'GET, HEAD']);
    assert.match(
      (await tidegate('status', gateway.directory)).output,
      /^metrics +http:\/\/127\.0\.0\.1:\d+\/metrics$/m,
    );
    assert.equal(await gateway.program!.stop(), 0);
    await assert.rejects(fetch(`${metrics}/healthz`));
  });

  it('say which port is taken and what changes it', async () => {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    try {
      gateway.configure((config) => {
        config['metrics'] = { port };
      });
      const { code, output } = await tidegate('run', gateway.directory);
      assert.equal(code, 1);
      assert.ok(
        output.includes(`127.0.0.1:${port} is in use by another program; change it with gateway.yaml: metrics.port`),
        output,
      );
    } finally {
      server.close();
    }
  });
});
