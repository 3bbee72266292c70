import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { parse, stringify } from 'yaml';
import type { GapsAnswer, GatewaysAnswer, SummariesAnswer } from '../../cloud-bridge/src/api/contract.ts';
import type { GatewayStatus } from '../../gateway/src/control/status.ts';
import { eventually } from '../support/eventually.ts';
import { Ledger, scaled, type Total } from '../support/ledger.ts';
import { freePort } from '../support/ports.ts';
import { Program, root } from '../support/process.ts';
import { Site, hurry } from '../support/site.ts';

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
    await delivered(both);
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
    await delivered(both);
    await settled(directory);
    await settled(site.gatewayDirectory);
    await delivered(both);
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
    await delivered(produced);
    site.link.cut();
    await feed(site.mqttPort, produced, 'site/waiting', 300);
    const { directory, mqttPort } = await copied(site);
    await site.gateway!.kill();
    site.link.restore();
    await startCopy(directory);
    const later = new Map<string, Total>();
    await feed(mqttPort, later, 'site/later', 60);
    await delivered(later);
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

  const delivered = (totals: ReadonlyMap<string, Total>): Promise<void> =>
    eventually(
      'the cloud has every reading once',
      async () => {
        for (const [series, expected] of totals) {
          const total = await fold(site, series);
          assert.ok((total?.count ?? 0) <= expected.count, `${series}: ${total?.count} of ${expected.count}`);
          if (total?.count !== expected.count) return false;
          assert.equal(scaled(total.sum), expected.sum, series);
        }
        return true;
      },
      90_000,
    );
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

async function feed(port: number, totals: Map<string, Total>, series: string, count: number): Promise<void> {
  const ledger = new Ledger(port, `feed-${series.replaceAll('/', '-')}`);
  ledger.start();
  try {
    const begin = Date.now() - count * 100;
    for (let i = 0; i < count; i++)
      await ledger.publish({ topic: series, value: (i / 4).toFixed(2), time: begin + i * 100 });
    await ledger.drained();
    for (const [name, total] of ledger.totals) totals.set(name, total);
  } finally {
    await ledger.close();
  }
}

async function statusOf(directory: string): Promise<GatewayStatus> {
  const { stdout } = await run(process.execPath, [CLI, 'status', directory, '--json']);
  return JSON.parse(stdout) as GatewayStatus;
}

const blocksWait = (directory: string): Promise<void> =>
  eventually('blocks wait', async () => (await statusOf(directory)).vault.blocksWaiting > 2);

const settled = (directory: string): Promise<void> =>
  eventually('nothing waits', async () => (await statusOf(directory)).vault.blocksWaiting === 0, 90_000);

async function fold(site: Site, series: string): Promise<SummariesAnswer['total']> {
  const query = new URLSearchParams({ gateway: 'site', series, resolution: '1', from: '0', to: '8640000000000000' });
  try {
    return (await site.ask<SummariesAnswer>(`/api/v1/summaries?${query.toString()}`)).total;
  } catch (error) {
    // A series is unknown to the cloud until its first block has arrived.
    if (error instanceof Error && error.message.includes('404')) return null;
    throw error;
  }
}
