import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import type { SummariesAnswer } from '../../cloud-bridge/src/api/contract.ts';
import type { GatewayStatus } from '../../gateway/src/control/status.ts';
import { eventually } from './eventually.ts';
import { Ledger, scaled, type Total } from './ledger.ts';
import { root } from './process.ts';
import type { Site } from './site.ts';

/** What sensors publish to a site's gateways, what those hold, and what the cloud has of it in windows of a second. */

const run = promisify(execFile);

/** Readings 100 ms apart that end now, each acknowledged; their totals join `totals`. */
export async function feed(port: number, totals: Map<string, Total>, series: string, count: number): Promise<void> {
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

export async function statusOf(directory: string): Promise<GatewayStatus> {
  const { stdout } = await run(process.execPath, [
    path.join(root, 'gateway/bin/tidegate.js'),
    'status',
    directory,
    '--json',
  ]);
  return JSON.parse(stdout) as GatewayStatus;
}

export const settled = (directory: string): Promise<void> =>
  eventually('nothing waits', async () => (await statusOf(directory)).vault.blocksWaiting === 0, 90_000);

/** What the cloud has of a series; null when it does not know it. */
export async function fold(site: Site, series: string): Promise<SummariesAnswer['total']> {
  const query = new URLSearchParams({ gateway: 'site', series, resolution: '1', from: '0', to: '8640000000000000' });
  try {
    return (await site.ask<SummariesAnswer>(`/api/v1/summaries?${query.toString()}`)).total;
  } catch (error) {
    // A series is unknown to the cloud until its first block has arrived.
    if (error instanceof Error && error.message.includes('404')) return null;
    throw error;
  }
}

export const delivered = (site: Site, totals: ReadonlyMap<string, Total>): Promise<void> =>
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
