import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { startCloud, type RunningCloud } from '@tidegate/cloud-bridge';
import type { Alert } from '@tidegate/nodes/detect';
import { systemClock } from '@tidegate/nodes/node';
import { SeriesRegistry } from '@tidegate/nodes/vault';
import type { Browser, Page } from 'playwright-core';

import { openBrowser, openPage } from '../support/browser.ts';
import { Edge, type Minute } from '../support/edge.ts';
import { freePort } from '../support/ports.ts';

const MINUTE = 60_000;
const START = Math.floor(Date.now() / MINUTE) * MINUTE - 30 * MINUTE;
/** Minutes after START that were never measured. */
const MISSING = [8, 9, 10];
const TEMPERATURE = 'line1/pump3/temperature';
const HOSTILE = 'lab/<img src=x onerror=alert(1)>';
const GATEWAY = 'plant-north';

const ALERT: Alert = {
  id: 'a1'.repeat(16),
  revision: 1,
  series: TEMPERATURE,
  time: START + 15 * MINUTE,
  state: 'open',
  severity: 'critical',
  kind: 'auto',
  value: 68,
  expected: { low: 38, high: 47 },
  unit: '°C',
  text: 'Temperature is 68 °C, far above the 38 to 47 °C that are usual here.',
};

function minutes(from: number, to: number): Minute[] {
  const all: Minute[] = [];
  for (let minute = from; minute < to; minute++) {
    if (MISSING.includes(minute)) continue;
    const windowStart = START + minute * MINUTE;
    const warm = 40 + minute / 10;
    all.push(
      { series: TEMPERATURE, unit: '°C', windowStart, values: [warm, warm + 2, warm + 4, warm + 6] },
      { series: 'hall/door', windowStart, values: [minute % 4 === 0, minute % 4 === 0, false, false] },
      { series: 'oven/programme', windowStart, values: ['warm-up', 'baking'] },
      { series: HOSTILE, windowStart, values: [7.5] },
    );
  }
  return all;
}

const warm = (series: string, from: number, to: number, unit: string): Minute[] =>
  Array.from({ length: to - from }, (_, i) => {
    const windowStart = START + (from + i) * MINUTE;
    return { series, unit, windowStart, values: unit === '°C' ? [20, 21] : [68, 70] };
  });

