import assert from 'node:assert/strict';

import { type Controlled, answerControl } from '../../../gateway/src/control/requests.ts';

const trusted = { trusted: true, reason: 'an operator has confirmed it', offsetMs: 5 };

describe('confirming the clock over the control socket', () => {
  it('asks the running gateway', async () => {
    const running: Partial<Controlled> = { trustClock: async () => trusted };
    assert.deepEqual(await answerControl(running as Controlled, 'PUT', '/clock', { trust: true }), {
      status: 200,
      body: trusted,
    });
  });

  it('says that a gateway has to run for it', async () => {
    const atRest: Partial<Controlled> = {};
    const answer = await answerControl(atRest as Controlled, 'PUT', '/clock', { trust: true });
    assert.match(JSON.stringify(answer), /not-running.*tidegate run/);
  });
});
