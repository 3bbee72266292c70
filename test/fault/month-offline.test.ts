import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '@tidegate/nodes/node';
import type { Reading } from '@tidegate/nodes/reading';
import { decodeBlock, resolutionOf } from '@tidegate/nodes/summary';
import { outgoingOf } from '@tidegate/nodes/sync';
import { openLocalVault, type Vault } from '@tidegate/nodes/vault';
import { AlertQueue } from '../../nodes/src/detect/alert-queue.ts';
import type { Alert } from '../../nodes/src/detect/alert.ts';
import { DetectionMemory } from '../../nodes/src/detect/detection-memory.ts';
import { Detection } from '../../nodes/src/detect/detection.ts';
import { DetectionPlan, parseRules } from '../../nodes/src/detect/rules.ts';
import { LadderPlan } from '../../nodes/src/summary/ladder.ts';
import { OwnedSummarizer } from '../../nodes/src/summary/owned-summarizer.ts';
import { MIN_QUOTA } from '../../nodes/src/vault/budget/budget-options.ts';
import { readAccount } from '../../nodes/src/sync/account.ts';
import { GAPS, gapSchema } from '../../nodes/src/vault/gaps.ts';
import { randomFrom } from '../support/simulated-world.ts';
import { VaultFolder, journalOf } from '../support/vault.ts';

const DAY = 86_400_000;
const STEP = 1_800_000;
const EVERY = 60_000;
/** Ends in another month than it begins in. */
const START = Date.UTC(2026, 0, 20);
const DAYS = 30;
/** Long texts that nothing compresses and no grant lets leave: the smallest quota that there is has to be reached. */
const SERIES = Array.from({ length: 4 }, (_, n) => `plant/camera${n}/seen`);
const TEXT_BYTES = 525;
const BOILER = 'plant/boiler/temperature';
const LADDER = [60, 900, 3600, 86_400];
/** Of each day: the boiler is too hot from then on, for so long. */
const HOT_FROM = 9 * 3_600_000;
const HOT_FOR = 1_200_000;
const RESTART_EVERY = 4;

/** A gateway's vault, detection and summaries at simulated time; no cloud has ever answered. */
class Offline {
  readonly alerts: Alert[] = [];
  produced = 0;
  vault!: Vault;
  private now = START;
  private readonly folder = new VaultFolder();
  private readonly clock: Clock = { now: () => this.now, monotonic: () => this.now - START };
  private readonly random = randomFrom(30);
  private detection!: Detection;
  private memory!: DetectionMemory;
  private queue!: AlertQueue;
  private summarizer!: OwnedSummarizer;

  async start(): Promise<void> {
    this.vault = await openLocalVault({ ...this.folder.options, budget: { quotaBytes: MIN_QUOTA } }, this.clock);
    const { vault, clock } = this;
    const plan = new DetectionPlan(undefined, parseRules([{ series: BOILER, kind: 'limits', high: 90 }]));
    const outgoing = await outgoingOf(vault);
    await outgoing.grant(BOILER);
    this.memory = await DetectionMemory.open(vault, 'detect', plan, clock);
    this.queue = new AlertQueue({
      commit: async ({ alerts, save }) => {
        for (const [i, alert] of alerts.entries())
          await outgoing.commitAlert(alert, i === alerts.length - 1 ? (save?.changes ?? []) : []);
      },
      emit: (alert) => this.alerts.push(alert),
      failed: (error) => assert.fail(String(error)),
      wait: () => turn(),
    });
    this.detection = new Detection({
      plan,
      incarnation: vault.incarnation,
      consumer: this.memory.consumer,
      raiseFrom: this.memory.raiseFrom,
      clock,
      raise: (raised) => this.queue.add(raised),
    });
    this.summarizer = await OwnedSummarizer.open(
      { vault, outgoing, owner: 'sum', plan: new LadderPlan(LADDER), grace: 2_000, saveInterval: STEP, clock },
      { closed: () => undefined, refused: (_, error) => assert.fail(String(error)) },
    );
    vault.onChange((notice) => {
      if (notice.kind === 'saves') this.memory.want(notice.below);
    });
    const from = await vault.checkpoints.replayFrom();
    if (from < vault.journal.head) await this.pass(await journalOf(vault, undefined, 1_000, from), true);
  }

  /** As when the power goes: nothing is saved but what was. */
  async restart(): Promise<void> {
    await this.queue.drained();
    await this.vault.close();
    await this.start();
  }

  async day(): Promise<void> {
    for (const end = this.now + DAY; this.now < end;) {
      const taken = this.measured();
      this.now += STEP;
      const first = await this.vault.journal.append({ source: 'door', readings: taken });
      this.produced += taken.length;
      await this.pass(
        taken.map((one, i) => ({ ...one, position: first + i })),
        false,
      );
      await this.summarizer.tick();
      this.memory.saveDue(
        STEP,
        (series) => this.queue.has(series),
        (error) => assert.fail(String(error)),
      );
      await turn();
    }
    await this.queue.drained();
  }

