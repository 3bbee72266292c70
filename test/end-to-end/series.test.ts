import assert from 'node:assert/strict';
import type { SeriesAnswer, SeriesView } from '../../cloud-bridge/src/api/contract.ts';
import { eventually } from '../support/eventually.ts';
import type { Total } from '../support/ledger.ts';
import { hurry, Site } from '../support/site.ts';
import { delivered, feed, fold } from '../support/site-totals.ts';

describe('what people say of series', function () {
  this.timeout(240_000);

  it('reaches the cloud where a grant lets it, carries nothing past a grant, and changes no reading', async () => {
    const site = await Site.make({ grants: ['site/a', 'site/b'], flow: hurry });
    const dir = site.gatewayDirectory;
    const totals = new Map<string, Total>();
    const views = async (): Promise<Map<string, SeriesView>> =>
      new Map((await site.ask<SeriesAnswer>('/api/v1/series?gateway=site')).series.map((one) => [one.series, one]));
    try {
      await site.startGateway();
      await feed(site.mqttPort, totals, 'site/a', 30);
      await delivered(site, totals);
      const before = totals.get('site/a')!;

      await site.tidegate('series', 'replace', dir, 'site/a', 'PT100 no. 4711');
      await site.tidegate('series', 'rename', dir, 'site/a', 'site/b');
      await feed(site.mqttPort, totals, 'site/b', 20);
      const now = totals.get('site/b')!;
      await eventually('the new name has what came under both', async () => {
        const total = await fold(site, 'site/b');
        return total?.count === before.count + now.count;
      });
      assert.equal((await fold(site, 'site/a'))?.count, before.count, 'the old name has what came under it');
      await eventually('the cloud is told', async () => (await views()).get('site/a')?.retired != null);
      const told = await views();
      assert.equal(told.get('site/a')?.sensor, 'PT100 no. 4711');
      assert.deepEqual(told.get('site/b')?.earlier, ['site/a']);
      assert.equal(told.get('site/b')?.retired, null);
      assert.ok(told.get('site/b')!.firstWindow! <= told.get('site/a')!.firstWindow!);

      // A name without a grant: what comes under it stays here, and so does the name, whatever it goes on from.
      await site.tidegate('series', 'rename', dir, 'site/b', 'site/c');
      await feed(site.mqttPort, totals, 'site/c', 20);
      await eventually('the cloud is told of the end', async () => (await views()).get('site/b')?.retired != null);
      const rows = await site.tidegate('query', dir, '--series', 'site/c', '--format', 'ndjson');
      const names = rows
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { series: string }).series);
      assert.deepEqual(
        ['site/a', 'site/b', 'site/c'].map((name) => names.filter((one) => one === name).length),
        [30, 20, 20],
      );
      assert.deepEqual([...(await views()).keys()].toSorted(), ['site/a', 'site/b']);
      assert.equal((await fold(site, 'site/b'))?.count, before.count + now.count);

      // While the gateway is down, and told at its next start.
      await site.gateway!.stop();
      await site.tidegate('series', 'separate', dir, 'site/b');
      await site.startGateway();
      await eventually('the two are apart', async () => (await fold(site, 'site/b'))?.count === now.count);
      assert.equal((await views()).get('site/a')?.retired, null);
      assert.deepEqual((await views()).get('site/b')?.earlier, []);
    } finally {
      await site.close();
    }
  });
});
