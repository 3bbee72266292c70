import assert from 'node:assert/strict';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LoneGateway, tidegate } from '../support/gateway.ts';
import { RawClient } from '../support/mqtt-client.ts';
import { Shim } from '../support/shim.ts';

const CLIENTS = 20;
const EACH = 250;

async function connect(gateway: LoneGateway): Promise<RawClient[]> {
  return Promise.all(
    Array.from({ length: CLIENTS }, async (_, i) => {
      const { client, code } = await RawClient.connect(gateway.brokerPort, `sensor-${i}`);
      assert.equal(code, 0);
      return client;
    }),
  );
}

function publish(clients: RawClient[], round: number): void {
  for (const [i, client] of clients.entries())
    for (let n = 0; n < EACH; n++)
      client.publish(`site/line${i}/value`, String(round * 1_000 + n), n % 5 === 0 ? 2 : 1);
}

const acknowledged = (clients: RawClient[]): number =>
  clients.reduce((sum, { acknowledged: ids }) => sum + ids.size, 0);

async function stored(gateway: LoneGateway): Promise<number> {
  const { code, output } = await tidegate('status', gateway.directory, '--json');
  assert.equal(code, 0, output);
  return (JSON.parse(output) as { vault: { readings: number } }).vault.readings;
}

describe('the door, while no commit goes through', function () {
  this.timeout(120_000);
  let gateway: LoneGateway;
  /** Nothing comes to the disk while it holds the vault's syncs. */
  let disk: Shim;

  beforeEach(async () => {
    gateway = await LoneGateway.make();
    disk = new Shim({ directory: path.join(gateway.directory, 'vault') });
    await gateway.start(disk.environment);
  });

  afterEach(async () => {
    await gateway.close();
    disk.close();
  });

  it('acknowledges none of thousands of publishes before a SIGKILL', async () => {
    const clients = await connect(gateway);
    disk.hold();
    try {
      publish(clients, 1);
      await disk.holds();
      await sleep(2_500);
      assert.equal(acknowledged(clients), 0);
      await gateway.program!.kill();
      assert.equal(acknowledged(clients), 0);
    } finally {
      disk.release();
      for (const client of clients) await client.close();
    }
    // What was written and not synced may be there, and the sensors will send it again.
    assert.ok((await stored(gateway)) <= CLIENTS * EACH);
  });

  it('acknowledges none across a deploy of the flow, and all of them once commits go through', async () => {
    const clients = await connect(gateway);
    publish(clients, 1);
    await Promise.all(clients.map((client) => client.until(() => client.acknowledged.size === EACH, 30_000)));
    disk.hold();
    let deployed: Promise<void> | undefined;
    try {
      publish(clients, 2);
      deployed = gateway.deploy();
      await sleep(1_500);
      for (const [i, client] of clients.entries()) client.publish(`site/line${i}/value`, '3000');
      await sleep(1_500);
      assert.equal(acknowledged(clients), CLIENTS * EACH, 'only what was committed before');
    } finally {
      disk.release();
    }
    await deployed;
    await Promise.all(clients.map((client) => client.until(() => client.acknowledged.size === 2 * EACH + 1, 30_000)));
    for (const client of clients) await client.close();
    assert.equal(await stored(gateway), CLIENTS * (2 * EACH + 1));
  });

  it('closes the connection of a message that cannot be committed in time', async () => {
    await gateway.program!.kill();
    gateway.configure((config) => {
      config['limits'] = { commitTimeoutMs: 1_000 };
    });
    await gateway.start(disk.environment);
    const { client } = await RawClient.connect(gateway.brokerPort, 'patient');
    disk.hold();
    try {
      client.publish('site/line/value', '1');
      await client.until(() => client.isClosed, 20_000);
      assert.equal(client.acknowledged.size, 0);
      await gateway.program!.line(/closed the connection of "?patient"?, so that it sends again/);
    } finally {
      disk.release();
    }
  });
});
