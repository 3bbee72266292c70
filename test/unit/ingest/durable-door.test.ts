import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { DurableDoor, type DoorMessage, type DurableDoorOptions } from '@tidegate/nodes/ingest';
import { systemClock } from '@tidegate/nodes/node';
import type { Reading, Rejection } from '@tidegate/nodes/reading';
import type { Vault } from '@tidegate/nodes/vault';
import { eventually } from '../../support/eventually.ts';
import { HeldCommits } from '../../support/held-commits.ts';
import { TemporaryVault } from '../../support/temporary-vault.ts';

const RULE = { topics: ['site/#'], format: 'auto' as const, series: '{topic}/{metric}' };

let packet = 0;
function message(topic: string, payload: string | Uint8Array, more: Partial<DoorMessage> = {}): DoorMessage {
  const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
  const common = { client: 'sensor', qos: 1, dup: false, stale: false, received: Date.now() } as const;
  return { topic, payload: bytes, packetId: ++packet, ...common, ...more };
}

/** A sink that keeps what it is given. */
function collector() {
  const readings: Reading[] = [];
  const replays: boolean[] = [];
  const rejections: Rejection[] = [];
  return {
    readings,
    replays,
    rejections,
    sink: {
      readings: (batch: Reading[], replay: boolean): void => {
        readings.push(...batch);
        replays.push(...batch.map(() => replay));
      },
      rejections: (batch: Rejection[]): void => void rejections.push(...batch),
    },
  };
}

const values = (readings: readonly Reading[]) => readings.map(({ value }) => value);

const offer = (door: DurableDoor, offered: DoorMessage): Promise<void> =>
  new Promise((resolve, reject) => {
    door.offer(offered, (error) => (error === undefined ? resolve() : reject(error)));
  });

const derived = (value: number, position?: number, series = 'sum'): Reading => ({
  series,
  value,
  time: 1_763_632_800_000,
  quality: 'good',
  clock: 'gateway',
  ...(position !== undefined && { position }),
});

