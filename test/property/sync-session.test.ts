import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Outgoing } from '@tidegate/nodes/sync';
import { VaultRig, alert, part } from '../unit/sync/rig.ts';
import { CALM, Simulation } from '../unit/sync/simulation.ts';

const STREAM = 'operations/60';
const MINUTE = 60_000;

const weather = fc.record({
  loss: fc.constantFrom(0, 0.1, 0.5, 1),
  twice: fc.constantFrom(0, 0.3),
  delay: fc.constantFrom<[number, number]>([1, 5], [5, 500], [100, 4000]),
});
const action = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('seal'), count: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('alert') }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('pass'), ms: fc.constantFrom(1, 50, 700, 5_000, 70_000) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('weather'), weather }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('cut') }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('connect') }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash') }) },
);

describe('any schedule of loss, duplicates, reordering, cuts and crashes', function () {
  this.timeout(120_000);

  it('ends with the very bytes of every block and every alert in the cloud, and an empty outbox', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 5, maxLength: 25 }), fc.nat(1e6), async (actions, seed) => {
        const rig = await VaultRig.open();
        try {
          await run(rig, actions, seed);
        } finally {
          await rig.close();
        }
      }),
      { numRuns: Number(process.env['TIDEGATE_RUNS'] ?? 12) },
    );
  });
});

type Action = typeof action extends fc.Arbitrary<infer Value> ? Value : never;

async function run(rig: VaultRig, actions: readonly Action[], seed: number): Promise<void> {
  let simulation = new Simulation(rig.vault, seed);
  await simulation.start(1_000);
  let outgoing: Outgoing = await simulation.outgoing();
  await outgoing.grant('#');
  const sealed = new Map<string, string>();
  const raised: string[] = [];
  let connected = false;
  let minute = 0;

  const seal = async (): Promise<void> => {
    await outgoing.commitParts([part(rig.vault, `s${minute % 3}`, ++minute, minute, minute / 4)], 60, []);
    for (const { stream, number, body } of await rig.vault.outbox.peek(STREAM, 'newest', [], 1))
      sealed.set(`${stream} ${number}`, Buffer.from(body).toString('hex'));
  };
  const connect = (): void => {
    if (!connected) simulation.connect();
    connected = true;
  };

  for (const step of actions) {
    if (step.kind === 'seal') for (let i = 0; i < step.count; i++) await seal();
    else if (step.kind === 'alert') {
      await outgoing.commitAlert(alert(raised.length + 1), []);
      raised.push(`${raised.length + 1}/1`);
    } else if (step.kind === 'pass') await simulation.run(step.ms);
    else if (step.kind === 'weather') simulation.weather = step.weather;
    else if (step.kind === 'connect') connect();
    else if (step.kind === 'cut') {
      simulation.disconnect();
      connected = false;
    } else {
      simulation.crash();
      connected = false;
      await rig.reopen();
      const { clock, cloud, weather: before } = simulation;
      simulation = new Simulation(rig.vault, seed + minute, clock, cloud);
      simulation.weather = before;
      await simulation.start(1_000);
      outgoing = await simulation.outgoing();
    }
  }
  simulation.weather = CALM;
  connect();
  await simulation.run(10 * MINUTE);

  const { cloud } = simulation;
  const held = [...cloud.blocks].filter(([key]) => key.startsWith(STREAM));
  assert.deepEqual(new Map(held), sealed);
  assert.equal(cloud.forks, 0);
  assert.deepEqual(new Set(cloud.alerts), new Set(raised));
  const { blocksWaiting, alertsWaiting } = await rig.vault.stats();
  assert.deepEqual({ blocksWaiting, alertsWaiting }, { blocksWaiting: 0, alertsWaiting: 0 });
  assert.equal(simulation.session.status().state, 'up-to-date');
}
