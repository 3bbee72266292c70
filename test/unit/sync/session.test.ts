import assert from 'node:assert/strict';
import { decodeBlock } from '@tidegate/nodes/summary';
import { encodeBody, loadEnrolment, makeIdentity, nack, statusText, type Outgoing } from '@tidegate/nodes/sync';
import type { Vault } from '@tidegate/nodes/vault';
import { CloudEnd } from './cloud-end.ts';
import { SetClock, VaultRig, alert, part } from './rig.ts';
import { CALM, Simulation } from './simulation.ts';

const STREAM = 'operations/60';
const MINUTE = 60_000;

describe('session', function () {
  this.timeout(60_000);
  let rig: VaultRig;
  let vault: Vault;
  let outgoing: Outgoing;
  let simulation: Simulation;

  beforeEach(async () => {
    rig = await VaultRig.open();
    vault = rig.vault;
    simulation = new Simulation(vault);
    await simulation.start();
    // The same companion as the session uses, so that alerts are heard.
    outgoing = await simulation.outgoing();
    await outgoing.grant('#');
  });

  afterEach(() => rig.close());

  const seal = async (from: number, to = from): Promise<void> => {
    for (let minute = from; minute <= to; minute++)
      await outgoing.commitParts([part(vault, 'a', minute, minute, minute + 0.5)], 60, []);
  };
  const waiting = async (): Promise<number> =>
    (await vault.stats()).blocksWaiting + (await vault.stats()).alertsWaiting;

  it('enrols with the token, sends what waits, and is up to date when the cloud has it', async () => {
    await seal(1, 5);
    assert.equal(simulation.session.status().state, 'offline');
    simulation.connect();
    assert.equal(simulation.session.status().state, 'connecting');
    await simulation.run(2000);
    assert.deepEqual(simulation.cloud.numbers(STREAM), [1, 2, 3, 4, 5]);
    assert.deepEqual(simulation.cloud.numbers('catalogue'), [1]);
    assert.equal(await waiting(), 0);
    assert.equal(simulation.session.status().state, 'up-to-date');
    const kept = await loadEnrolment(vault);
    assert.equal(kept?.tokenSecret, undefined, 'the token has done its work');
  });

  it('sends names before the numbers that stand for them', async () => {
    await seal(1, 3);
    simulation.connect();
    await simulation.run(2000);
    assert.equal(simulation.cloud.order[0].stream, 'catalogue');
  });

  it('holds summaries back until the interval is over, and alerts never', async () => {
    simulation.connect();
    await simulation.run(1000);
    await seal(1);
    await outgoing.commitAlert(alert(1), []);
    await simulation.run(100);
    assert.deepEqual(simulation.cloud.alerts, ['1/1']);
    assert.deepEqual(simulation.cloud.numbers(STREAM), []);
    await simulation.run(1000);
    assert.equal(simulation.session.status().blocksWaiting, 2, 'a block of parts and one of names');
    assert.equal(simulation.session.status().state, 'up-to-date', 'waiting for the interval is no delay');
    await simulation.run(MINUTE);
    assert.deepEqual(simulation.cloud.numbers(STREAM), [1]);
  });

  it('sends the backlog newest first, with every fourth frame for the oldest, and live blocks before both', async () => {
    simulation.cloud.credits = 16_384;
    for (let minute = 1; minute <= 40; minute++) {
      const parts = Array.from({ length: 300 }, (_, i) => part(vault, `s${i}`, minute, Math.sin(minute * i) * 1000, i));
      await outgoing.commitParts(parts, 60, []);
    }
    simulation.weather = { ...CALM, delay: [40, 40] };
    simulation.connect();
    await simulation.run(700);
    assert.ok(simulation.cloud.numbers(STREAM).length > 0, 'under way');
    const before = simulation.cloud.order.length;
    const sealed = (await vault.outbox.streams()).find(({ stream }) => stream === STREAM)!.sealed;
    await outgoing.commitParts([part(vault, 's1', 41, 1)], 60, []);
    simulation.session.releaseNow();
    await simulation.run(20 * MINUTE);
    const blocks = simulation.cloud.order.filter(({ stream }) => stream === STREAM);
    assert.equal(blocks.length, sealed + 1);
    const live = simulation.cloud.order.findIndex(({ type }) => type === 'live');
    assert.ok(live - before <= 12, `live block ${live - before} blocks after it was sealed`);
    const fill = blocks.filter(({ type }) => type === 'fill').map(({ number }) => number);
    assert.equal(fill[0], sealed, 'newest first');
    assert.ok(fill.indexOf(1) < fill.length / 4, 'the oldest has its share');
    assert.ok(simulation.largest < 24_000, `a frame of ${simulation.largest} bytes`);
  });

  it('sends again what is not acknowledged, until it is', async () => {
    simulation.weather = { loss: 0.4, twice: 0.2, delay: [5, 400] };
    await seal(1, 20);
    simulation.connect();
    for (let i = 1; i <= 10; i++) {
      await outgoing.commitAlert(alert(i), []);
      await simulation.run(500);
    }
    await simulation.run(
      30 * MINUTE,
      () => simulation.cloud.alerts.length === 10 && simulation.cloud.numbers(STREAM).length === 20,
    );
    simulation.weather = CALM;
    await simulation.run(5 * MINUTE);
    assert.equal(simulation.cloud.alerts.length, 10);
    assert.equal(simulation.cloud.numbers(STREAM).length, 20);
    assert.equal(simulation.cloud.forks, 0);
    assert.equal(await waiting(), 0);
  });

  it('learns from WELCOME what an acknowledgement that was lost had said', async () => {
    await seal(1, 10);
    simulation.connect();
    await simulation.run(1000, () => simulation.cloud.numbers(STREAM).length === 10);
    simulation.disconnect();
    const frames = simulation.framesUp;
    await simulation.run(5000);
    simulation.connect();
    await simulation.run(1000);
    assert.equal(await waiting(), 0);
    assert.equal(simulation.cloud.duplicates, 0, 'nothing was sent twice');
    assert.equal(simulation.framesUp, frames + 1, 'HELLO alone');
  });

  it('goes on after a crash at any time', async () => {
    await seal(1, 30);
    for (let life = 1; life <= 6; life++) {
      simulation.connect();
      simulation.weather = { loss: 0.2, twice: 0.2, delay: [5, 300] };
      await seal(30 + life);
      await outgoing.commitAlert(alert(life), []);
      await simulation.run(200 * life);
      simulation.crash();
      vault = await rig.reopen();
      simulation = new Simulation(vault, life, simulation.clock, simulation.cloud);
      await simulation.start();
      outgoing = await simulation.outgoing();
    }
    simulation.connect();
    await simulation.run(10 * MINUTE);
    assert.deepEqual(
      simulation.cloud.numbers(STREAM),
      Array.from({ length: 36 }, (_, i) => i + 1),
    );
    assert.equal(new Set(simulation.cloud.alerts).size, 6);
    assert.equal(simulation.cloud.forks, 0);
    assert.equal(await waiting(), 0);
  });

  it('lets the backlog wait for its turn, and nothing else', async () => {
    simulation.cloud.fillAfterMs = 30_000;
    await seal(1, 20);
    simulation.connect();
    await simulation.run(5_000);
    assert.deepEqual(simulation.cloud.numbers('catalogue'), [1], 'names go with what is new');
    assert.deepEqual(simulation.cloud.numbers(STREAM), []);
    assert.match(
      statusText(simulation.session.status(), () => ''),
      /^syncing in 2\d s, its turn among many$/,
    );
    await outgoing.commitAlert(alert(1), []);
    await seal(21);
    simulation.session.releaseNow();
    await simulation.run(5_000);
    assert.deepEqual(simulation.cloud.alerts, ['1/1']);
    assert.deepEqual(simulation.cloud.numbers(STREAM), [21]);
    await simulation.run(30_000);
    assert.equal(simulation.cloud.numbers(STREAM).length, 21);
    assert.equal(simulation.session.status().state, 'up-to-date');
  });

  it('keeps to the credits', async () => {
    simulation.cloud.credits = 20_000;
    for (let minute = 1; minute <= 30; minute++) {
      const parts = Array.from({ length: 300 }, (_, i) => part(vault, `s${i}`, minute, Math.sin(minute * i) * 1000, i));
      await outgoing.commitParts(parts, 60, []);
    }
    simulation.connect();
    await simulation.run(1000, () => simulation.cloud.hellos.length > 0);
    simulation.weather = { loss: 1, twice: 0, delay: [5, 5] };
    await simulation.run(20);
    const frames = simulation.framesUp;
    await simulation.run(1500);
    assert.ok(simulation.framesUp - frames <= 1, 'the window is full');
    assert.ok(simulation.bytesUp < 70_000, `${simulation.bytesUp} bytes`);
  });

  it('sets poisoned blocks aside, counts them and goes on', async () => {
    await seal(1, 5);
    simulation.cloud.unreadable.add(`${STREAM} 3`);
    simulation.connect();
    await simulation.run(2000);
    assert.deepEqual(simulation.cloud.numbers(STREAM), [1, 2, 4, 5]);
    assert.equal(await waiting(), 0);
    assert.equal(await vault.documents.get('outgoing', 'poisoned'), 1);
    assert.match(simulation.session.status().refusedReason ?? '', /cannot be read/);
  });

  it('waits when the cloud asks it to', async () => {
    await seal(1, 5);
    simulation.connect();
    await simulation.run(1000, () => simulation.session.status().state === 'syncing');
    simulation.cloud.refuseWith = { code: 'retry', reason: 'busy' };
    await simulation.run(1000);
    const frames = simulation.framesUp;
    await simulation.run(300);
    assert.ok(simulation.framesUp - frames <= 1, 'it does not hammer');
    simulation.cloud.refuseWith = undefined;
    await simulation.run(2 * MINUTE);
    assert.equal(await waiting(), 0);
  });

  for (const code of ['unknown', 'upgrade', 'fenced'] as const) {
    it(`stops with the reason on NACK ${code}, and starts again when the cloud welcomes it`, async () => {
      await seal(1, 2);
      simulation.cloud.refuseWith = { code, reason: 'says the cloud' };
      simulation.connect();
      await simulation.run(1000);
      const status = simulation.session.status();
      assert.equal(status.state, 'error');
      assert.match(status.reason ?? '', /says the cloud/);
      const frames = simulation.framesUp;
      await outgoing.commitAlert(alert(1), []);
      await simulation.run(50_000);
      assert.equal(simulation.framesUp, frames, 'nothing is sent meanwhile');
      simulation.cloud.refuseWith = undefined;
      simulation.cloud.keys = undefined;
      await simulation.run(5 * MINUTE);
      assert.equal(simulation.session.status().state, 'up-to-date');
      assert.equal(await waiting(), 0);
    });
  }

  for (const [schemas, says] of [
    [[2, 3], /this gateway is too old for the cloud, upgrade the gateway.*it reads 2 to 3.*what waits is kept/],
    [[0, 0], /the cloud is too old for this gateway, upgrade the cloud.*what waits is kept/],
  ] as const) {
    it(`says which end has to be upgraded when the cloud reads schemas ${schemas.join(' to ')}, keeps what waits, and asks now and then`, async () => {
      await seal(1, 2);
      const reason = `it reads ${schemas.join(' to ')}`;
      simulation.cloud.refuseWith = { code: 'upgrade', reason, schemas: [...schemas] };
      simulation.connect();
      await simulation.run(30 * MINUTE);
      const { state, reason: shown, blocksWaiting } = simulation.session.status();
      assert.equal(state, 'error');
      assert.match(shown ?? '', says);
      assert.equal(blocksWaiting, 3);
      const asked = simulation.framesUp;
      assert.ok(asked >= 6 && asked <= 31, `it asked ${asked} times in half an hour`);
      simulation.cloud.refuseWith = undefined;
      simulation.cloud.keys = undefined;
      await simulation.run(6 * MINUTE);
      assert.equal(simulation.session.status().state, 'up-to-date');
      assert.equal(await waiting(), 0);
    });
  }

  it('is not stopped by what the cloud says to a HELLO of before its upgrade, played again', async () => {
    simulation.connect();
    await simulation.run(1000);
    const refusal = encodeBody(nack, { code: 'upgrade', reason: 'it writes schema 0', schemas: [1, 1] });
    simulation.down(simulation.cloud.send('nack', refusal));
    await simulation.run(1000);
    const { state, refusedReason } = simulation.session.status();
    assert.equal(state, 'up-to-date');
    assert.match(refusedReason ?? '', /earlier version of this gateway.*schema 0/);
  });

  it('refuses to go on as an older copy of its vault', async () => {
    await seal(1, 3);
    simulation.connect();
    await simulation.run(1000);
    simulation.cloud.blocks.set(`${STREAM} 9`, 'ff');
    simulation.disconnect();
    simulation.connect();
    await simulation.run(1000);
    const { state, reason } = simulation.session.status();
    assert.equal(state, 'error');
    assert.match(reason ?? '', /older copy.*block 9/);
  });

  it('tells the cloud the names again when its database is another one', async () => {
    await seal(1, 3);
    simulation.connect();
    await simulation.run(1000);
    simulation.cloud.blocks.clear();
    simulation.disconnect();
    simulation.connect();
    await simulation.run(2 * MINUTE);
    assert.deepEqual(simulation.cloud.numbers('catalogue'), [2]);
  });

  it('sends alerts over the one connection there is', async () => {
    simulation.connect('bulk');
    await simulation.run(1000);
    await outgoing.commitAlert(alert(1), []);
    await simulation.run(100);
    assert.deepEqual(simulation.cloud.alerts, ['1/1']);
  });

  it('sends alerts at once on a lane that refused frames for a while', async () => {
    simulation.connect();
    await simulation.run(1000);
    simulation.full = true;
    await outgoing.commitAlert(alert(1), []);
    await simulation.run(1000);
    simulation.full = false;
    await simulation.run(100);
    assert.deepEqual(simulation.cloud.alerts, ['1/1']);
    assert.equal(await waiting(), 0);
  });

  it('asks again when the cloud behind the broker falls silent, and says so', async () => {
    simulation.connect();
    await simulation.run(1000);
    await seal(1, 3);
    simulation.weather = { loss: 1, twice: 0, delay: [5, 5] };
    await simulation.run(3 * MINUTE);
    assert.equal(simulation.session.status().state, 'connecting');
    assert.match(simulation.session.status().reason ?? '', /cloud does not answer/);
    simulation.weather = CALM;
    await simulation.run(2 * MINUTE);
    assert.equal(simulation.session.status().state, 'up-to-date');
    assert.equal(await waiting(), 0);
  });

  it('says that it is alive when there is nothing to send, and notices when nobody hears it', async () => {
    simulation.connect();
    await simulation.run(1000);
    await simulation.run(5 * MINUTE);
    assert.ok(simulation.cloud.hellos.length >= 5, `${simulation.cloud.hellos.length} hellos in five minutes`);
    simulation.weather = { loss: 1, twice: 0, delay: [5, 5] };
    await simulation.run(5 * MINUTE);
    assert.equal(simulation.session.status().state, 'connecting');
  });

  it('sends nothing of a series whose grant was withdrawn, though it waits already', async () => {
    await outgoing.commitParts([part(vault, 'secret', 1, 1), part(vault, 'open', 1, 2)], 60, []);
    await outgoing.commitAlert(alert(1, 'secret'), []);
    await outgoing.revoke('secret');
    simulation.connect();
    await simulation.run(2 * MINUTE);
    const bodies = [...simulation.cloud.blocks]
      .filter(([key]) => key.startsWith(STREAM))
      .map(([, body]) => Buffer.from(body, 'hex'));
    const secret = vault.series.number('secret');
    assert.ok(bodies.length > 0 && bodies.every((body) => decodeBlock(body).every(({ series }) => series !== secret)));
    assert.deepEqual(simulation.cloud.alerts, []);
    assert.ok(
      [...simulation.cloud.blocks.values()].every((body) => !body.includes(Buffer.from('secret').toString('hex'))),
    );
  });

  it('stores what the cloud sets, reports its stamp, and keeps the newer one', async () => {
    simulation.connect();
    await simulation.run(1000);
    const stamp = { wall: simulation.clock.now(), counter: 0, writer: 'cloud' };
    const older = { ...stamp, wall: stamp.wall - 1 };
    simulation.down(simulation.cloud.state([{ key: 'pump/speed', value: 3, stamp }]));
    await simulation.run(100);
    simulation.down(simulation.cloud.state([{ key: 'pump/speed', value: 2, stamp: older }]));
    await simulation.run(100);
    assert.deepEqual(await vault.documents.get('state', 'pump/speed'), { value: 3, stamp });
    assert.deepEqual(simulation.cloud.applied, { 'pump/speed': stamp });
    simulation.disconnect();
    simulation.connect();
    await simulation.run(100);
    assert.deepEqual(simulation.cloud.hellos.at(-1)?.state, { 'pump/speed': stamp });
  });

  it('takes what the cloud sets though its own clock is years behind', async () => {
    await rig.close();
    rig = await VaultRig.open();
    vault = rig.vault;
    const behind = new SetClock(1_000_000_000_000);
    simulation = new Simulation(vault, 1, behind, new CloudEnd(new SetClock()));
    await simulation.start();
    simulation.connect();
    await simulation.run(1000);
    const stamp = { wall: 1_700_000_000_000, counter: 0, writer: 'cloud' };
    simulation.down(simulation.cloud.state([{ key: 'k', value: 1, stamp }]));
    await simulation.run(100);
    assert.deepEqual(simulation.cloud.applied, { k: stamp });
  });

  it('ignores and counts frames that are not its cloud’s', async () => {
    simulation.connect();
    await simulation.run(1000);
    const fenced = encodeBody(nack, { code: 'fenced', reason: 'go away' });
    const honest = simulation.cloud.send('nack', fenced);
    const { session } = simulation;
    session.received(honest.topic, honest.frame.subarray(1));
    session.received('tide/v1/plant/south/down/nack', honest.frame);
    session.received('tide/v1/plant/north/down/ack', honest.frame);
    session.received('something/else', honest.frame);
    const impostor = new CloudEnd(simulation.clock);
    impostor.keys = simulation.cloud.keys;
    session.received(honest.topic, impostor.send('nack', fenced).frame);
    impostor.keys = { sign: new Uint8Array(32), agree: makeIdentity().agree.publicKey };
    session.received(honest.topic, impostor.send('nack', fenced).frame);
    const { refused, state } = session.status();
    assert.equal(refused, 6);
    assert.equal(state, 'up-to-date');
  });

  it('shows progress while it syncs', async () => {
    await seal(1, 60);
    simulation.cloud.credits = 1;
    simulation.weather = { ...CALM, delay: [300, 300] };
    simulation.connect();
    const seen: number[] = [];
    for (let i = 0; i < 60; i++) {
      await simulation.run(400);
      const { progress } = simulation.session.status();
      if (progress === undefined) continue;
      assert.equal(progress.total, 61);
      seen.push(progress.done);
    }
    assert.deepEqual(
      seen,
      seen.toSorted((a, b) => a - b),
    );
    assert.ok(new Set(seen).size >= 1);
    assert.equal(simulation.session.status().state, 'up-to-date');
  });
});
