import assert from 'node:assert/strict';
import { blockWithout, encodeBlock } from '@tidegate/nodes/summary';
import { ack, encodeBody, type Outgoing } from '@tidegate/nodes/sync';
import { orphanName, type Vault } from '@tidegate/nodes/vault';
import { Simulation } from './simulation.ts';
import { VaultRig, part } from './rig.ts';

const MINUTE = 60_000;
const OLD = 'ab'.repeat(16);
const STREAM = 'operations/60';
const ORPHAN = orphanName({ incarnation: OLD, name: STREAM });
const AT_CLOUD = `${OLD}/${STREAM}`;

describe('what an earlier incarnation left waiting', function () {
  this.timeout(60_000);
  let rig: VaultRig;
  let vault: Vault;
  let simulation: Simulation;
  let outgoing: Outgoing;

  beforeEach(async () => {
    rig = await VaultRig.open();
    await begin(new Simulation(rig.vault));
    await outgoing.grant('#');
  });
  afterEach(() => rig.close());

  const begin = async (made: Simulation): Promise<void> => {
    vault = rig.vault;
    simulation = made;
    await simulation.start(1_000);
    outgoing = await simulation.outgoing();
  };
  const body = (number: number, ...series: string[]): Uint8Array =>
    encodeBlock((series.length > 0 ? series : ['a', 'b']).map((name) => part(vault, name, number, number, 0.5)));
  const leave = async (from: number, to: number): Promise<void> => {
    for (let number = from; number <= to; number++)
      await vault.commit([{ kind: 'orphan-block', stream: ORPHAN, number, body: body(number) }]);
  };
  const hold = (number: number, bytes: Uint8Array): void =>
    void simulation.cloud.blocks.set(`${AT_CLOUD} ${number}`, Buffer.from(bytes).toString('hex'));
  const held = (number: number): string | undefined => simulation.cloud.blocks.get(`${AT_CLOUD} ${number}`);
  const orphans = async (): Promise<number | undefined> => (await vault.stats()).orphanBlocksWaiting;
  const counted = async (key: string): Promise<unknown> => vault.documents.get('outgoing', key);

  it('goes out byte for byte under its own id, after what is new, and is then forgotten', async () => {
    await leave(7, 30);
    await outgoing.commitParts([part(vault, 'a', 99, 1)], 60, []);
    assert.equal(await orphans(), 24);
    simulation.connect();
    await simulation.run(MINUTE);
    assert.deepEqual(
      simulation.cloud.numbers(AT_CLOUD),
      Array.from({ length: 24 }, (_, i) => i + 7),
    );
    for (let number = 7; number <= 30; number++) assert.equal(held(number), Buffer.from(body(number)).toString('hex'));
    const first = simulation.cloud.order.findIndex(({ stream }) => stream === AT_CLOUD);
    assert.deepEqual(
      simulation.cloud.order.slice(0, first).map(({ stream }) => stream),
      ['catalogue', STREAM],
    );
    assert.equal(await orphans(), 0);
    assert.deepEqual(
      (await vault.outbox.streams()).map(({ stream }) => stream).toSorted(),
      ['catalogue', STREAM],
      'nothing is left of the old stream',
    );
    assert.deepEqual(Object.keys(simulation.cloud.hellos[0].streams).toSorted(), ['catalogue', STREAM]);
    assert.equal(simulation.session.status().state, 'up-to-date');
  });

  it('is not sent where the cloud has it', async () => {
    await leave(1, 20);
    for (let number = 1; number <= 20; number++) hold(number, body(number));
    simulation.connect();
    await simulation.run(MINUTE);
    assert.equal(await orphans(), 0);
    assert.deepEqual(simulation.cloud.order, []);
    assert.equal(simulation.cloud.questions, 1);
  });

  it('gives way where the cloud has other bytes: counted, said, and not asked again', async () => {
    await leave(1, 3);
    hold(2, body(77));
    simulation.connect();
    await simulation.run(MINUTE);
    assert.equal(await orphans(), 0);
    assert.equal(await counted('conflicts'), 1);
    assert.equal(held(2), Buffer.from(body(77)).toString('hex'));
    assert.match(simulation.session.status().refusedReason ?? '', /keeps what it holds under blocks of operations\/60/);
    const { questions } = simulation.cloud;
    await simulation.run(10 * MINUTE);
    assert.equal(simulation.cloud.questions, questions);
  });

  it('waits for an answer of its own: an acknowledgement may be meant for the vault it was copied from', async () => {
    await leave(1, 3);
    simulation.cloud.answers = false;
    simulation.connect();
    await simulation.run(MINUTE);
    const forAnother = encodeBody(ack, { streams: { [STREAM]: [[1, 3]] }, alerts: [] });
    simulation.down(simulation.cloud.send('ack', forAnother));
    await simulation.run(MINUTE);
    assert.equal(await orphans(), 3);
    simulation.cloud.answers = true;
    await simulation.run(20 * MINUTE);
    assert.deepEqual([await orphans(), simulation.cloud.numbers(AT_CLOUD)], [0, [1, 2, 3]]);
  });

  it('stays with a cloud that answers no questions, and hardly bothers it', async () => {
    await leave(1, 3);
    simulation.cloud.answers = false;
    simulation.connect();
    await simulation.run(60 * MINUTE);
    assert.equal(await orphans(), 3);
    assert.ok(simulation.cloud.questions < 25, `${simulation.cloud.questions} questions in an hour`);
    assert.deepEqual(simulation.cloud.order, []);
  });

  it('is counted as unreadable where the cloud says so, and let go', async () => {
    await leave(1, 2);
    simulation.cloud.unreadable.add(`${AT_CLOUD} 1`);
    simulation.connect();
    await simulation.run(5 * MINUTE);
    assert.deepEqual([await orphans(), await counted('poisoned')], [0, 1]);
  });

  for (const seed of [1, 2, 3, 4])
    it(`arrives once over a link that loses, doubles and reorders, also across a restart (seed ${seed})`, async () => {
      const { clock, cloud } = simulation;
      simulation.crash();
      await begin(new Simulation(vault, seed, clock, cloud));
      await leave(1, 60);
      simulation.weather = { loss: 0.3, twice: 0.3, delay: [1, 3_000] };
      simulation.connect();
      await simulation.run(20_000);
      simulation.crash();
      await rig.reopen();
      await begin(new Simulation(rig.vault, seed + 10, clock, cloud));
      simulation.weather = { loss: 0.3, twice: 0.3, delay: [1, 3_000] };
      simulation.connect();
      await simulation.run(8 * 60 * MINUTE);
      assert.equal(await orphans(), 0);
      assert.equal(simulation.cloud.numbers(AT_CLOUD).length, 60);
      assert.equal(simulation.cloud.forks, 0);
      assert.equal((await counted('conflicts')) ?? 0, 0);
    });

  it('goes without what a revocation covers', async () => {
    await leave(1, 4);
    await outgoing.revoke('b');
    simulation.connect();
    await simulation.run(MINUTE);
    const b = vault.series.number('b');
    for (let number = 1; number <= 4; number++) {
      const allowed = blockWithout(body(number), (series) => series === b);
      assert.equal(held(number), Buffer.from(allowed).toString('hex'));
    }
    assert.equal(await orphans(), 0);
  });

  it('goes without it as well when the revocation comes while it is under way', async () => {
    await leave(1, 4);
    simulation.weather = { loss: 0, twice: 0, delay: [2_000, 2_000] };
    simulation.connect();
    await simulation.run(7_000, () => simulation.cloud.questions > 0);
    assert.equal(simulation.cloud.questions, 1);
    await outgoing.revoke('b');
    await simulation.run(10 * MINUTE);
    const allowed = blockWithout(body(3), (series) => series === vault.series.number('b'));
    assert.equal(held(3), Buffer.from(allowed).toString('hex'));
    assert.equal(await orphans(), 0);
  });
});
