import assert from 'node:assert/strict';
import { encodeBlock } from '@tidegate/nodes/summary';
import { readAccount, type Account, type Outgoing, type SeriesAccount } from '@tidegate/nodes/sync';
import { encodeTally, type Vault } from '@tidegate/nodes/vault';
import Database from 'better-sqlite3';
import { LadderPlan } from '../../../nodes/src/summary/ladder.ts';
import { Summarizer } from '../../../nodes/src/summary/summarizer.ts';
import { reading } from '../../support/vault.ts';
import { RealCloud } from './real-cloud.ts';
import { SetClock, VaultRig, part } from './rig.ts';
import { Simulation } from './simulation.ts';

const STREAM = 'operations/60';
const START = 1_699_999_980_000;

describe('the account of a gateway and its cloud', function () {
  this.timeout(60_000);
  let rig: VaultRig;
  let vault: Vault;
  let clock: SetClock;
  let cloud: RealCloud;
  let simulation: Simulation;
  let outgoing: Outgoing;
  let summarizer: Summarizer;

  beforeEach(async () => {
    rig = await VaultRig.open();
    clock = new SetClock();
    cloud = new RealCloud(clock);
    await cloud.begin();
    await begin();
    await outgoing.grant('#');
  });
  afterEach(async () => {
    await cloud.close();
    await rig.close();
  });

  async function begin(): Promise<void> {
    vault = rig.vault;
    simulation = new Simulation(vault, 1, clock, cloud);
    cloud.down = (frame) => simulation.down(frame);
    await simulation.start(1_000);
    outgoing = await simulation.outgoing();
    summarizer = await Summarizer.open(
      { vault, outgoing, plan: new LadderPlan([60, 900]), grace: 0, clock },
      { closed: () => undefined, refused: () => undefined },
    );
  }

  /** Readings at the door, and from there to what makes summaries. */
  async function produce(series: string, count: number, change: { stale?: true; seen?: false } = {}): Promise<void> {
    const { stale, seen = true } = change;
    const readings = Array.from({ length: count }, (_, i) =>
      reading(series, i, { time: START + i * 1000, ...(stale && { stale }) }),
    );
    const first = await vault.journal.append({ source: 'door', readings });
    if (seen) for (const [i, one] of readings.entries()) summarizer.add({ ...one, position: first + i });
  }
  const close = async (): Promise<void> => {
    await summarizer.closeAll();
    await summarizer.save();
  };
  const rowOf = async (series: string): Promise<SeriesAccount> => {
    const found = (await readAccount(vault)).series.find((one) => one.series === series);
    assert.ok(found !== undefined, `no row of ${series}`);
    return found;
  };
  const settle = (ms = 60_000): Promise<void> => simulation.run(ms);
  /** Until the next comparison is over. */
  const compared = async (): Promise<Account> => {
    await settle(3_700_000);
    return readAccount(vault);
  };
  const byHand = (sql: string): void => {
    const db = new Database(cloud.file);
    db.exec(sql);
    db.close();
  };

  it('names every reading, from the door to the database, and both ends say that it is so', async () => {
    await produce('a', 130);
    await produce('b', 61);
    await produce('b', 3, { stale: true });
    await close();
    await produce('a', 5);
    await summarizer.save();
    await produce('c', 7, { seen: false });
    const before = await readAccount(vault);
    assert.equal(before.accepted, 206);
    assert.equal(before.adds, true);
    assert.deepEqual([before.lost, before.check], [0, undefined]);
    simulation.connect();
    await settle();
    const account = await readAccount(vault);
    assert.deepEqual(account.check, { time: account.check?.time, equal: true, differing: 0 });
    assert.equal(account.adds, true);
    const { number: _number, ...a } = await rowOf('a');
    assert.deepEqual(a, {
      series: 'a',
      resolution: 60,
      produced: 135,
      stale: 0,
      unseen: 0,
      taken: 135,
      open: 5,
      withheld: 0,
      sealed: 130,
      delivered: 130,
      waiting: 0,
      dropped: {},
      adds: true,
    });
    const b = await rowOf('b');
    assert.deepEqual([b.produced, b.stale, b.delivered], [64, 3, 61]);
    const c = await rowOf('c');
    assert.deepEqual([c.produced, c.unseen, c.adds], [7, 7, true]);
    assert.deepEqual(await cloud.claimed(STREAM), {
      a: { held: 130, agrees: true },
      b: { held: 61, agrees: true },
    });
    assert.deepEqual(await cloud.claimed('operations/900'), {
      a: { held: 130, agrees: true },
      b: { held: 61, agrees: true },
    });
  });

  it('goes on after a restart, and counts nothing twice when the door sends again', async () => {
    simulation.connect();
    await produce('a', 61);
    await close();
    await settle();
    simulation.crash();
    await rig.reopen();
    await begin();
    for (const one of (await vault.journal.read(1, 1_000)).readings) summarizer.add(one);
    await produce('a', 9);
    await close();
    simulation.connect();
    const account = await compared();
    assert.equal(account.adds && account.check?.equal, true);
    const { produced, delivered } = await rowOf('a');
    assert.deepEqual([produced, delivered], [70, 70]);
  });

  it('has readings without a grant withheld, and revoked ones dropped, and says nothing of them', async () => {
    await outgoing.revoke('secret');
    await produce('secret', 61);
    await produce('open', 61);
    await produce('late', 61);
    await close();
    await outgoing.revoke('late');
    assert.deepEqual((await rowOf('secret')).withheld, 61);
    assert.deepEqual((await rowOf('late')).dropped, { revoked: 61 });
    simulation.connect();
    await settle();
    assert.equal((await readAccount(vault)).check?.equal, true);
    assert.deepEqual(Object.keys(await cloud.claimed(STREAM)), ['open']);
    await outgoing.revoke('open');
    const account = await compared();
    assert.equal(account.adds && account.check?.equal, true);
    assert.deepEqual(Object.keys(await cloud.claimed(STREAM)), [], 'the grant ended: not even what was delivered');
  });

  it('has blocks that the cloud cannot read, or has other bytes of, as dropped for that reason', async () => {
    const number = vault.series.number('a');
    const tally = encodeTally(new Map([[number, 5]]));
    // Readable here, and no window of this length there.
    const odd = encodeBlock([{ ...part(vault, 'a', 1, 1, 2, 3, 4, 5), windowStart: 1 }]);
    await vault.commit([{ kind: 'block', stream: STREAM, body: odd, tally }]);
    await vault.commit([{ kind: 'block', stream: STREAM, body: Uint8Array.of(9, 9), tally }]);
    simulation.connect();
    await settle();
    const { dropped, waiting, delivered } = await rowOf('a');
    assert.deepEqual([dropped, waiting, delivered], [{ poison: 5, damaged: 5 }, 0, 0]);
    // Somebody else who writes under the same incarnation was here first.
    const { id } = (await cloud.store.gateway('plant', 'north'))!;
    const incarnation = Uint8Array.from(Buffer.from(vault.incarnation, 'hex'));
    const incarnationId = await cloud.store.incarnation(id, incarnation, 0);
    const take = (block: number): Promise<unknown> =>
      cloud.store.merge(
        [
          {
            kind: 'receipt',
            gatewayId: id,
            incarnationId,
            stream: STREAM,
            number: block,
            digest: new Uint8Array(32).fill(1),
          },
        ],
        0,
      );
    await take(3);
    await produce('a', 60);
    await close();
    await settle();
    assert.deepEqual((await rowOf('a')).dropped, { damaged: 5, poison: 5, conflict: 60 });
    const { check, adds } = await compared();
    assert.equal(check?.equal, true);
    assert.equal(adds, false, 'ten readings came into blocks by hand, and through no window');
    // Where the number is taken before it is sent, the gateway is told that it is held, and believes it.
    simulation.disconnect();
    await produce('a', 60);
    await close();
    await take(4);
    simulation.connect();
    assert.equal((await compared()).check?.equal, false);
    const { delivered: believed, cloud: held } = await rowOf('a');
    assert.deepEqual([believed, held], [60, 0], 'and the comparison finds it out');
  });

  it('finds and names what somebody deleted at the cloud, and says so at both ends until it is back', async () => {
    await produce('a', 130);
    await produce('b', 61);
    await close();
    simulation.connect();
    await settle();
    assert.equal((await readAccount(vault)).check?.equal, true);
    const { number } = await rowOf('a');
    byHand(
      `DELETE FROM parts WHERE series = ${number} AND stream_id = (SELECT id FROM streams WHERE name = '${STREAM}')
         AND window_start = ${START}`,
    );
    const account = await compared();
    assert.deepEqual([account.check?.equal, account.check?.differing], [false, 1]);
    const { state, reason } = simulation.session.status();
    assert.deepEqual(
      [state, reason],
      ['conflict', 'the cloud holds something else of 1 series; tidegate account names them'],
    );
    const a = await rowOf('a');
    assert.deepEqual([a.delivered, a.cloud], [130, 70]);
    assert.deepEqual(await cloud.claimed(STREAM), {
      a: { held: 70, agrees: false },
      b: { held: 61, agrees: true },
    });
    assert.equal((await rowOf('b')).cloud, undefined);
  });

  it('finds a gateway that counts otherwise than it delivered', async () => {
    await produce('a', 61);
    await produce('b', 61);
    await close();
    // A tally that says more than its block holds.
    const number = vault.series.number('b');
    const body = encodeBlock([part(vault, 'b', 99, 1, 2)]);
    await vault.commit([{ kind: 'block', stream: STREAM, body, tally: encodeTally(new Map([[number, 3]])) }]);
    simulation.connect();
    await settle();
    const { check, adds } = await readAccount(vault);
    assert.equal(check?.differing, 1);
    assert.equal(adds, false, 'three of what was taken in are one too many');
    const b = await rowOf('b');
    assert.deepEqual([b.delivered, b.cloud, b.adds], [64, 63, false]);
  });

  it('declares what a copy of the vault lost, and begins anew', async () => {
    simulation.connect();
    await produce('a', 61);
    await close();
    await settle();
    await produce('a', 4);
    await summarizer.save();
    simulation.crash();
    await rig.moved();
    await begin();
    await produce('a', 61);
    await close();
    simulation.connect();
    const account = await compared();
    assert.equal(account.adds && account.check?.equal, true);
    assert.deepEqual([account.accepted, (await rowOf('a')).delivered], [61, 61]);
    assert.deepEqual(
      account.earlier.map(({ sealed, delivered, waiting, dropped }) => [sealed, delivered, waiting, dropped]),
      [[122, 122, 0, 0]],
    );
  });

  it('says what was lost before a summary saw it, and whether that was declared', async () => {
    await produce('a', 61);
    await close();
    await produce('b', 10, { seen: false });
    // Consumers are left behind: nobody reads it again, and it stands in no gap.
    const saved = await vault.checkpoints.load('summary/ladder');
    await vault.commit([{ kind: 'consumer', consumer: 'summary/ladder', replayFrom: vault.journal.head }]);
    const silent = await readAccount(vault);
    assert.deepEqual([silent.lost, silent.declared, silent.adds], [10, 0, false]);
    assert.equal(saved?.replayFrom, 62);
    const gap = {
      id: 1,
      last: 1,
      writer: vault.incarnation,
      at: START,
      cause: 'overrun',
      what: 'readings',
      count: 10,
      timeFrom: START,
      timeTo: START,
    };
    await vault.commit([
      { kind: 'document', namespace: 'gap', key: '000000000001', value: gap },
      { kind: 'document', namespace: 'gaps', key: 'next', value: 2 },
    ]);
    const declared = await readAccount(vault);
    assert.deepEqual([declared.lost, declared.declared, declared.adds], [10, 10, true]);
  });
});
