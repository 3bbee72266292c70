import assert from 'node:assert/strict';
import { sharedStateOf } from '@tidegate/nodes/state';
import { RealCloud } from './real-cloud.ts';
import { SetClock, VaultRig } from './rig.ts';
import { Simulation } from './simulation.ts';

const MINUTE = 60_000;
const YEAR = 365 * 24 * 60 * MINUTE;

describe('a gateway whose clock went back before it started again', function () {
  this.timeout(60_000);
  let rig: VaultRig;
  let cloud: RealCloud;
  const clock = new SetClock();

  beforeEach(async () => {
    rig = await VaultRig.open();
    cloud = new RealCloud(clock);
    await cloud.begin();
  });
  afterEach(async () => {
    await cloud.close();
    await rig.close();
  });

  async function connected(own: SetClock): Promise<Simulation> {
    const simulation = new Simulation(rig.vault, 1, own, cloud);
    cloud.down = (frame) => simulation.down(frame);
    await simulation.start(1_000);
    simulation.connect();
    await simulation.run(3 * MINUTE);
    return simulation;
  }

  it('is believed which documents are in force there, though its HELLO bears a lower number', async () => {
    const simulation = await connected(clock);
    const { id } = (await cloud.store.gateway('plant', 'north'))!;
    await cloud.store.putDocument(id, 'set-point', 21, () => ({ wall: clock.time, counter: 0, writer: 'cloud' }));
    const receive = cloud.receive.bind(cloud);
    let said = false;
    cloud.receive = (topic, frame) => {
      if (!topic.endsWith('/up/state')) return receive(topic, frame);
      said = true;
      return [];
    };
    await simulation.run(3 * MINUTE, () => said);
    assert.ok(said, 'the gateway has stored it, and what it says of that is lost');
    simulation.crash();
    await rig.reopen();
    await connected(new SetClock(clock.time - YEAR));
    assert.equal((await sharedStateOf(rig.vault)).get('set-point')?.value, 21);
    assert.deepEqual(
      (await cloud.store.documents(id)).map(({ key, applied }) => [key, applied]),
      [['set-point', true]],
    );
  });
});
