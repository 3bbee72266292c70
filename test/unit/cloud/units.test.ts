import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { startCloud, type RunningCloud } from '@tidegate/cloud-bridge';
import { foldSummaries, WindowAccumulator, type Part } from '@tidegate/nodes/summary';
import Database from 'better-sqlite3';
import type { SummariesAnswer } from '../../../cloud-bridge/src/api/contract.ts';
import { blockOf, HandMadeGateway } from '../../support/hand-made-gateway.ts';

const HOUR = 3_600_000;

/** Sixty minutes of a sensor that was set from one unit to another after `before` of them. */
function minutes(before: number): Part[] {
  return Array.from({ length: 60 }, (_, minute) => {
    const window = new WindowAccumulator();
    const time = minute * 60_000;
    const [value, unit] = minute < before ? [20, '°C'] : [68, '°F'];
    window.add({ series: 's', time, value, unit, quality: 'good', clock: 'device', position: minute + 1 });
    return { series: 1, windowStart: time, summary: window.summary() };
  });
}

describe('a series whose unit was changed, in the cloud', function () {
  this.timeout(20_000);
  let directory: string;
  let cloud: RunningCloud;
  let gateway: HandMadeGateway;

  before(async () => {
    directory = mkdtempSync(path.join(os.tmpdir(), 'tidegate-cloud-units-'));
    cloud = await startCloud({ directory, port: 0, mqttPort: 0, page: false });
    gateway = await HandMadeGateway.enrolled(cloud.brokerUrl, await cloud.enrol('site'));
    const fine = minutes(20);
    const hour = { series: 1, windowStart: 0, summary: foldSummaries(fine.map(({ summary }) => summary)) };
    await gateway.names(1, 'oven/temperature');
    await gateway.answer('ack');
    await gateway.blocks('operations/60', [blockOf(1, ...fine)]);
    await gateway.answer('ack');
    await gateway.blocks('operations/3600', [blockOf(1, hour)]);
    await gateway.answer('ack');
  });
  after(async () => {
    await gateway.close();
    await cloud.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  async function windows(resolution: number, to = HOUR): Promise<SummariesAnswer> {
    const query = new URLSearchParams({
      gateway: 'site',
      series: 'oven/temperature',
      resolution: String(resolution),
      from: '0',
      to: String(to),
    });
    const response = await fetch(`${cloud.pageUrl}/api/v1/summaries?${query.toString()}`);
    assert.equal(response.status, 200);
    return (await response.json()) as SummariesAnswer;
  }

  it('has its minutes, each in its unit', async () => {
    const answer = await windows(60);
    const told = answer.windows.map(({ unit, mixed, mean }) => `${unit ?? '-'} ${mixed} ${mean}`);
    assert.deepEqual(told, [...Array<string>(20).fill('°C false 20'), ...Array<string>(40).fill('°F false 68')]);
  });

  it('adds nothing up that has two units: not the answer, not the hour, not the columns for dashboards', async () => {
    const { total } = await windows(60);
    assert.deepEqual(
      [total?.count, total?.mixed, total?.unit, total?.numeric, total?.sum, total?.p50],
      [60, true, null, 0, '0', null],
    );
    const [hour] = (await windows(3600)).windows;
    assert.deepEqual(
      [hour.count, hour.mixed, hour.mean, hour.first?.value, hour.last?.value],
      [60, true, null, 20, 68],
    );
    const db = new Database(path.join(directory, 'cloud.db'), { readonly: true });
    const rows = db.prepare('SELECT unit, count, numbers, min FROM series_parts').all();
    db.close();
    assert.deepEqual(rows, [{ unit: null, count: 60, numbers: 0, min: null }]);
  });

  it('adds up what has one', async () => {
    const { total } = await windows(60, 20 * 60_000);
    assert.deepEqual([total?.unit, total?.numeric, total?.sum], ['°C', 20, '400']);
  });
});