describe('the durable door', () => {
  let files: TemporaryVault;
  let vault: Vault;
  let doors: DurableDoor[] = [];

  const open = (options: DurableDoorOptions = {}, behind: Vault = vault): DurableDoor => {
    const door = new DurableDoor(behind, systemClock, {
      onError: (error) => {
        throw error;
      },
      ...options,
    });
    door.setRule('n1', RULE);
    doors.push(door);
    return door;
  };
  const journal = async () => (await vault.journal.read(1, 100_000)).readings;

  beforeEach(async () => {
    files = await TemporaryVault.make();
    vault = await files.open();
    doors = [];
  });
  afterEach(async () => {
    for (const door of doors) await door.close();
    await files.remove();
  });

  it('acknowledges a message once its readings are in the journal', async () => {
    const door = open();
    await offer(door, message('site/a', '21.5'));
    assert.deepEqual(
      (await journal()).map(({ series, value, position, quality, clock }) => ({
        series,
        value,
        position,
        quality,
        clock,
      })),
      [{ series: 'site/a', value: 21.5, position: 1, quality: 'good', clock: 'gateway' }],
    );
  });

  it('acknowledges nothing while commits are held back, and everything once they go through', async () => {
    const held = new HeldCommits(vault);
    const door = open({}, held.vault);
    held.hold();
    let acknowledged = 0;
    const all = Array.from({ length: 2000 }, (_, i) =>
      offer(door, message('site/a', String(i))).then(() => acknowledged++),
    );
    await sleep(100);
    assert.equal(acknowledged, 0);
    assert.equal(door.stats().waitingMessages, 2000);
    held.release();
    await Promise.all(all);
    assert.deepEqual(
      values(await journal()),
      Array.from({ length: 2000 }, (_, i) => i),
    );
    assert.equal(door.stats().waitingBytes, 0);
  });

  it('puts what arrives during a commit into the next one', async () => {
    const held = new HeldCommits(vault);
    const door = open({}, held.vault);
    const first = offer(door, message('site/a', '1'));
    await sleep(20);
    held.hold();
    const rest = Array.from({ length: 500 }, (_, i) => offer(door, message('site/a', String(i))));
    await sleep(20);
    held.release();
    await Promise.all([first, ...rest]);
    assert.ok(held.appends <= 3, `${held.appends} appends for 501 messages`);
  });

  it('takes no message that no rule wants, and says which topics it wants', async () => {
    const door = open();
    assert.ok(door.accepts('site/x') && !door.accepts('other/x'));
    await offer(door, message('other/x', '1'));
    assert.deepEqual(await journal(), []);
    door.setRule('n1', { ...RULE, topics: ['other/#'] });
    assert.ok(!door.accepts('site/x') && door.accepts('other/x'));
    door.removeRule('n1');
    assert.ok(!door.accepts('other/x'));
  });

  it('commits for every rule that matches before it acknowledges', async () => {
    const door = open();
    door.setRule('n2', { ...RULE, series: 'second/{topic}' });
    await offer(door, message('site/a', '1'));
    assert.deepEqual((await journal()).map(({ series }) => series).toSorted(), ['second/site/a', 'site/a']);
  });

  it('hands committed readings on in journal order, with positions', async () => {
    const door = open();
    const { sink, readings, replays } = collector();
    const detach = door.attach('n1', sink);
    await Promise.all(Array.from({ length: 3000 }, (_, i) => offer(door, message('site/a', String(i)))));
    await sleep(50);
    assert.deepEqual(
      readings.map(({ position }) => position),
      Array.from({ length: 3000 }, (_, i) => i + 1),
    );
    assert.ok(replays.every((replay) => !replay));
    detach();
    await offer(door, message('site/a', '1'));
    await sleep(20);
    assert.equal(readings.length, 3000);
  });

  it('keeps what comes without a sink, and hands it on when one attaches', async () => {
    const door = open();
    await Promise.all(Array.from({ length: 2500 }, (_, i) => offer(door, message('site/a', String(i)))));
    const { sink, readings } = collector();
    const detach = door.attach('n1', sink);
    await sleep(100);
    assert.equal(readings.length, 2500);
    detach();
    await offer(door, message('site/a', 'ON'));
    const again = collector();
    door.attach('n1', again.sink);
    await sleep(50);
    assert.deepEqual(values(again.readings), [true]);
  });

  it('reads again from the lowest checkpoint after a restart, and marks it', async () => {
    await vault.commit([{ kind: 'consumer', consumer: 'c1', replayFrom: 1 }]);
    const before = open();
    for (const value of ['1', '2', '3']) await offer(before, message('site/a', value));
    await before.close();
    await vault.commit([{ kind: 'consumer', consumer: 'c1', replayFrom: 2 }]);
    const after = open();
    const { sink, readings, replays } = collector();
    after.attach('n1', sink);
    await sleep(50);
    await offer(after, message('site/a', '4'));
    await sleep(20);
    assert.deepEqual(values(readings), [2, 3, 4]);
    assert.deepEqual(replays, [true, true, false]);
  });

  it('gives a sink only what came through its own door', async () => {
    await vault.commit([{ kind: 'consumer', consumer: 'c1', replayFrom: 1 }]);
    const door = open();
    door.setRule('n2', { ...RULE, topics: ['other/#'] });
    await offer(door, message('site/a', '1'));
    await offer(door, message('other/b', '2'));
    const { sink, readings } = collector();
    door.attach('n2', sink);
    await sleep(50);
    await offer(door, message('site/a', '3'));
    await offer(door, message('other/b', '4'));
    await sleep(20);
    assert.deepEqual(values(readings), [2, 4]);
  });

  it('misses nothing that is committed between a read to the end and its answer', async () => {
    const held = new HeldCommits(vault);
    const door = open({}, held.vault);
    await offer(door, message('site/a', '1'));
    held.holdReads();
    const { sink, readings } = collector();
    door.attach('n1', sink);
    await eventually('the journal is read', () => held.reads === 1);
    await sleep(30);
    await offer(door, message('site/a', '2'));
    held.answerReads();
    await eventually('both are delivered', () => readings.length === 2, 2000);
    await offer(door, message('site/a', '3'));
    await eventually('and what comes live', () => readings.length === 3, 2000);
    assert.deepEqual(values(readings), [1, 2, 3]);
  });

  it('keeps a retained message apart as old news', async () => {
    const door = open();
    await offer(door, message('site/a', '1', { stale: true, qos: 0 }));
    await offer(door, message('site/a', '{"b":2}', { stale: true, qos: 0 }));
    assert.deepEqual(
      (await journal()).map(({ stale }) => stale),
      [true, true],
    );
  });

  it('journals what it cannot read, acknowledges it, and hands it to the second output', async () => {
    const door = open();
    const { sink, rejections } = collector();
    door.attach('n1', sink);
    await sleep(30);
    await offer(door, message('site/a', 'warm'));
    await offer(door, message('site/b', Buffer.alloc(300_000, 49)));
    await offer(door, message('site/c', '{"ok":1,"time":5}'));
    await sleep(30);
    assert.deepEqual(
      rejections.map(({ code }) => code),
      ['not-a-number', 'too-large', 'absurd-time'],
    );
    assert.equal(rejections[1]?.size, 300_000);
    assert.equal(rejections[1]?.head.length, 1024);
    assert.equal((await vault.journal.rejections(10)).length, 3);
    assert.equal(door.stats().rejected, 3);
  });

  describe('and messages that are sent again', () => {
    it('counts one with DUP set once, also after a restart', async () => {
      const door = open();
      const sent = message('site/a', '1');
      await offer(door, sent);
      await offer(door, { ...sent, dup: true });
      await door.close();
      const after = open();
      await offer(after, { ...sent, dup: true });
      assert.deepEqual(values(await journal()), [1]);
      assert.deepEqual([door.stats().duplicates, after.stats().duplicates], [1, 1]);
    });

    it('waits with a DUP for the commit of its first copy', async () => {
      const held = new HeldCommits(vault);
      const door = open({}, held.vault);
      held.hold();
      const sent = message('site/a', '1');
      const both = [offer(door, sent), offer(door, { ...sent, dup: true })];
      await sleep(30);
      both.push(offer(door, { ...sent, dup: true }));
      assert.equal(await Promise.race([both[1], sleep(30, 'waits')]), 'waits');
      held.release();
      await Promise.all(both);
      assert.deepEqual(values(await journal()), [1]);
    });

    it('refuses the DUP together with its first copy when their commit fails, and takes it the next time', async () => {
      const held = new HeldCommits(vault);
      const door = open({}, held.vault);
      held.fail(new Error('no space'));
      const sent = message('site/a', '1');
      const both = await Promise.allSettled([offer(door, sent), offer(door, { ...sent, dup: true })]);
      assert.deepEqual(
        both.map(({ status }) => status),
        ['rejected', 'rejected'],
      );
      held.release();
      await offer(door, { ...sent, dup: true });
      assert.deepEqual(values(await journal()), [1]);
    });

    it('takes equal values, other clients and other packets for what they are: data', async () => {
      const door = open();
      const sent = message('site/a', '1');
      await offer(door, sent);
      await offer(door, sent);
      await offer(door, { ...sent, dup: true, client: 'another' });
      await offer(door, { ...sent, dup: true, packetId: 60_000 });
      await offer(door, { ...sent, dup: true, topic: 'site/b' });
      await offer(door, { ...sent, dup: true, payload: Buffer.from('2') });
      assert.equal((await journal()).length, 6);
      assert.equal(door.stats().duplicates, 0);
    });
  });

  describe('when commits do not come through', () => {
    it('refuses a message after its time, and knows it again if it was committed in the end', async () => {
      const held = new HeldCommits(vault);
      const door = open({ commitTimeoutMs: 60 }, held.vault);
      held.hold();
      const sent = message('site/a', '1');
      await assert.rejects(offer(door, sent), /took longer than 60 ms/);
      assert.equal(door.stats().refused, 1);
      held.release();
      await sleep(50);
      await offer(door, { ...sent, dup: true });
      assert.deepEqual(values(await journal()), [1]);
      assert.equal(door.stats().duplicates, 1);
    });

    it('refuses what the vault could not write', async () => {
      const held = new HeldCommits(vault);
      const door = open({}, held.vault);
      held.fail(new Error('no space left'));
      await assert.rejects(offer(door, message('site/a', '1')), /no space left/);
      held.release();
      await offer(door, message('site/a', '2'));
      assert.deepEqual(values(await journal()), [2]);
    });

    it('asks a client to pause, to go on, and refuses one that does not listen', async () => {
      const held = new HeldCommits(vault);
      const door = open({ maxBytesPerClient: 10_000 }, held.vault);
      const pressure: [string, boolean][] = [];
      door.onPressure((client, paused) => pressure.push([client, paused]));
      held.hold();
      const outcomes = Array.from({ length: 300 }, () => offer(door, message('site/a', '1')));
      outcomes.push(offer(door, message('site/a', '1', { client: 'quiet' })));
      const settled = Promise.allSettled(outcomes);
      await sleep(30);
      assert.deepEqual(pressure, [['sensor', true]]);
      held.release();
      const results = (await settled).map(({ status }) => status);
      assert.equal(results.at(-1), 'fulfilled');
      const refused = results.filter((status) => status === 'rejected').length;
      assert.ok(refused > 100 && refused < 200, `${refused} refused`);
      assert.equal(door.stats().refused, refused);
      assert.deepEqual(pressure, [
        ['sensor', true],
        ['sensor', false],
      ]);
    });

    it('refuses everything once it is closed', async () => {
      const door = open();
      await door.close();
      await assert.rejects(offer(door, message('site/a', '1')), /closed/);
      await assert.rejects(door.store('s1', []), /closed/);
    });
  });

  describe('for calculated readings', () => {
    it('stores each once for each cause and series, also after a restart', async () => {
      const door = open();
      assert.deepEqual(values(await door.store('s1', [derived(1, 10), derived(2, 11)])), [1, 2]);
      assert.deepEqual(
        values(await door.store('s1', [derived(1, 10), derived(3, 11, 'mean'), derived(4, 12)])),
        [3, 4],
      );
      await door.close();
      const after = open();
      assert.deepEqual(values(await after.store('s1', [derived(4, 12), derived(5, 13)])), [5]);
      assert.deepEqual(
        (await journal()).map(({ position }) => position),
        [1, 2, 3, 4, 5],
      );
    });

    it('waits with a repetition for the commit of the first, and takes it if that fails', async () => {
      const held = new HeldCommits(vault);
      const door = open({}, held.vault);
      held.fail(new Error('no space'));
      const twice = await Promise.allSettled([door.store('s1', [derived(1, 10)]), door.store('s1', [derived(1, 10)])]);
      assert.deepEqual(
        twice.map(({ status }) => status),
        ['rejected', 'rejected'],
      );
      held.release();
      assert.deepEqual(values(await door.store('s1', [derived(1, 10)])), [1]);
    });

    it('stores those without a cause as often as they come, and a whole batch by its cause', async () => {
      const door = open();
      await door.store('s1', [derived(1)]);
      await door.store('s1', [derived(1)]);
      await door.store('s1', [derived(2)], 5);
      assert.deepEqual(await door.store('s1', [derived(2)], 5), []);
      assert.deepEqual(values(await journal()), [1, 1, 2]);
    });

    it('hands them to the sink of their own node', async () => {
      const door = open();
      const { sink, readings } = collector();
      door.attach('s1', sink);
      await sleep(30);
      await door.store('s1', [derived(1, 10)]);
      await offer(door, message('site/a', '7'));
      await sleep(30);
      assert.deepEqual(
        readings.map(({ value, position }) => [value, position]),
        [[1, 1]],
      );
    });
  });
});
