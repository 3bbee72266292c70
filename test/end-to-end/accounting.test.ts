import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Account } from '@tidegate/nodes/sync';
import mqtt from 'mqtt';
import { Site, hurry } from '../support/site.ts';

const COUNT = 40;
const SECOND = 1_000;

/** What is dropped on purpose while the link is down, and what both ends say of it afterwards. */
describe('the account of a run with drops that were forced', function () {
  this.timeout(180_000);
  let site: Site;

  before(async () => {
    site = await Site.make({ grants: ['site/kept/#', 'site/revoked/#'], flow: hurry });
    await site.startGateway();
    await site.enrolled();
  });
  after(() => site?.close());

  /** A reading a second. */
  async function publish(series: string, from: number): Promise<void> {
    const sensor = await mqtt.connectAsync(`mqtt://127.0.0.1:${site.mqttPort}`);
    for (let n = 0; n < COUNT; n++)
      await sensor.publishAsync(series, JSON.stringify({ value: 20 + n, timestamp: from + n * SECOND }), { qos: 1 });
    await sensor.endAsync();
  }

  async function account(until: (account: Account) => boolean): Promise<Account> {
    const deadline = Date.now() + 120_000;
    for (;;) {
      const output = await site.tidegate('account', site.gatewayDirectory, '--json');
      const found = JSON.parse(output.slice(output.indexOf('{'))) as Account;
      if (until(found)) return found;
      assert.ok(Date.now() < deadline, output);
      await sleep(SECOND);
    }
  }

  it('adds up, names each drop with its reason, and the cloud holds the rest', async () => {
    site.link.cut();
    const today = Math.floor(Date.now() / SECOND) * SECOND - 3_600 * SECOND;
    await publish('site/kept/t', today);
    await publish('site/revoked/t', today);
    await publish('site/private/t', today);
    const before = await account(
      ({ series }) =>
        series.length === 3 &&
        series.every(
          ({ unseen, open, waiting, withheld }) => unseen === 0 && open === 0 && waiting + withheld === COUNT,
        ),
    );
    assert.deepEqual([before.adds, before.lost], [true, 0]);

    await site.tidegate('grant', 'revoke', site.gatewayDirectory, 'site/revoked/#');
    site.link.restore();

    const restored = Date.now();
    const after = await account(
      ({ check, series }) => (check?.time ?? 0) > restored && series.every(({ waiting }) => waiting === 0),
    );
    console.log((await site.tidegate('account', site.gatewayDirectory)).trimEnd().replaceAll(/^/gm, '      '));
    assert.deepEqual([after.adds, after.lost, after.accepted, after.check?.equal], [true, 0, 3 * COUNT, true]);
    assert.deepEqual(
      Object.fromEntries(
        after.series.map(({ series, produced, withheld, delivered, dropped }) => [
          series,
          {
            produced,
            withheld,
            delivered,
            ...Object.fromEntries(Object.entries(dropped).filter(([, count]) => count > 0)),
          },
        ]),
      ),
      {
        'site/kept/t': { produced: COUNT, withheld: 0, delivered: COUNT },
        'site/private/t': { produced: COUNT, withheld: COUNT, delivered: 0 },
        'site/revoked/t': { produced: COUNT, withheld: 0, delivered: 0, revoked: COUNT },
      },
    );
  });
});