describe('the page in a browser', function () {
  this.timeout(30_000);

  let directory: string;
  let ports: { page: number; mqtt: number };
  let cloud: RunningCloud;
  let edge: Edge | undefined;
  let browser: Browser | undefined;
  let page: Page;
  let complaints: string[];

  const start = (): Promise<RunningCloud> =>
    startCloud({ directory, host: '127.0.0.1', port: ports.page, mqttPort: ports.mqtt, log: () => undefined });
  const goto = (hash: string): Promise<unknown> => page.goto(`${cloud.pageUrl.replace(/\/$/, '')}/${hash}`);
  const heading = (name: string | RegExp) => page.getByRole('heading', { level: 1, name });
  const card = () => page.locator('.gateway h3').getByRole('link', { name: GATEWAY });
  const figure = (label: string, value: string | RegExp): Promise<void> =>
    page.locator('.figure', { hasText: label }).locator('.figure-value').getByText(value, { exact: true }).waitFor();
  const seen = (text: string | RegExp): Promise<void> => page.getByText(text).first().waitFor();

  before(async function () {
    browser = await openBrowser(this);
    directory = mkdtempSync(path.join(os.tmpdir(), 'tidegate-page-'));
    ports = { page: await freePort(), mqtt: await freePort() };
    cloud = await start();
    ({ page, complaints } = await openPage(browser));
    page.setDefaultTimeout(10_000);
  });

  after(async () => {
    await browser?.close();
    await edge?.close();
    await cloud?.stop();
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  });

  afterEach(() => {
    const said = complaints.splice(0);
    assert.deepEqual(said, [], 'what the browser complained about');
  });

  it('tells what to do while there is no gateway, and shows one as soon as there is', async () => {
    await goto('');
    await seen('No gateway yet');
    await seen('tidegate-cloud enroll NAME');
    await page.getByText('live', { exact: true }).waitFor();
    await page.evaluate(() => Object.assign(globalThis, { notReloaded: true }));

    edge = await Edge.start(await cloud.enrol(GATEWAY), cloud.brokerUrl);
    await edge.measured(minutes(0, 20));
    await card().waitFor();
    await page.getByText('online', { exact: true }).waitFor();
    await page.locator('.gateway', { hasText: GATEWAY }).getByText('4', { exact: true }).waitFor();
    assert.equal(await page.evaluate(() => 'notReloaded' in globalThis), true);
  });

  it('lists the series of a gateway with last value, unit and curve, and finds one', async () => {
    await card().click();
    await heading(GATEWAY).waitFor();
    assert.equal(await page.evaluate(() => document.activeElement?.id), 'title', 'the focus is on the title');
    const tile = page.locator('.tile', { hasText: 'temperature' });
    await tile.getByText('47.9 °C').waitFor();
    await tile.locator('.spark path').waitFor();
    const strokes = await tile.locator('.spark path').getAttribute('d');
    assert.equal(strokes?.match(/M/g)?.length, 2, 'the curve is broken at the gap');
    await page.locator('.tile', { hasText: 'programme' }).getByText('baking').waitFor();
    await page.locator('.tile', { hasText: 'door' }).getByText('off', { exact: true }).waitFor();

    await page.getByLabel('Containing').fill('PUMP temp');
    await seen('1 of 4 series');
    assert.equal(await page.locator('.tile').count(), 1);
  });

  it('shows names that look like markup as text', async () => {
    await page.getByLabel('Containing').fill('<img');
    const tile = page.locator('.tile');
    assert.equal((await tile.locator('.series-name').innerText()).replaceAll('\n', ''), HOSTILE);
    assert.equal(await page.locator('main img').count(), 0);
    await tile.getByRole('link').click();
    await heading(HOSTILE).waitFor();
    assert.equal(await page.locator('main img').count(), 0);
  });

  it('draws a series, with nothing across the minutes that are missing', async () => {
    await openTemperature(`?from=${START}&to=${START + 20 * MINUTE}`);
    await figure('Readings', '68');
    assert.match(await page.locator('.readout').innerText(), /^Newest window [^,]+.*, 1 min/);
    await figure('No data for', '3 min');
    const inked = (minute: number): Promise<number> => page.evaluate(inkAt, (minute + 0.5) / 20);
    assert.ok((await inked(4)) > 0, 'a line where there is data');
    assert.ok((await inked(17)) > 0, 'a line where there is data again');
    assert.equal(await inked(9), 0, 'no line in the gap');
    const label = await page.getByRole('img', { name: /^Chart of/ }).getAttribute('aria-label');
    assert.match(label ?? '', /between 40 °C and 47\.9 °C/);
  });

  it('has the same as a table', async () => {
    await page.getByText('Windows as a table').click();
    const row = page.locator('.windows tbody tr');
    await row.last().waitFor();
    assert.equal(await row.count(), 17);
    assert.match(await row.last().innerText(), /4\s+43\s+40\s+4[\d.]+\s+4[\d.]+\s+4[\d.]+\s+46\s+46/);
  });

  it('zooms by dragging, and comes back', async () => {
    const over = await page.locator('.u-over').boundingBox();
    assert.ok(over !== null);
    const y = over.y + over.height / 2;
    await page.mouse.move(over.x + over.width * 0.5, y);
    await page.mouse.down();
    await page.mouse.move(over.x + over.width * 0.75, y, { steps: 4 });
    await page.mouse.up();
    await page.waitForURL(/from=\d+&to=\d+/);
    await figure('Readings', /^(16|20)$/);
    const zoomed = new URLSearchParams(page.url().split('?')[1]);
    assert.ok(Math.abs(Number(zoomed.get('from')) - (START + 10 * MINUTE)) < 20_000);
    assert.ok(Math.abs(Number(zoomed.get('to')) - (START + 15 * MINUTE)) < 20_000);
    await page.goBack();
    await figure('Readings', '68');
    await page.getByRole('button', { name: 'Back to now' }).click();
    await page.getByRole('link', { name: 'all', exact: true }).and(page.locator('[aria-current]')).waitFor();
  });

  it('takes in new windows while one looks on', async () => {
    await page.evaluate(() => Object.assign(globalThis, { notReloaded: true }));
    await figure('Readings', '68');
    await edge?.measured(minutes(20, 29));
    await figure('Readings', '104');
    await page.locator('.last-value').getByText('48.8 °C').waitFor();
    assert.equal(await page.evaluate(() => 'notReloaded' in globalThis), true);
  });

  it('shows an alert the moment it comes, on the curve and in the list, and when it is over', async () => {
    await edge?.alert(ALERT);
    await page.locator('header .badge').getByText('1').waitFor();
    await page.locator('.legend').getByText('alert').waitFor();
    await page
      .getByRole('status')
      .getByText(/New critical alert on line1/)
      .waitFor({ state: 'attached' });
    await page.getByRole('link', { name: /^Alerts/ }).click();
    await heading('Alerts').waitFor();
    const alert = page.locator('.alert');
    await alert.getByText(ALERT.text).waitFor();
    await alert.getByText('68 °C, expected 38 to 47 °C').waitFor();
    await alert.getByText('open', { exact: true }).waitFor();

    await page.getByLabel('Severity').selectOption('info');
    await seen('No alert matches this filter.');
    await page.getByLabel('Severity').selectOption('critical');

    await edge?.alert({ ...ALERT, revision: 2, state: 'closed', closed: ALERT.time + 4 * MINUTE });
    await alert.getByText('closed after 4 min').waitFor();
    await page.locator('header .badge').waitFor({ state: 'detached' });
    await alert.getByRole('link', { name: /temperature/ }).click();
    await heading(/temperature/).waitFor();
  });

  it('sets a value with the API token and says when the gateway has it', async () => {
    await goto(`#/gateways/${GATEWAY}`);
    await page.getByLabel('Key').fill('line1/oven/target');
    const value = page.getByLabel('Value', { exact: true });
    const set = page.getByRole('button', { name: 'Set value' });
    await value.fill('warm');
    await page.getByLabel('API token').fill('not the token');
    await set.click();
    await seen('"warm" is not a number');
    await value.fill('182,5');
    await set.click();
    await seen(/^It was not set: /);
    // The browser itself notes the refusal.
    assert.match(complaints.splice(0).join(), /401/);

    await page.getByLabel('API token').fill(readFileSync(path.join(directory, 'keys/api-token'), 'utf8').trim());
    await set.click();
    await seen('line1/oven/target is set.');
    const row = page.locator('.documents tbody tr');
    await row.getByText('182.5').waitFor();
    await row.getByText('in force').waitFor();
    assert.ok(await page.evaluate(() => sessionStorage.length === 1 && localStorage.length === 0));
  });

  it('says once that there is no gateway of a name', async () => {
    await goto('#/');
    await card().waitFor();
    await goto('#/gateways/nobody');
    await seen('No gateway of this name is enrolled.');
    assert.equal(await page.locator('main section').count(), 0);
  });

  it('draws a series with what came under its earlier name, in one unit, and says what people say of it', async () => {
    await edge!.measured(warm('kiln', 0, 10, '°C'));
    const registry = new SeriesRegistry(edge!.vault, systemClock);
    await registry.rename('kiln', 'oven/north');
    await registry.replace('oven/north', 'PT100 no. 4711');
    await edge!.measured([...warm('oven/north', 10, 15, '°C'), ...warm('oven/north', 15, 25, '°F')]);
    await goto(`#/gateways/${GATEWAY}/series/${encodeURIComponent('oven/north')}`);
    await heading(/oven/).waitFor();
    await page.getByText('Known before as').getByRole('link', { name: 'kiln' }).waitFor();
    await page
      .getByText(/Measured by/)
      .getByText('PT100 no. 4711')
      .waitFor();
    await seen('Not drawn here, but in the table: 15 windows in °C.');
    await figure('Lowest', '68 °F');
    await figure('Readings', '50');
    await page.getByText('Windows as a table').click();
    const rows = page.locator('.windows tbody tr');
    await rows.nth(24).waitFor();
    assert.equal(await rows.count(), 25);
    assert.match((await rows.last().innerText()).replaceAll(/\s+/g, ' '), /20\.5 20 .* °C/);
    await page.getByRole('link', { name: 'kiln' }).click();
    await heading('kiln').waitFor();
    await seen(/Retired since/);
  });

  it('says that the connection is lost, and goes on when it is back', async () => {
    await goto('#/');
    await page.getByText('live', { exact: true }).waitFor();
    await cloud.stop();
    await page.getByRole('alert').getByText('The connection to the cloud is lost').waitFor();
    await page.getByText('not connected').waitFor();
    // While nobody listens: afterwards the page, which tries by itself, may be faster than a click.
    const tried = page.waitForRequest(/\/events$/);
    await page.getByRole('button', { name: 'Try now' }).click();
    await tried;
    cloud = await start();
    await page.getByText('live', { exact: true }).waitFor();
    await card().waitFor();
    await page.getByText('The connection to the cloud is lost').waitFor({ state: 'detached' });
    // The browser itself notes every request that failed meanwhile.
    assert.match(complaints.splice(0).join(), /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED|network/i);
  });

  it('can be used with the keyboard alone', async () => {
    await goto('#/');
    await page.reload();
    await card().waitFor();
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'Skip to the content');
    await page.keyboard.press('Enter');
    assert.equal(await page.evaluate(() => document.activeElement?.id), 'title');
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement?.textContent), GATEWAY);
    await page.keyboard.press('Enter');
    await heading(GATEWAY).waitFor();
  });

  it('says that both ends hold the same, once they have compared', async function () {
    this.timeout(60_000);
    await goto(`#/gateways/${GATEWAY}`);
    // The first comparison comes half a minute after a session began.
    await page.getByText(/^Compared/).waitFor({ timeout: 50_000 });
  });

  it('fits a phone and a desk, in light and dark, and names everything that can be used', async () => {
    for (const [width, height] of [
      [390, 844],
      [1280, 800],
    ] as const) {
      for (const colorScheme of ['light', 'dark'] as const) {
        const other = await openPage(browser!, { viewport: { width, height }, colorScheme });
        for (const hash of [
          '#/',
          `#/gateways/${GATEWAY}`,
          `#/gateways/${GATEWAY}/series/${encodeURIComponent(TEMPERATURE)}`,
          '#/alerts',
          '#/nowhere',
        ]) {
          await other.page.goto(`${cloud.pageUrl.replace(/\/$/, '')}/${hash}`);
          await other.page.getByRole('heading', { level: 1 }).waitFor();
          await other.page.locator('.waiting').waitFor({ state: 'detached' });
          const problems = await other.page.evaluate(problemsOf);
          assert.deepEqual(problems, [], `${hash} at ${width} pixels, ${colorScheme}`);
        }
        assert.deepEqual(other.complaints, []);
        await other.page.context().close();
      }
    }
  });

  async function openTemperature(query: string): Promise<void> {
    await goto(`#/gateways/${GATEWAY}/series/${encodeURIComponent(TEMPERATURE)}${query}`);
    await heading(TEMPERATURE).waitFor();
    await page.locator('.u-over').waitFor();
  }
});