  async close(): Promise<void> {
    await this.vault.close();
    this.folder.remove();
  }

  get time(): number {
    return this.now;
  }

  private measured(): Reading[] {
    const readings: Reading[] = [];
    const add = (series: string, time: number, value: number | string): void =>
      void readings.push({ series, time, value, quality: 'good', clock: 'device' });
    for (let time = this.now; time < this.now + STEP; time += EVERY) {
      for (const series of SERIES) add(series, time, randomBytes(TEXT_BYTES).toString('base64'));
      const hot = (time % DAY) - HOT_FROM;
      add(BOILER, time, hot >= 0 && hot < HOT_FOR ? 95 : 60 + Math.round(10 * this.random()) / 10);
    }
    return readings;
  }

  private async pass(readings: Reading[], replay: boolean): Promise<void> {
    for (let i = 0; i < readings.length;) i = this.detection.judge(readings, i, replay);
    for (const one of readings) this.summarizer.add(one);
    await this.queue.drained();
  }
}

describe('thirty days without a link', function () {
  this.timeout(600_000);

  it('are as the first one: alerts, queries and summaries go on, and what made room is declared', async () => {
    const offline = new Offline();
    try {
      await offline.start();
      for (let day = 1; day <= DAYS; day++) {
        await offline.day();
        if (day % RESTART_EVERY === 0) await offline.restart();
        // Alerts on the spot: each day's opens and closes, once.
        const states = offline.alerts.map(({ state }) => state);
        assert.deepEqual(states, Array.from({ length: day }, () => ['open', 'closed']).flat(), `day ${day}`);
        assert.equal(await countOf(offline.vault, SERIES[3], offline.time - DAY), DAY / EVERY, `day ${day}`);
      }
      const stats = await offline.vault.stats();
      assert.deepEqual(stats.problems, []);
      const gaps = (await offline.vault.documents.list(GAPS)).map(({ value }) => gapSchema.parse(value));
      assert.deepEqual([...new Set(gaps.map(({ cause, what }) => `${cause} ${what}`))], ['quota readings']);
      const given = gaps.reduce((sum, { count }) => sum + count, 0);
      let kept = 0;
      for (const series of [...SERIES, BOILER]) kept += await countOf(offline.vault, series, START);
      assert.ok(given > 0, 'the quota was not reached');
      assert.equal(kept + given, offline.produced);
      assert.ok(stats.quota!.used <= stats.quota!.bytes, JSON.stringify(stats.quota));
      // Raw readings went first: what the cloud will want is all there, but for the hour and the day that are open.
      assert.deepEqual(await windowsWaiting(offline.vault), { 3600: 24 * DAYS - 1, 86_400: DAYS - 1 });
      const alerts = await offline.vault.outbox.alerts(1_000, new Set());
      assert.ok(alerts.length >= 2 * DAYS, `${alerts.length} alerts wait`);
      await addsUp(offline);
    } finally {
      await offline.close();
    }
  });
});

/** Every reading was seen by a summary before it went: of the boiler all wait for the cloud, of the others nothing leaves. */
async function addsUp({ vault, produced }: Offline): Promise<void> {
  const account = await readAccount(vault);
  assert.deepEqual(
    { adds: account.adds, accepted: account.accepted, lost: account.lost },
    { adds: true, accepted: produced, lost: 0 },
  );
  for (const { series, produced: made, open, withheld, waiting, delivered, dropped } of account.series) {
    const leaves = series === BOILER;
    assert.deepEqual(
      { made, withheld, waiting, delivered, dropped },
      {
        made: produced / (SERIES.length + 1),
        withheld: leaves ? 0 : made - open,
        waiting: leaves ? made - open : 0,
        delivered: 0,
        dropped: {},
      },
      series,
    );
  }
}

async function countOf(vault: Vault, series: string, from: number): Promise<number> {
  let count = 0;
  for await (const page of vault.query({ series: [series], from })) count += page.length;
  return count;
}

/** How many windows of the boiler wait for the cloud, of the two longest lengths. */
async function windowsWaiting(vault: Vault): Promise<Record<number, number>> {
  const found: Record<number, number> = {};
  const boiler = vault.series.number(BOILER);
  for (const { stream } of await vault.outbox.streams()) {
    const resolution = resolutionOf(stream) ?? 0;
    if (resolution < 3600) continue;
    const blocks = await vault.outbox.peek(stream, 'oldest', [], 1e9);
    const parts = blocks.flatMap(({ body }) => decodeBlock(body)).filter(({ series }) => series === boiler);
    found[resolution] = new Set(parts.map(({ windowStart }) => windowStart)).size;
  }
  return found;
}
