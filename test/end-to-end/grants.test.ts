import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import mqtt from 'mqtt';
import type { SeriesAnswer } from '../../cloud-bridge/src/api/contract.ts';
import { eventually } from '../support/eventually.ts';
import { Site, hurry } from '../support/site.ts';
import { Wiretap } from '../support/wiretap.ts';

describe('a grant', function () {
  this.timeout(120_000);

  it('opens the way for its series only, and once revoked nothing of them leaves any more', async () => {
    const site = await Site.make({ grants: ['site/boiler', 'site/door'], flow: hurry });
    const wiretap = new Wiretap(site.link, site.cloudDirectory);
    try {
      await site.startGateway();
      const sensors = await mqtt.connectAsync(`mqtt://127.0.0.1:${site.mqttPort}`);
      const measure = async (): Promise<void> => {
        for (const series of ['site/boiler', 'site/door', 'site/private']) {
          await sensors.publishAsync(series, (20 + Math.random()).toFixed(2), { qos: 1 });
        }
      };
      const names = async (): Promise<string[]> =>
        (await site.ask<SeriesAnswer>('/api/v1/series?gateway=site')).series.map(({ series }) => series).sort();
      try {
        await eventually('both granted series are at the cloud', async () => {
          await measure();
          return (await names()).length === 2;
        });
        assert.deepEqual(await names(), ['site/boiler', 'site/door']);

        // While the link is down something waits in the outbox: a revocation shreds that, too.
        site.link.cut();
        for (let i = 0; i < 30; i++) {
          await measure();
          await sleep(100);
        }
        await site.tidegate('grant', 'revoke', site.gatewayDirectory, 'site/door');
        wiretap.take();
        site.link.restore();

        const seen = new Map<string, number>();
        await eventually('the series that is still granted goes on', async () => {
          await measure();
          for (const { series } of wiretap.take()) seen.set(series, (seen.get(series) ?? 0) + 1);
          return (seen.get('site/boiler') ?? 0) >= 6;
        });
        assert.deepEqual([...seen.keys()], ['site/boiler'], 'series in captured frames after the revocation');
      } finally {
        await sensors.endAsync(true);
      }
      const line = Buffer.concat(wiretap.raw);
      for (const name of ['boiler', 'door', 'private'])
        assert.ok(!line.includes(name), `"${name}" was readable on the line`);
    } finally {
      await site.close();
    }
  });
});
