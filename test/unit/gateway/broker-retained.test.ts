import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { TideError } from '@tidegate/nodes/node';
import type { Vault } from '@tidegate/nodes/vault';
import { BrokerOnVault } from '../../support/broker.ts';

describe("the gateway broker's retained messages", function () {
  this.timeout(30_000);
  let site: BrokerOnVault;

  beforeEach(() => (site = new BrokerOnVault()));
  afterEach(async () => {
    await site.stop();
    site.remove();
  });

  it('are in the vault before they are acknowledged, at QoS 1 and 2, ingested or not', async () => {
    await site.start();
    const client = await site.connect('a');
    for (const [topic, qos] of [
      ['other/a', 1],
      ['other/b', 2],
      ['site/c', 1],
    ] as const) {
      const id = client.publish(topic, `at ${qos}`, qos, { retain: true });
      await client.until(() => client.acknowledged.has(id));
      const document = (await site.vault.documents.get('retained', topic)) as { payload: Uint8Array; qos: number };
      assert.equal(Buffer.from(document.payload).toString(), `at ${qos}`);
      assert.equal(document.qos, qos);
    }
    assert.equal(site.vault.journal.head, 1, 'the text that is no number was not taken for a reading');
  });

  it('come to new subscribers, also after a restart; an empty one removes', async () => {
    await site.start();
    const client = await site.connect('a');
    client.publish('valve/1', 'open', 1, { retain: true });
    client.publish('valve/2', 'shut', 0, { retain: true });
    const last = client.publish('valve/3', 'gone', 1, { retain: true });
    await client.until(() => client.acknowledged.has(last));
    const gone = client.publish('valve/3', '', 1, { retain: true });
    await client.until(() => client.acknowledged.has(gone));
    const expected = { 'valve/1': 'open', 'valve/2': 'shut' };
    assert.deepEqual(await site.retained('valve/+'), expected);
    assert.deepEqual(await site.retained('valve/2'), { 'valve/2': 'shut' });
    await site.stop();
    await site.start();
    assert.deepEqual(await site.retained('#'), expected);
    assert.equal(site.broker.stats().retained.topics, 2);
    await site.vault.commit([{ kind: 'document', namespace: 'other', key: 'valve/9', value: 1 }]);
    assert.deepEqual(await site.retained('valve/9'), {});
  });

  it('are written a few times a second when they come a hundred times a second', async () => {
    await site.start();
    const client = await site.connect('a');
    const before = (await site.vault.stats()).commits;
    const sent: number[] = [];
    for (let i = 0; i < 100; i++) {
      sent.push(client.publish('meter', String(i), 1, { retain: true }));
      await sleep(10);
    }
    await client.until(() => sent.every((id) => client.acknowledged.has(id)));
    const commits = (await site.vault.stats()).commits - before;
    assert.ok(commits >= 2 && commits <= 12, `${commits} commits`);
    const same = client.publish('meter', '99', 1, { retain: true });
    await client.until(() => client.acknowledged.has(same));
    assert.equal((await site.vault.stats()).commits - before, commits, 'an equal one is on the disk already');
    assert.deepEqual(await site.retained('meter'), { meter: '99' });
  });

  it('of many topics at once share commits', async () => {
    await site.start();
    const client = await site.connect('a');
    const before = (await site.vault.stats()).commits;
    for (let i = 0; i < 500; i++) client.publish(`device/${i}`, 'x', 1, { retain: true });
    await client.until(() => client.acknowledged.size === 500);
    const commits = (await site.vault.stats()).commits - before;
    assert.ok(commits <= 60, `${commits} commits`);
    assert.equal(Object.keys(await site.retained('device/#')).length, 500);
  });

  it('keep the order of their topic, with messages between them that are not retained', async () => {
    await site.start();
    const [listener, client] = [await site.connect('listener'), await site.connect('a')];
    await listener.subscribe('valve');
    for (let i = 0; i < 200; i++) client.publish('valve', String(i), 1, { retain: i % 3 === 0 });
    await listener.until(() => listener.published.length === 200);
    assert.deepEqual(
      listener.published.map(({ payload }) => payload.toString()),
      Array.from({ length: 200 }, (_, i) => String(i)),
    );
  });

  it('cut their publisher when they cannot be committed, and are committed later', async () => {
    let broken = true;
    await site.start((vault) => failing(vault, () => broken));
    const client = await site.connect('a');
    client.publish('valve', 'open', 1, { retain: true });
    await client.closed;
    assert.equal(client.acknowledged.size, 0);
    assert.match(site.log.join('\n'), /could not keep retained messages: the disk is full/);
    assert.match(site.log.join('\n'), /closed the connection of "a", so that it sends again: the disk is full/);
    broken = false;
    const again = await site.connect('a');
    const id = again.publish('valve', 'open', 1, { retain: true, dup: true, id: 1 });
    await again.until(() => again.acknowledged.has(id));
    assert.notEqual(await site.vault.documents.get('retained', 'valve'), undefined);
  });

  it('refuse those who wait longer than they may', async () => {
    site.remove();
    site = new BrokerOnVault({ commitTimeoutMs: 300 });
    const { promise: held, resolve: free } = Promise.withResolvers<void>();
    await site.start((vault) => holding(vault, held));
    const client = await site.connect('a');
    client.publish('valve', 'open', 1, { retain: true });
    await client.closed;
    assert.match(site.log.join('\n'), /the commit took longer than 300 ms/);
    free();
  });

  it('that are too large are passed on, not kept, and take the outdated one away', async () => {
    await site.start();
    const [listener, client] = [await site.connect('listener'), await site.connect('a')];
    await listener.subscribe('valve');
    const first = client.publish('valve', 'open', 1, { retain: true });
    await client.until(() => client.acknowledged.has(first));
    const second = client.publish('valve', Buffer.alloc(600_000, 'x'), 1, { retain: true });
    await client.until(() => client.acknowledged.has(second));
    await listener.until(() => listener.published.length === 2);
    assert.deepEqual(await site.retained('valve'), {});
    assert.equal(await site.vault.documents.get('retained', 'valve'), undefined);
    const { refused, topics, bytes } = site.broker.stats().retained;
    assert.deepEqual([refused, topics, bytes], [1, 0, 0]);
    assert.match(site.log.join('\n'), /did not keep a retained message of 600000 bytes: at most 20000 topics/);
  });

  it('come at no higher QoS than was granted', async () => {
    await site.start();
    const client = await site.connect('a');
    const id = client.publish('valve', 'open', 2, { retain: true });
    await client.until(() => client.acknowledged.has(id));
    for (const qos of [0, 1, 2] as const) {
      const reader = await site.connect(`reader-${qos}`);
      assert.equal(await reader.subscribe('+', qos), qos);
      await reader.until(() => reader.published.length === 1);
      assert.equal(reader.published[0].qos, qos);
    }
  });

  it('of a will stay, too', async () => {
    await site.start();
    const will = { topic: 'device/state', payload: Buffer.from('offline'), qos: 1, retain: true } as const;
    const client = await site.connect('device', { will });
    await client.close();
    const reader = await site.connect('reader');
    await reader.subscribe('device/state');
    await reader.until(() => reader.published.length > 0);
    await site.stop();
    await site.start();
    assert.deepEqual(await site.retained('device/state'), { 'device/state': 'offline' });
  });
});

/** A real vault whose commits fail while `broken` says so. */
function failing(vault: Vault, broken: () => boolean): Vault {
  return around(vault, (changes) =>
    broken() ? Promise.reject(new TideError('disk-full', 'the disk is full')) : vault.commit(changes),
  );
}

/** A real vault whose commits wait. */
function holding(vault: Vault, until: Promise<void>): Vault {
  return around(vault, (changes) => until.then(() => vault.commit(changes)));
}

function around(vault: Vault, commit: Vault['commit']): Vault {
  return new Proxy(vault, {
    get: (target, name) => {
      if (name === 'commit') return commit;
      const found: unknown = Reflect.get(target, name, target);
      return typeof found === 'function' ? (found.bind(target) as unknown) : found;
    },
  });
}
