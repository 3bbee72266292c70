import assert from 'node:assert/strict';
import { TideError } from '@tidegate/nodes/node';
import type { Outgoing } from '@tidegate/nodes/sync';
import { RealCloud } from './real-cloud.ts';
import { SetClock, VaultRig, alert, part } from './rig.ts';
import { Simulation } from './simulation.ts';

const MINUTE = 60_000;

describe('a cloud that cannot take a frame just now', function () {
  this.timeout(60_000);
  let rig: VaultRig;
  let cloud: RealCloud;
  let simulation: Simulation;
  let outgoing: Outgoing;

  afterEach(async () => {
    await cloud.close();
    await rig.close();
  });

  const begin = async (limits?: { bulkBytes: number }): Promise<void> => {
    const clock = new SetClock();
    rig = await VaultRig.open();
    cloud = new RealCloud(clock, limits);
    await cloud.begin();
    simulation = new Simulation(rig.vault, 1, clock, cloud);
    cloud.down = (frame) => simulation.down(frame);
    await simulation.start(1_000);
    outgoing = await simulation.outgoing();
    await outgoing.grant('#');
    simulation.connect();
    await simulation.run(5_000);
  };
  const seal = (minute: number): Promise<unknown> => outgoing.commitParts([part(rig.vault, 'a', minute, 1)], 60, []);
  const waiting = async (): Promise<number> =>
    (await rig.vault.stats()).blocksWaiting + (await rig.vault.stats()).alertsWaiting;

  it('says so while its store is busy, and gets everything once it is not', async () => {
    await begin();
    const merge = cloud.store.merge.bind(cloud.store);
    cloud.store.merge = () => Promise.reject(new TideError('store-unavailable', 'the database does not take this now'));
    await seal(1);
    await seal(2);
    await outgoing.commitAlert(alert(1), []);
    const frames = simulation.framesUp;
    await simulation.run(10 * MINUTE);
    assert.ok((await waiting()) >= 4, 'blocks, names and an alert wait');
    const { rejected, rejectedReason, state } = simulation.session.status();
    assert.ok(rejected['retry'] >= 3, `told ${rejected['retry']} times`);
    assert.match(rejectedReason ?? '', /cannot store it now: the database does not take this/);
    assert.equal(state, 'syncing');
    assert.ok(simulation.framesUp - frames < 80, `${simulation.framesUp - frames} frames in ten minutes`);
    const [refusal] = Object.values(cloud.refusals.takeChanged());
    assert.ok((refusal.kinds.retry ?? 0) >= 3);
    cloud.store.merge = merge;
    await simulation.run(5 * MINUTE);
    assert.equal(await waiting(), 0);
    assert.equal(simulation.session.status().state, 'up-to-date');
  });

  it('welcomes later whom it could not welcome', async () => {
    await begin();
    const hello = cloud.store.hello.bind(cloud.store);
    cloud.store.hello = () => Promise.reject(new TideError('store-unavailable', 'the disk is full'));
    simulation.disconnect();
    simulation.connect();
    await simulation.run(2 * MINUTE);
    assert.equal(simulation.session.status().state, 'connecting');
    assert.match(simulation.session.status().rejectedReason ?? '', /the disk is full/);
    cloud.store.hello = hello;
    await simulation.run(2 * MINUTE);
    assert.equal(simulation.session.status().state, 'up-to-date');
  });

  it('asks whom it turned away at its door to wait', async () => {
    await begin({ bulkBytes: 100 });
    await seal(1);
    await simulation.run(MINUTE);
    assert.equal(await waiting(), 2);
    const { rejected, rejectedReason } = simulation.session.status();
    assert.ok(rejected['retry'] >= 1);
    assert.match(rejectedReason ?? '', /too much waits/);
  });
});
