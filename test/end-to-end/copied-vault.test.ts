import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { parse, stringify } from 'yaml';
import type { GapsAnswer, GatewaysAnswer } from '../../cloud-bridge/src/api/contract.ts';
import { eventually } from '../support/eventually.ts';
import type { Total } from '../support/ledger.ts';
import { freePort } from '../support/ports.ts';
import { Program, root } from '../support/process.ts';
import { Site, hurry } from '../support/site.ts';
import { delivered, feed, fold, settled, statusOf } from '../support/site-totals.ts';

const CLI = path.join(root, 'gateway/bin/tidegate.js');
const run = promisify(execFile);

describe('a vault that was copied with cp -a', function () {
  this.timeout(240_000);
  let site: Site;
  let copy: Program | undefined;

  beforeEach(async () => {
    site = await Site.make({ grants: ['site/#'], flow: hurry });
    await site.startGateway();
    await site.enrolled();
  });
  afterEach(async () => {
    await copy?.stop();
    copy = undefined;
    await site.close();
  });

  it('sends nothing twice beside the one it was copied from, and each what is its own', async () => {
    const both = new Map<string, Total>();
    await feed(site.mqttPort, both, 'site/early', 100);
    await delivered(site, both);
    site.link.cut();
    await feed(site.mqttPort, both, 'site/waiting', 300);
    await blocksWait(site.gatewayDirectory);
    const { directory, mqttPort } = await copied(site);
    await startCopy(directory);
    assert.ok((await statusOf(directory)).vault.orphanBlocksWaiting! > 0);
    assert.match(await site.tidegate('status', directory), /^earlier +\d+ blocks/m);
    await feed(mqttPort, both, 'site/copy', 120);
    await feed(site.mqttPort, both, 'site/original', 120);
    site.link.restore();
    await delivered(site, both);
    await settled(directory);
    await settled(site.gatewayDirectory);
    await delivered(site, both);
    const { gateways } = await site.ask<GatewaysAnswer>('/api/v1/gateways');
    assert.deepEqual(
      gateways.map(({ gateway, forks, refused }) => [gateway, forks, refused]),
      [['site', 0, 0]],
    );
    assert.equal((await statusOf(directory)).vault.orphanBlocksWaiting, 0);
    const own = await statusOf(site.gatewayDirectory);
    const others = await statusOf(directory);
    assert.notEqual(own.vault.incarnation, others.vault.incarnation);
  });

  it('delivers what waited when the one it was copied from is gone, and declares what was open', async () => {
    const produced = new Map<string, Total>();
    await feed(site.mqttPort, produced, 'site/early', 100);
    await delivered(site, produced);
    site.link.cut();
    await feed(site.mqttPort, produced, 'site/waiting', 300);
    const { directory, mqttPort } = await copied(site);
    await site.gateway!.kill();
    site.link.restore();
    await startCopy(directory);
    const later = new Map<string, Total>();
    await feed(mqttPort, later, 'site/later', 60);
    await delivered(site, later);
    await settled(directory);
    await eventually('every reading is delivered or declared', async () => {
      const { gaps } = await site.ask<GapsAnswer>('/api/v1/gaps?gateway=site');
      assert.ok(gaps.every(({ cause, what }) => cause === 'restored' && what === 'readings'));
      const declared = gaps.reduce((sum, { count }) => sum + count!, 0);
      const counts = await Promise.all([...produced.keys()].map(async (name) => (await fold(site, name))?.count ?? 0));
      const expected = [...produced.values()].reduce((sum, { count }) => sum + count, 0);
      return counts.reduce((sum, count) => sum + count, declared) === expected;
    });
    assert.equal((await statusOf(directory)).vault.orphanBlocksWaiting, 0);
  });

  const startCopy = async (directory: string): Promise<void> => {
    copy = new Program('copy', process.execPath, [CLI, 'run', directory, '--json']);
    await copy.json();
  };
});

/** The running gateway's directory, copied, with ports of its own. */
async function copied(site: Site): Promise<{ directory: string; mqttPort: number }> {
  const directory = path.join(site.directory, 'copy');
  await run('cp', ['-a', site.gatewayDirectory, directory]);
  const mqttPort = await freePort();
  const file = path.join(directory, 'gateway.yaml');
  const config = parse(readFileSync(file, 'utf8')) as Record<string, Record<string, unknown>>;
  config.mqtt = { ...config.mqtt, port: mqttPort };
  config.editor = { ...config.editor, port: await freePort() };
  writeFileSync(file, stringify(config));
  return { directory, mqttPort };
}

const blocksWait = (directory: string): Promise<void> =>
  eventually('blocks wait', async () => (await statusOf(directory)).vault.blocksWaiting > 2);
