import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DurableDoor } from '@tidegate/nodes/ingest';
import { systemClock } from '@tidegate/nodes/node';
import { openVault, type Vault } from '@tidegate/nodes/vault';
import type { BrokerOptions } from '../../../gateway/src/broker/broker-options.ts';
import { Broker } from '../../../gateway/src/broker/mqtt-broker.ts';
import { hashPassword } from '../../../gateway/src/login/password.ts';
import { eventually } from '../../support/eventually.ts';
import { CommitGate } from '../../support/commit-gate.ts';
import { temporaryDirectory } from '../../support/gateway.ts';
import { RawClient } from '../../support/mqtt-client.ts';

describe("the gateway's broker", function () {
  this.timeout(30_000);
  let home: { path: string; remove: () => void };
  let vault: Vault;
  let door: DurableDoor;
  let broker: Broker;
  let clients: RawClient[];
  let commits: CommitGate;
  const log: string[] = [];

  async function start(options: Partial<BrokerOptions> = {}, limits: { commitTimeoutMs?: number } = {}): Promise<void> {
    home = temporaryDirectory('broker');
    const key = path.join(home.path, 'key');
    writeFileSync(key, 'ab'.repeat(32), { mode: 0o600 });
    vault = await openVault({ directory: path.join(home.path, 'vault'), key: { file: key } });
    commits = new CommitGate();
    door = new DurableDoor(commits.before(vault), systemClock, { maxPayloadBytes: 4_096, ...limits });
    door.setRule('ingest', { topics: ['site/#', 'tide/#'], format: 'auto', series: '{topic}/{metric}' });
    broker = new Broker(
      door,
      {
        host: '127.0.0.1',
        port: 0,
        payloadBytes: 4_096,
        clientBytes: 65_536,
        clients: 20,
        log: (line) => log.push(line),
        ...options,
      },
      systemClock,
    );
    clients = [];
    log.length = 0;
    await broker.start();
  }

  async function connect(id: string, options: Parameters<typeof RawClient.connect>[2] = {}): Promise<RawClient> {
    const { client, code } = await RawClient.connect(broker.port, id, options);
    clients.push(client);
    assert.equal(code, 0);
    return client;
  }

  async function login(username?: string, password?: string): Promise<number> {
    const { client, code } = await RawClient.connect(broker.port, 'a', {
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password: Buffer.from(password) }),
    });
    clients.push(client);
    return code;
  }

  afterEach(async () => {
    commits.release();
    for (const client of clients) await client.close();
    await broker.stop();
    await door.close();
    await vault.close();
    home.remove();
  });

  it('commits before it acknowledges, at QoS 1 and 2', async () => {
    await start();
    const client = await connect('a');
    const one = client.publish('site/a', '1');
    await client.until(() => client.acknowledged.has(one));
    assert.equal(vault.journal.head, 2);
    const two = client.publish('site/a', '2', 2);
    await client.until(() => client.acknowledged.has(two));
    assert.equal(vault.journal.head, 3);
    client.write({ cmd: 'pubrel', messageId: two });
    await client.until(() => client.received.some(({ cmd }) => cmd === 'pubcomp'));
    client.publish('site/a', '3', 0);
    const deadline = Date.now() + 5_000;
    while (vault.journal.head < 4 && Date.now() < deadline) await sleep(10);
    const { readings } = await vault.journal.read(1, 10);
    assert.deepEqual(
      readings.map(({ series, value }) => [series, value]),
      [
        ['site/a', 1],
        ['site/a', 2],
        ['site/a', 3],
      ],
    );
  });

  it('does not store a message twice that is sent again', async () => {
    await start();
    const first = await connect('a');
    const id = first.publish('site/a', '1');
    await first.until(() => first.acknowledged.has(id));
    const again = await connect('a');
    await first.until(() => first.isClosed);
    again.publish('site/a', '1', 1, { dup: true, id });
    await again.until(() => again.acknowledged.has(id));
    assert.equal(vault.journal.head, 2);
    again.publish('site/a', '1', 1, { id: 2 });
    await again.until(() => again.acknowledged.has(2));
    assert.equal(vault.journal.head, 3, 'an equal value that is new is new');
  });

  it('passes messages on to subscribers, ingested or not', async () => {
    await start();
    const listener = await connect('listener');
    await listener.subscribe('#');
    const client = await connect('a');
    client.publish('site/a', '1');
    client.publish('other/topic', 'hello', 0);
    await listener.until(() => listener.received.filter(({ cmd }) => cmd === 'publish').length === 2);
    assert.equal(vault.journal.head, 2);
  });

  it('passes on what nobody had subscribed to before, from the subscription to its end', async () => {
    await start();
    const client = await connect('a');
    const tell = async (value: string): Promise<void> => {
      const id = client.publish('other/topic', value);
      await client.until(() => client.acknowledged.has(id));
    };
    for (const value of ['unheard', 'unheard']) await tell(value);
    for (const filter of ['other/topic', 'other/+', '#']) {
      const listener = await connect('listener');
      await listener.subscribe(filter);
      await tell('first');
      await tell('second');
      const heard = (): string[] =>
        listener.received.flatMap((packet) => (packet.cmd === 'publish' ? [packet.payload.toString()] : []));
      await listener.until(() => heard().length === 2);
      assert.deepEqual(heard(), ['first', 'second'], filter);
      await listener.close();
      await tell('unheard');
    }
  });

  it('never takes its own topics in as readings', async () => {
    await start();
    const client = await connect('a');
    const id = client.publish('tide/alerts/site/a', '{"value": 3}');
    await client.until(() => client.acknowledged.has(id));
    assert.equal(door.stats().messages, 0);
  });

  it('rejects a payload above the limit with a reason, and acknowledges it', async () => {
    await start();
    const client = await connect('a');
    const id = client.publish('site/a', Buffer.alloc(5_000, 49));
    await client.until(() => client.acknowledged.has(id));
    const [rejection] = await vault.journal.rejections(1);
    assert.equal(rejection?.code, 'too-large');
    assert.equal(client.isClosed, false);
  });

  it('cuts a client that announces an absurd packet, before its body has come', async () => {
    await start();
    const client = await connect('a');
    client.socket.write(Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f]));
    await client.closed;
    assert.match(log.join('\n'), /a packet of 268435455 bytes, allowed: 147456/);
    assert.equal(broker.stats().cut, 1);
  });

  it('cuts what is no MQTT, and goes on', async () => {
    await start();
    const browser = net.connect(broker.port, '127.0.0.1');
    browser.write('GET / HTTP/1.1\r\nHost: gateway\r\n\r\n');
    await once(browser, 'close');
    const other = await connect('a');
    const id = other.publish('site/a', '1');
    await other.until(() => other.acknowledged.has(id));
  });

  it('reads no more from a client than may wait, and the rest once commits go through', async () => {
    // A message alone is more than may wait: how many come with the first read depends on the machine.
    await start({ clientBytes: 4_000 });
    const client = await connect('a');
    commits.hold();
    const payload = `{"value":1,"pad":"${'x'.repeat(4_000)}"}`;
    for (let i = 0; i < 500; i++) client.publish('site/a', payload);
    await eventually('the client is paused', () => broker.stats().paused === 1);
    await sleep(500);
    const { waitingBytes } = door.stats();
    assert.ok(waitingBytes < 65_536 * 4, `${waitingBytes} bytes wait`);
    assert.equal(client.acknowledged.size, 0);
    commits.release();
    await client.until(() => client.acknowledged.size === 500, 20_000);
    assert.equal(broker.stats().paused, 0);
    assert.equal(client.isClosed, false);
  });

  it('closes the connection when a commit takes too long', async () => {
    await start({}, { commitTimeoutMs: 400 });
    const client = await connect('slow');
    commits.hold();
    client.publish('site/a', '1');
    await client.closed;
    assert.equal(client.acknowledged.size, 0);
    assert.match(log.join('\n'), /closed the connection of "slow", so that it sends again/);
    commits.release();
  });

  it('keeps no session for a client that goes', async () => {
    await start();
    const first = await connect('sleeper', { clean: false });
    await first.subscribe('news');
    await first.close();
    const client = await connect('a');
    client.publish('news', 'missed');
    const { client: back, code, sessionPresent } = await RawClient.connect(broker.port, 'sleeper', { clean: false });
    clients.push(back);
    assert.equal(code, 0);
    assert.equal(sessionPresent, false);
    await sleep(100);
    assert.ok(!back.received.some(({ cmd }) => cmd === 'publish'));
  });

  it('lets in only its users when it has some', async () => {
    await start({ users: [{ name: 'press', passwordHash: await hashPassword('right one') }] });
    assert.equal(await login('press', 'right one'), 0);
    assert.equal(await login('press', 'wrong one'), 5);
    assert.equal(await login('other', 'right one'), 5);
    assert.equal(await login(), 5);
  });

  it('says which port is taken', async () => {
    await start();
    const second = new Broker(
      door,
      { host: '127.0.0.1', port: broker.port, payloadBytes: 1, clientBytes: 1, clients: 1, log: () => undefined },
      systemClock,
    );
    await assert.rejects(second.start(), new RegExp(`127\\.0\\.0\\.1:${broker.port} is in use by another program`));
    await second.stop();
  });
});