/** Runs in the page: pixels in the colour of the mean's line in the column at a share of the plot's width. */
function inkAt(share: number): number {
  const canvas = document.querySelector('canvas')!;
  const over = document.querySelector('.u-over')!.getBoundingClientRect();
  const box = canvas.getBoundingClientRect();
  const scale = canvas.width / box.width;
  const x = Math.round((over.left - box.left + over.width * share) * scale);
  const column = canvas.getContext('2d')!.getImageData(x, 0, 1, canvas.height).data;
  const hex = getComputedStyle(canvas).getPropertyValue('--mean').trim();
  const mean = [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
  let inked = 0;
  for (let i = 0; i < column.length; i += 4) {
    const distance = mean.reduce((sum, shade, channel) => sum + Math.abs(column[i + channel] - shade), 0);
    if (distance < 30 && column[i + 3] > 200) inked++;
  }
  return inked;
}

/** Runs in the page: what is wider than the screen, and what has no name. */
function problemsOf(): string[] {
  const problems: string[] = [];
  const excess = document.documentElement.scrollWidth - innerWidth;
  if (excess > 0) problems.push(`${excess} pixels wider than the screen`);
  if (document.querySelectorAll('h1').length !== 1) problems.push('not one h1');
  if (document.querySelectorAll('main').length !== 1) problems.push('not one main');
  for (const field of document.querySelectorAll<HTMLInputElement>('input, select')) {
    if (field.labels?.length !== 1) problems.push(`no label: ${field.outerHTML}`);
  }
  for (const control of document.querySelectorAll('a, button')) {
    const name = control.getAttribute('aria-label') ?? control.textContent;
    if (name.trim() === '') problems.push(`no name: ${control.outerHTML}`);
  }
  const ids = [...document.querySelectorAll('[id]')].map(({ id }) => id);
  for (const id of new Set(ids)) if (ids.filter((one) => one === id).length > 1) problems.push(`two of #${id}`);
  return problems;
}
