import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import type { AlertsAnswer, GatewaysAnswer, SummariesAnswer } from '@tidegate/cloud-bridge';

import { eventually } from '../support/eventually.ts';
import { HandMadeGateway, blockOf, partOf } from '../support/hand-made-gateway.ts';
import { freePort } from '../support/ports.ts';
import { Program } from '../support/process.ts';

const STREAM = 'operations/60';
const SERIES = 40;
const BLOCKS = 300;
const ROUNDS = Number(process.env['TIDEGATE_ROUNDS'] ?? 4);

describe('a cloud that is killed while it merges', function () {
  this.timeout(60_000 + 30_000 * ROUNDS);
  let directory: string;
  let ports: [page: number, mqtt: number];
  let cloud: Program;

  before(async () => {
    directory = mkdtempSync(path.join(os.tmpdir(), 'tidegate-cloud-kill-'));
    ports = [await freePort(), await freePort()];
  });
  after(async () => {
    await cloud.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  async function start(): Promise<void> {
    const [page, mqtt] = ports.map(String);
    cloud = run('run', '--port', page, '--mqtt-port', mqtt, '--json');
    await cloud.json();
  }
  const run = (...args: string[]): Program =>
    Program.node('tidegate-cloud', 'test/support/cloud-process.ts', [...args, '--dir', directory]);
  async function get<T>(what: string): Promise<T> {
    const response = await fetch(`http://127.0.0.1:${ports[0]}/api/v1/${what}`);
    assert.equal(response.status, 200);
    const body: T = JSON.parse(await response.text());
    return body;
  }

  it(`holds every block and alert that it acknowledged, once (${ROUNDS} kills)`, async () => {
    await start();
    const { token } = await run('enroll', 'site', '--json').json<{ token: string }>();
    const gateway = await HandMadeGateway.enrolled(`mqtt://127.0.0.1:${ports[1]}`, token);
    const acknowledged = { blocks: new Set<number>(), alerts: new Set<string>() };
    const sent = { blocks: 0, alerts: 0 };
    let cutShort = 0;
    try {
      for (let round = 0; round < ROUNDS; round++) {
        const seen = gateway.answers.length;
        const kill = 5 + Math.floor(Math.random() * 60);
        // Every third is left out, so that the receipts have holes.
        for (let i = 0; i < BLOCKS; i++) if (++sent.blocks % 3 !== 0) sendBlock(gateway, sent.blocks);
        for (let i = 0; i < 20; i++) sendAlert(gateway, ++sent.alerts);
        await eventually('some are acknowledged', () => gateway.answers.length >= seen + Math.min(kill, 8));
        await cloud.kill();
        for (const answer of gateway.answers) note(answer, acknowledged);
        if (acknowledged.blocks.size < (sent.blocks * 2) / 3) cutShort++;
        await start();
        await check(acknowledged, sent);
      }
      assert.ok(cutShort > 0, 'every kill came when all was merged');
      await resend(gateway, sent, acknowledged);
    } finally {
      await gateway.close();
    }
  });

  /** Everything that was acknowledged is there, and nothing is there twice. */
  async function check(
    acknowledged: { blocks: Set<number>; alerts: Set<string> },
    sent: { blocks: number; alerts: number },
  ): Promise<void> {
    const { gateways } = await get<GatewaysAnswer>('gateways');
    assert.ok(gateways[0].parts >= acknowledged.blocks.size * SERIES, 'an acknowledged block is not there');
    assert.ok(gateways[0].parts <= sent.blocks * SERIES);
    const { alerts } = await get<AlertsAnswer>('alerts?since=0&limit=1000');
    const ids = new Set(alerts.map(({ id }) => id));
    assert.equal(ids.size, alerts.length);
    for (const id of acknowledged.alerts) assert.ok(ids.has(id), 'an acknowledged alert is not there');
  }

  /** What a gateway does after the last kill: HELLO, and then whatever WELCOME does not name. */
  async function resend(
    gateway: HandMadeGateway,
    sent: { blocks: number; alerts: number },
    acknowledged: { blocks: Set<number> },
  ): Promise<void> {
    await eventually('the gateway is connected again', () => gateway.client.connected);
    await eventually('the gateway is welcome', async () => {
      await gateway.hello({ streams: { [STREAM]: { lowest: 1, sealed: sent.blocks } } });
      return gateway.answer('welcome', 1000).then(
        () => true,
        () => false,
      );
    });
    await gateway.hello({ streams: { [STREAM]: { lowest: 1, sealed: sent.blocks } } });
    const { streams } = await gateway.answer('welcome');
    const held = new Set<number>();
    for (const [from, to] of streams[STREAM]) for (let number = from; number <= to; number++) held.add(number);
    for (const number of acknowledged.blocks) assert.ok(held.has(number), `block ${number} was acknowledged`);
    for (let number = 1; number <= sent.blocks; number++) if (!held.has(number)) sendBlock(gateway, number);
    await gateway.names(1, ...Array.from({ length: SERIES }, (_, i) => `series${i}`));
    await eventually('all blocks are there', async () => {
      const { gateways } = await get<GatewaysAnswer>('gateways');
      return gateways[0].blocksMissing === 0 && gateways[0].series === SERIES;
    });
    const { gateways } = await get<GatewaysAnswer>('gateways');
    assert.deepEqual([gateways[0].parts, gateways[0].forks], [sent.blocks * SERIES, 0]);
    for (const series of [0, SERIES - 1]) {
      const { total } = await get<SummariesAnswer>(
        `summaries?gateway=site&series=series${series}&resolution=60&from=0&to=8640000000000000`,
      );
      const sum = (sent.blocks * (sent.blocks + 1)) / 2 + series * sent.blocks;
      assert.deepEqual([total?.count, total?.sum, total?.parts], [sent.blocks, String(sum), sent.blocks]);
    }
  }
});

/** Block `number`: one reading of `number` + the index of its series, each in a window of its own. */
function sendBlock(gateway: HandMadeGateway, number: number): void {
  const parts = Array.from({ length: SERIES }, (_, i) => partOf(i + 1, number * 60_000, number + i));
  ignoreCut(gateway.blocks(STREAM, [blockOf(number, ...parts)]));
}

function sendAlert(gateway: HandMadeGateway, number: number): void {
  ignoreCut(
    gateway.alert({
      id: number.toString(16).padStart(32, '0'),
      revision: 1,
      series: 'series0',
      time: number,
      state: 'open',
      severity: 'info',
      kind: 'limits',
      value: number,
      text: 'too high',
    }),
  );
}

/** The connection ends while packets are on their way: that is the point. */
function ignoreCut(sending: Promise<unknown>): void {
  sending.catch(() => undefined);
}

function note(
  answer: HandMadeGateway['answers'][number],
  acknowledged: { blocks: Set<number>; alerts: Set<string> },
): void {
  if (answer.type !== 'ack') return;
  for (const [from, to] of answer.body.streams[STREAM] ?? [])
    for (let number = from; number <= to; number++) acknowledged.blocks.add(number);
  for (const [id] of answer.body.alerts) acknowledged.alerts.add(id);
}
