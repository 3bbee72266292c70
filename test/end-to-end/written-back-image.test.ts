import assert from 'node:assert/strict';
import { cpSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { GatewaysAnswer } from '../../cloud-bridge/src/api/contract.ts';
import { eventually } from '../support/eventually.ts';
import type { Total } from '../support/ledger.ts';
import { Site, hurry } from '../support/site.ts';
import { delivered, feed, settled, statusOf } from '../support/site-totals.ts';

/** What tells the vault where it lives; an image that is written back to the card from which it was read leaves it as it was. */
const PLACE = 'vault.place';

describe('an image that was written back to its own card', function () {
  this.timeout(240_000);
  let site: Site;

  beforeEach(async () => {
    site = await Site.make({ grants: ['site/#'], flow: hurry });
    await site.startGateway();
    await site.enrolled();
  });
  afterEach(() => site.close());

  it('is noticed by the cloud, and the gateway goes on by itself under a new incarnation', async () => {
    const vault = path.join(site.gatewayDirectory, 'vault');
    const image = path.join(site.directory, 'image');
    const totals = new Map<string, Total>();
    await feed(site.mqttPort, totals, 'site/early', 100);
    await delivered(site, totals);
    await site.gateway!.stop();
    cpSync(vault, image, { recursive: true });
    await site.startGateway();
    await feed(site.mqttPort, totals, 'site/between', 200);
    await delivered(site, totals);
    const before = (await statusOf(site.gatewayDirectory)).vault.incarnation;
    await site.gateway!.kill();
    for (const name of readdirSync(vault)) if (name !== PLACE) rmSync(path.join(vault, name), { recursive: true });
    cpSync(image, vault, { recursive: true, filter: (file) => path.basename(file) !== PLACE });

    await site.startGateway();
    const { pid } = site.gateway!;
    await site.gateway!.line(/another copy of the vault writes to the cloud; starting anew/, 60_000);
    await eventually('it runs again', async () => (await statusOf(site.gatewayDirectory)).running, 60_000);
    await feed(site.mqttPort, totals, 'site/after', 60);
    await delivered(site, totals);
    await settled(site.gatewayDirectory);
    const status = await statusOf(site.gatewayDirectory);
    assert.equal(status.process?.pid, pid, 'the same process, so that a service manager sees none of it');
    assert.notEqual(status.vault.incarnation, before);
    const { gateways } = await site.ask<GatewaysAnswer>('/api/v1/gateways');
    assert.deepEqual(
      gateways.map(({ gateway, forks, online }) => [gateway, forks, online]),
      [['site', 0, true]],
    );
    assert.equal(await site.gateway!.stop(), 0);
  });
});
