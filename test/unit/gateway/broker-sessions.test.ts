import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { BrokerOnVault } from '../../support/broker.ts';
import { eventually } from '../../support/eventually.ts';
import { RawClient } from '../../support/mqtt-client.ts';

describe('the gateway broker, with clients that count on a session', function () {
  this.timeout(30_000);
  const site = new BrokerOnVault();

  before(() => site.start());
  after(async () => {
    await site.stop();
    site.remove();
  });

  it('tells them that there is none, and grants QoS 0', async () => {
    const client = await site.connect('panel', { clean: false });
    assert.equal(await client.subscribe('news/#', 1), 0);
    assert.equal(await client.subscribe('other', 2), 0);
    assert.equal(await client.subscribe('third', 0), 0);
    assert.equal(site.broker.stats().sessionless, 2);
    const lines = site.log.filter((line) => line.includes('"panel"'));
    assert.equal(lines.length, 1, 'each client is named once');
    assert.match(lines[0], /clean session off.*"news\/#".*granted QoS 0 instead of 1.*Turn clean session on/);
    const publisher = await site.connect('a');
    publisher.publish('news/1', 'now', 1);
    await client.until(() => client.published.length === 1);
    assert.equal(client.published[0].qos, 0);
    await client.close();
    const back = await RawClient.connect(site.broker.port, 'panel', { clean: false });
    assert.deepEqual([back.code, back.sessionPresent], [0, false]);
    await back.client.close();
  });

  it('grants all others what they ask for', async () => {
    const client = await site.connect('clean');
    assert.deepEqual([await client.subscribe('a', 1), await client.subscribe('b', 2)], [1, 2]);
  });

  it('takes what they publish like that of others, at QoS 1 and 2', async () => {
    const client = await site.connect('sensor', { clean: false });
    const head = site.vault.journal.head;
    for (const qos of [1, 2] as const) await client.answered(client.publish('site/a', `2${qos}`, qos));
    assert.equal(site.vault.journal.head, head + 2);
  });

  it('sends a client that is not known again what it says it sent at QoS 2 to the vault once', async () => {
    const head = site.vault.journal.head;
    const first = await site.connect('twice', { clean: false });
    await first.answered(first.publish('site/a', '3', 2, { id: 9 }));
    await first.close();
    const again = await site.connect('twice', { clean: false });
    await again.answered(again.publish('site/a', '3', 2, { id: 9, dup: true }));
    again.write({ cmd: 'pubrel', messageId: 9 });
    await again.until(() => again.received.some(({ cmd }) => cmd === 'pubcomp'));
    assert.equal(site.vault.journal.head, head + 1);
  });
});

describe('the gateway broker, with clients that send or leave too much', function () {
  this.timeout(60_000);
  const site = new BrokerOnVault();
  /** Enough that the system's buffers for a loopback connection are full. */
  const ENOUGH = 40 << 20;

  before(() => site.start());
  after(async () => {
    await site.stop();
    site.remove();
  });

  async function asleep(id: string, qos: 0 | 1): Promise<RawClient> {
    const client = await site.connect(id);
    await client.subscribe(`flood/${id}`, qos);
    client.socket.pause();
    return client;
  }

  /** Publishes until about `ENOUGH` bytes are through, or `until` holds; resolves to the number of messages. */
  async function flood(topic: string, size: number, until: () => boolean): Promise<number> {
    const publisher = await site.connect(`publisher-${topic}`);
    const payload = Buffer.alloc(size, 'x');
    let sent = 0;
    for (; sent * size < ENOUGH && !until(); sent++)
      if (sent % 100 === 99) await publisher.answered(publisher.publish(topic, payload));
      else publisher.publish(topic, payload);
    await publisher.close();
    return sent;
  }

  it('drops QoS 0 for a subscriber that does not read, and keeps the publisher going', async () => {
    const sleeper = await asleep('sleepy', 0);
    let most = 0;
    const sent = await flood('flood/sleepy', 4_000, () => {
      most = Math.max(most, site.broker.stats().unreadBytes);
      return false;
    });
    assert.equal(sent, Math.ceil(ENOUGH / 4_000));
    assert.ok(site.broker.stats().dropped > 1_000, `${site.broker.stats().dropped} dropped`);
    // What one turn of the event loop brings, 100 messages at most, comes on top.
    assert.ok(most < 65_536 + 200 * 4_100, `${most} bytes unread`);
    assert.equal(sleeper.isClosed, false);
    assert.match(site.log.join('\n'), /client "sleepy" does not read what it subscribed to: QoS 0 is dropped/);
  });

  it('drops small ones sooner: they take more memory than their bytes', async () => {
    await asleep('small', 0);
    const before = site.broker.stats().dropped;
    let most = 0;
    await flood('flood/small', 100, () => {
      most = Math.max(most, site.broker.stats().unreadBytes);
      return site.broker.stats().dropped > before + 1_000;
    });
    assert.ok(site.broker.stats().dropped > before + 1_000);
    assert.ok(most < 65_536 * 2 + 65_536, `${most} bytes unread`);
  });

  it('cuts a subscriber of QoS 1 that does not read: it is not to believe that it has had everything', async () => {
    const { cut } = site.broker.stats();
    const sleeper = await asleep('owed', 1);
    await flood('flood/owed', 4_000, () => site.broker.stats().cut > cut);
    assert.equal(site.broker.stats().cut, cut + 1);
    sleeper.socket.resume();
    await sleeper.closed;
    assert.match(site.log.join('\n'), /closed the connection of "owed", which does not read: it left \d+ bytes unread/);
  });

  it('gives a new subscriber retained messages of more bytes than may be unread, none is dropped', async () => {
    const publisher = await site.connect('keeper');
    const payload = Buffer.alloc(100_000, 'k');
    for (let i = 0; i < 100; i++) publisher.publish(`kept/${i}`, payload, 1, { retain: true });
    await publisher.until(() => publisher.acknowledged.size === 100);
    const before = site.broker.stats();
    const reader = await site.connect('reader');
    await reader.subscribe('kept/#');
    reader.socket.pause();
    await sleep(300);
    reader.socket.resume();
    await reader.until(() => reader.published.length === 100);
    assert.equal(site.broker.stats().dropped, before.dropped);
    assert.equal(reader.isClosed, false);
  });

  it('pauses a publisher that sends more than is committed, and does not cut it', async () => {
    const { cut } = site.broker.stats();
    const client = await site.connect('torrent');
    let paused = false;
    let most = 0;
    const watch = setInterval(() => {
      const { waitingBytes, paused: now } = site.broker.stats();
      most = Math.max(most, waitingBytes);
      paused ||= now > 0;
    }, 1);
    const payload = `{"value":1,"pad":"${'x'.repeat(200)}"}`;
    for (let i = 0; i < 30_000; i++) client.publish('site/torrent', payload, 1);
    await client.until(() => client.acknowledged.size === 30_000, 50_000);
    clearInterval(watch);
    assert.equal(paused, true);
    // Up to 64 kB that have been read already come on top, each message with its overhead.
    assert.ok(most < 65_536 + 2 * (65_536 / 240) * (240 + 256), `${most} bytes waited`);
    assert.equal(client.isClosed, false);
    assert.deepEqual([site.broker.stats().cut, site.broker.stats().paused], [cut, 0]);
    await eventually('nothing waits any more', async () => site.broker.stats().waitingBytes === 0);
  });
});
