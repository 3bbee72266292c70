import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import os from 'node:os';
import path from 'node:path';

import { startCloud, type RunningCloud } from '@tidegate/cloud-bridge';
import { Aedes } from 'aedes';
import { connectAsync, type MqttClient } from 'mqtt';
import type { Browser } from 'playwright-core';

import { openBrowser, openPage } from '../support/browser.ts';
import { FlowEditor } from '../support/editor.ts';
import { eventually } from '../support/eventually.ts';
import { StockNodeRed } from '../support/stock-node-red.ts';

/** What is on the workspace already: one button that allows the site's series to leave. */
const FLOWS = [
  { id: '00000000000000f1', type: 'tab', label: 'Site' },
  {
    id: '00000000000000a1',
    type: 'inject',
    z: '00000000000000f1',
    name: 'allow site/#',
    props: [{ p: 'payload' }, { p: 'topic', vt: 'str' }],
    topic: 'grant',
    payload: 'site/#',
    payloadType: 'str',
    repeat: '',
    once: true,
    onceDelay: 0.1,
    x: 140,
    y: 360,
    wires: [[]],
  },
];

describe('the flow editor', function () {
  this.timeout(60_000);

  let red: StockNodeRed | undefined;
  let browser: Browser | undefined;
  let cloud: RunningCloud | undefined;
  let broker: { server: Server; aedes: Aedes; port: number } | undefined;
  let sensor: MqttClient | undefined;
  let directory = '';

  before(async function () {
    browser = await openBrowser(this);
    directory = mkdtempSync(path.join(os.tmpdir(), 'tidegate-editor-'));
    cloud = await startCloud({ directory, port: 0, mqttPort: 0, page: false });
    broker = await startBroker();
    sensor = await connectAsync(`mqtt://127.0.0.1:${broker.port}`);
    red = await StockNodeRed.make();
    red.linkNodes();
    writeFileSync(path.join(red.userDir, 'flows.json'), JSON.stringify(FLOWS));
    await red.start();
  });

  after(async () => {
    await browser?.close();
    await sensor?.endAsync(true);
    await red?.close();
    await cloud?.stop();
    if (broker !== undefined) {
      const { aedes, server } = broker;
      await new Promise<void>((resolve) => aedes.close(() => server.close(() => resolve())));
    }
    if (directory !== '') rmSync(directory, { recursive: true, force: true });
  });

  it('takes the nodes from the palette, wired, filled in and deployed, and readings flow to the cloud', async () => {
    assert.ok(browser && cloud && broker && sensor && red);
    const { page, complaints } = await openPage(browser, { viewport: { width: 1500, height: 900 } });
    page.setDefaultTimeout(15_000);
    const editor = new FlowEditor(page);
    await editor.open(red.url);

    const ingest = await editor.drop('tide-ingest', 140, 120);
    const detect = await editor.drop('tide-detect', 340, 180);
    const summarize = await editor.drop('tide-summarize', 540, 240);
    const bridge = await editor.drop('tide-bridge', 760, 300);
    await editor.wire(ingest, 0, detect);
    await editor.wire(detect, 0, summarize);
    await editor.wire(detect, 1, bridge);
    await editor.wire(summarize, 0, bridge);
    await editor.wire('00000000000000a1', 0, bridge);

    assert.equal(await editor.isInvalid(bridge), true, 'a bridge without a cloud is marked');

    const { port } = broker;
    await editor.edit(ingest, async () => {
      await editor.field('source').selectOption('broker');
      await editor.addConfig('vault', async () => {
        await editor.field('name', 'config-input').fill('site vault');
      });
      await editor.field('host').fill('127.0.0.1');
      await editor.field('port').fill(String(port));
    });
    await editor.edit(detect, () => editor.chooseConfig('vault'));
    await editor.edit(summarize, async () => {
      await editor.chooseConfig('vault');
      await editor.field('resolutions').fill('1s');
      await editor.field('grace').fill('0');
    });
    const token = await cloud.enrol('stock');
    await editor.edit(bridge, async () => {
      await editor.addConfig('cloud', async () => {
        await editor.chooseConfig('vault', 'config-input');
        await editor.field('token', 'config-input').fill(token);
      });
      await editor.field('interval').fill('1');
    });
    for (const id of [ingest, detect, summarize, bridge])
      assert.equal(await editor.isInvalid(id), false, 'nothing is marked once the forms are filled in');

    await editor.deploy();
    await editor.status(bridge).getByText('up to date').waitFor();
    await editor.status(ingest).getByText('0 readings').waitFor();
    for (let i = 0; i < 40; i++)
      await sensor.publishAsync('site/oven', JSON.stringify({ temperature: 180 + i / 10 }), { qos: 1 });
    await editor.status(ingest).getByText('40 readings').waitFor();

    const { pageUrl } = cloud;
    await eventually('40 readings in the cloud', async () => {
      const series = encodeURIComponent('site/oven/temperature');
      const now = Date.now();
      const query = `gateway=stock&series=${series}&resolution=1&from=${now - 120_000}&to=${now + 60_000}`;
      const answer = await fetch(`${pageUrl.replace(/\/$/, '')}/api/v1/summaries?${query}`);
      if (answer.status !== 200) return false;
      const { total }: { total: { count: number; sum: string } | null } = await answer.json();
      return total?.count === 40 && total.sum === '7278';
    });
    assert.deepEqual(complaints, []);
  });
});

async function startBroker(): Promise<{ server: Server; aedes: Aedes; port: number }> {
  const aedes = await Aedes.createBroker();
  const server = createServer((socket) => void aedes.handle(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the broker has no port');
  return { server, aedes, port: address.port };
}
