import assert from 'node:assert/strict';
import { CATALOGUE_STREAM, type Outgoing } from '@tidegate/nodes/sync';
import Database from 'better-sqlite3';
import { RealCloud } from './real-cloud.ts';
import { SetClock, VaultRig, part } from './rig.ts';
import { Simulation } from './simulation.ts';

const MINUTE = 60_000;

describe('the names of series, with the cloud as it is', function () {
  this.timeout(60_000);
  let rig: VaultRig;
  let clock: SetClock;
  let cloud: RealCloud;
  let simulation: Simulation;
  let outgoing: Outgoing;

  beforeEach(async () => {
    rig = await VaultRig.open();
    clock = new SetClock();
    cloud = new RealCloud(clock);
    await cloud.begin();
    await begin();
    await outgoing.grant('#');
    await outgoing.commitParts([part(rig.vault, 'a', 1, 1), part(rig.vault, 'b', 1, 1)], 60, []);
    simulation.connect();
    await simulation.run(2 * MINUTE);
  });
  afterEach(async () => {
    await cloud.close();
    await rig.close();
  });

  async function begin(): Promise<void> {
    simulation = new Simulation(rig.vault, 1, clock, cloud);
    cloud.down = (frame) => simulation.down(frame);
    await simulation.start(1_000);
    outgoing = await simulation.outgoing();
  }

  async function names(): Promise<string[]> {
    const { id } = (await cloud.store.gateway('plant', 'north'))!;
    return (await cloud.store.series(id, 'operations')).map(({ name }) => name);
  }

  async function sealed(): Promise<number> {
    const streams = await rig.vault.outbox.streams();
    return streams.find(({ stream }) => stream === CATALOGUE_STREAM)?.sealed ?? 0;
  }

  /** As after an older copy of the database took its place. */
  function forget(): void {
    const db = new Database(cloud.file);
    db.exec('DELETE FROM series');
    db.exec(`DELETE FROM receipts WHERE stream_id IN (SELECT id FROM streams WHERE name = '${CATALOGUE_STREAM}')`);
    db.close();
  }

  it('are told once, and not again at each start', async () => {
    assert.deepEqual(await names(), ['a', 'b']);
    simulation.crash();
    await rig.reopen();
    await begin();
    simulation.connect();
    await simulation.run(3 * MINUTE);
    assert.equal(await sealed(), 1);
  });

  it('are told again each time that the cloud has lost them', async () => {
    for (let times = 1; times <= 3; times++) {
      forget();
      assert.deepEqual(await names(), []);
      await simulation.run(6 * MINUTE);
      assert.deepEqual(await names(), ['a', 'b']);
      assert.equal(await sealed(), 1 + times);
    }
  });
});
