import assert from 'node:assert/strict';
import { cpSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import type { SummariesAnswer } from '../../cloud-bridge/src/api/contract.ts';
import { eventually } from '../support/eventually.ts';
import { scaled } from '../support/ledger.ts';
import { readRecording } from '../support/recorded.ts';
import { root } from '../support/process.ts';
import { Site, hurry } from '../support/site.ts';

describe('tidegate replay', function () {
  this.timeout(180_000);

  it('brings a folder of recorded series into the cloud: count and sum of each equal the file', async () => {
    const site = await Site.make({ grants: ['site/#'], flow: hurry });
    try {
      await site.startGateway();
      const folder = path.join(site.directory, 'recorded');
      mkdirSync(folder);
      cpSync(path.join(root, 'test/data/plant-day.csv'), path.join(folder, 'plant-day.csv'));
      await site.tidegate(
        'replay',
        folder,
        '--broker',
        `mqtt://127.0.0.1:${site.mqttPort}`,
        '--topic',
        'site/{file}/{metric}',
        '--speed',
        '0',
      );
      for (const { name, rows } of readRecording(folder, 'plant-day.csv')) {
        const query = new URLSearchParams({
          gateway: 'site',
          series: `site/${name}`,
          resolution: '1',
          from: '0',
          to: '8640000000000000',
        });
        const ask = async (): Promise<SummariesAnswer['total']> =>
          (await site.ask<SummariesAnswer>(`/api/v1/summaries?${query.toString()}`)).total;
        await eventually(`${name} is whole in the cloud`, async () => (await ask())?.count === rows.length, 60_000);
        const total = await ask();
        assert.equal(
          scaled(total!.sum),
          rows.reduce((sum, { value }) => sum + scaled(value), 0n),
        );
      }
    } finally {
      await site.close();
    }
  });
});
