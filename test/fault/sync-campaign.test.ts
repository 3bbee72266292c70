import assert from 'node:assert/strict';
import { toError } from '@tidegate/nodes/node';
import { runCampaign, type KindResult } from './campaign/campaign.ts';
import { BREAKAGES } from './campaign/sync/breakage.ts';
import { Round } from './campaign/sync/round.ts';
import { Template } from './campaign/sync/template.ts';
import { needTool } from '../support/tools.ts';

/** Rounds of each kind: a sample of what `npm run campaign -- sync` does by the hundred thousand. */
const SAMPLE: Readonly<Record<string, number>> = { simulation: 40, fuzz: 8_000 };
/** One seed that stays the same, so that a change is judged by the same rounds as the one before it. TIDEGATE_SEED takes another one. */
const SEED = process.env['TIDEGATE_SEED'] ?? 'the same';
/** Rounds within which a mistake that was put in has to be found. */
const FOUND_WITHIN = 60;

function explain({ kind, failures }: KindResult): string {
  return failures.map(({ seed, round, error }) => `${kind}, seed ${seed}, ${round}:\n${error}`).join('\n');
}

describe('the campaign of gateways, broker and cloud', function () {
  this.timeout(400_000);

  for (const [kind, rounds] of Object.entries(SAMPLE)) {
    it(`${kind}: ${rounds} rounds hold, seed "${SEED}"`, async () => {
      const [result] = await runCampaign({ campaign: 'sync', kinds: [kind], rounds, seed: SEED });
      assert.equal(result.failed, 0, explain(result));
      assert.ok(result.passed >= rounds, `${result.passed} rounds were run`);
    });
  }

  for (const broker of ['aedes', 'mosquitto'] as const) {
    it(`real processes with ${broker} between them lose nothing and count nothing twice`, async function () {
      if (broker === 'mosquitto') needTool(this, 'mosquitto');
      const group = { aedes: 0, mosquitto: 1 }[broker];
      const [result] = await runCampaign({ campaign: 'sync', kinds: ['processes'], rounds: 4, group, seed: SEED });
      assert.equal(result.failed, 0, explain(result));
      assert.equal(result.passed, 2);
    });
  }

  describe('knows what it is doing: it finds, within some rounds,', () => {
    let template: Template;

    before(async () => {
      template = await Template.make();
    });
    after(() => template.remove());

    for (const [mistake, { make, finds }] of Object.entries(BREAKAGES)) {
      it(`an end that ${mistake}`, async () => {
        for (let number = 0; number < FOUND_WITHIN; number++) {
          const error = await failureOf(new Round(`its own proof/${number}`, template, make()));
          if (error === undefined) continue;
          assert.match(error.message, finds);
          return;
        }
        assert.fail(`${FOUND_WITHIN} rounds passed`);
      });
    }
  });
});

async function failureOf(round: Round): Promise<Error | undefined> {
  try {
    await round.run();
    return undefined;
  } catch (error) {
    return toError(error);
  }
}
