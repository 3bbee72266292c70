import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Account } from '@tidegate/nodes/sync';
import { Ledger, scaled, type Entry } from '../support/ledger.ts';
import { interleave, recordings } from '../support/recorded.ts';
import { Site, hurry } from '../support/site.ts';
import { fold } from '../support/site-totals.ts';

/** Rounds in a row; a long campaign sets more. */
const ROUNDS = Number(process.env['TIDEGATE_ROUNDS'] ?? 2);
const ROWS = 120;

/** What a round does to the site while readings flow, with a pause after each. */
const TROUBLE: ((site: Site, token: () => Promise<string>) => Promise<void>)[] = [
  async (site) => {
    await site.gateway!.kill();
    await site.startGateway();
  },
  async (site) => {
    site.link.cut();
    await sleep(500);
    site.link.restore();
  },
  async (site, token) => site.deploy(await token()),
  async (site) => {
    await site.cloud!.kill();
    await site.startCloud();
  },
];

describe('the whole tide', function () {
  this.timeout(60_000 + ROUNDS * 120_000);

  it(`delivers every acknowledged reading exactly once through SIGKILL, deploys and cuts (${ROUNDS} rounds)`, async () => {
    const site = await Site.make({ grants: ['site/#'], flow: hurry });
    try {
      await site.startGateway();
      for (let round = 1; round <= ROUNDS; round++) await playRound(site, round);
    } finally {
      await site.close();
    }
  });
});

async function playRound(site: Site, round: number): Promise<void> {
  const ledger = new Ledger(site.mqttPort, `ledger-${round}`);
  ledger.start();
  try {
    const entries = [...interleave(recordings(ROWS), `site/round${round}`)];
    const flowing = publishAll(ledger, entries);
    for (const trouble of TROUBLE) {
      await sleep(200 + 600 * Math.random());
      await trouble(site, () => site.login());
    }
    await flowing;
    await ledger.drained();
    assert.ok(ledger.reconnects >= 1, 'the gateway was killed while readings flowed');
    assert.equal(ledger.acknowledged, entries.length);
    await compare(site, ledger, round);
    await compareAccount(site, ledger, round);
  } finally {
    await ledger.close();
  }
}

async function publishAll(ledger: Ledger, entries: readonly Entry[]): Promise<void> {
  for (const [i, entry] of entries.entries()) {
    await ledger.publish(entry);
    if (i % 5 === 0) await sleep(4);
  }
}

/** The cloud's folds against the ledger: waits until the counts are whole, then every figure has to be equal. */
async function compare(site: Site, ledger: Ledger, round: number): Promise<void> {
  const deadline = Date.now() + 90_000;
  for (const [series, expected] of ledger.totals) {
    for (;;) {
      const total = await fold(site, series);
      if (total !== null && total.count >= expected.count) {
        assert.equal(total.count, expected.count, `round ${round}, ${series}: count`);
        assert.equal(scaled(total.sum), expected.sum, `round ${round}, ${series}: sum`);
        assert.equal(total.first?.time, expected.first, `round ${round}, ${series}: first`);
        assert.equal(total.last?.time, expected.last, `round ${round}, ${series}: last`);
        break;
      }
      assert.ok(
        Date.now() < deadline,
        `round ${round}, ${series}: the cloud holds ${total?.count ?? 0} of ${expected.count} readings\n${site.gateway!.output().slice(-2000)}`,
      );
      await sleep(250);
    }
  }
}

/** The gateway's own account, through every kill: what was acknowledged is what was produced, and it adds up (exit code 0). */
async function compareAccount(site: Site, ledger: Ledger, round: number): Promise<void> {
  const output = await site.tidegate('account', site.gatewayDirectory, '--json');
  const account = JSON.parse(output.slice(output.indexOf('{'))) as Account;
  assert.deepEqual([account.adds, account.lost], [true, 0], output.slice(0, 2000));
  for (const [series, expected] of ledger.totals) {
    const row = account.series.find((one) => one.series === series);
    assert.equal(row?.produced, expected.count, `round ${round}, ${series}: produced`);
  }
}
