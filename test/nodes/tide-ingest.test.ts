import assert from 'node:assert/strict';
import type { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import helper from 'node-red-node-test-helper';
import { doorOf } from '@tidegate/nodes/ingest';
import type { Reading } from '@tidegate/nodes/reading';
import type { Vault } from '@tidegate/nodes/vault';
import tideIngest from '../../nodes/src/ingest/tide-ingest.ts';
import tideVault from '../../nodes/src/vault/tide-vault.ts';
import { eventually } from '../support/eventually.ts';
import { MemoryBroker } from '../support/memory-broker.ts';
import { shownBy, shows, type SpiedNode } from '../support/shown.ts';
import { TemporaryVault } from '../support/temporary-vault.ts';

interface TestNode extends EventEmitter, SpiedNode {
  receive(message: unknown): void;
}

/** What is used here of node-red-node-test-helper. */
interface Helper {
  init(runtime: string): void;
  settings(settings: object): void;
  load(nodes: readonly unknown[], flow: readonly unknown[], credentials?: object): Promise<void>;
  setFlows(flow: readonly unknown[], type?: string): Promise<void>;
  unload(): Promise<void>;
  getNode(id: string): TestNode;
  startServer(done: () => void): void;
  stopServer(done: () => void): void;
}

interface Out {
  topic?: string;
  payload: unknown;
  reading?: Reading;
  error?: { code: string; reason: string };
  tide: { kind: string; source: string; replay?: boolean };
}

const red: Helper = helper;
red.init(createRequire(import.meta.url).resolve('node-red'));

const NODES = [tideVault, tideIngest];
const ingest = (): TestNode => red.getNode('n');

describe('tide-ingest', function () {
  this.timeout(20_000);
  let files: TemporaryVault;
  let vault: Vault;
  let readings: Reading[];
  let messages: Out[];
  let rejected: Out[];

  beforeEach(async () => {
    await new Promise<void>((resolve) => red.startServer(resolve));
    files = await TemporaryVault.make();
    vault = await files.open();
  });
  afterEach(async () => {
    await red.unload();
    red.settings({ tidegate: undefined });
    await new Promise<void>((resolve) => red.stopServer(resolve));
    await files.remove();
  });

  const flow = (options: Record<string, unknown>): Record<string, unknown>[] => [
    { id: 'tab', type: 'tab', label: 'Test' },
    { id: 'v', type: 'tide-vault', name: '', directory: files.directory, keyKind: 'file', keyReference: files.keyFile },
    { id: 'n', type: 'tide-ingest', z: 'tab', vault: 'v', source: 'input', wires: [['out'], ['bad']], ...options },
    { id: 'out', type: 'helper', z: 'tab' },
    { id: 'bad', type: 'helper', z: 'tab' },
  ];

  function listen(): void {
    readings = [];
    messages = [];
    rejected = [];
    red.getNode('out').on('input', (message: Out) => {
      messages.push(message);
      if (Array.isArray(message.payload)) readings.push(...message.payload);
    });
    red.getNode('bad').on('input', (message: Out) => rejected.push(message));
  }

  async function deploy(options: Record<string, unknown> = {}, credentials: object = {}): Promise<void> {
    await red.load(NODES, flow(options), credentials);
    listen();
    await shows(ingest, /readings?|offline|connecting/);
  }

  const values = (): unknown[] => readings.map(({ value }) => value);

  describe('with messages of the flow', () => {
    it('commits them, and sends batches of readings with their positions', async () => {
      await deploy();
      ingest().receive({ topic: 'line1/temperature', payload: 21.5 });
      ingest().receive({ topic: 'line1/pump', payload: { flow: 3.25, on: 'ON', text: 'idle' } });
      ingest().receive({ topic: 'line1/door', payload: 'OFF' });
      ingest().receive({ topic: 'line1/raw', payload: Buffer.from('7') });
      await eventually('all readings come out', () => readings.length === 6, 5000);
      assert.deepEqual(
        readings.map(({ series, value, position }) => [series, value, position]),
        [
          ['line1/temperature', 21.5, 1],
          ['line1/pump/flow', 3.25, 2],
          ['line1/pump/on', true, 3],
          ['line1/pump/text', 'idle', 4],
          ['line1/door', false, 5],
          ['line1/raw', 7, 6],
        ],
      );
      assert.deepEqual(messages[0].tide, { kind: 'readings', source: 'n', replay: false });
      assert.equal((await vault.journal.read(1, 100)).readings.length, 6);
    });

    it('takes readings as they are, and sends back the ones that are none', async () => {
      await deploy();
      ingest().receive({
        payload: [
          { series: 'a', value: 1, unit: 'V' },
          { series: 'b', value: Number.NaN },
          { series: 'c', value: 'x' },
        ],
      });
      await eventually('the good ones come out', () => readings.length === 2 && rejected.length === 1, 5000);
      assert.deepEqual(
        readings.map(({ series, unit }) => [series, unit]),
        [
          ['a', 'V'],
          ['c', undefined],
        ],
      );
      assert.equal(rejected[0].error?.code, 'not-a-number');
    });

    it('sends what it cannot read out of the second output, with the reason, and says so', async () => {
      await deploy();
      for (const payload of ['warm', '', Number.NaN, Buffer.alloc(300_000, 49), { time: 5, value: 1 }])
        ingest().receive({ topic: 'line1/t', payload });
      await eventually('five rejections', () => rejected.length === 5, 5000);
      assert.deepEqual(
        rejected.map(({ error }) => error?.code),
        ['not-a-number', 'empty', 'not-a-number', 'too-large', 'absurd-time'],
      );
      assert.equal(String(rejected[0].payload), 'warm');
      assert.equal(rejected[0].topic, 'line1/t');
      assert.equal(readings.length, 0);
      assert.equal((await vault.journal.rejections(10)).length, 5);
      await shows(ingest, /0 readings, 5 rejected/);
      assert.equal(shownBy(ingest()).fill, 'yellow');
    });

    it('can send one message for each reading', async () => {
      await deploy({ emit: 'each', series: 'plant/{topic.1}/{metric}' });
      ingest().receive({ topic: 'tele/boiler/SENSOR', payload: '{"a":1,"b":2}' });
      await eventually('two messages', () => messages.length === 2, 5000);
      assert.deepEqual(
        messages.map(({ topic, payload, reading, tide }) => [topic, payload, reading?.position, tide.kind]),
        [
          ['plant/boiler/a', 1, 1, 'reading'],
          ['plant/boiler/b', 2, 2, 'reading'],
        ],
      );
    });

    it('sends again what the consumers of this vault have not saved, after a restart', async () => {
      await vault.commit([{ kind: 'consumer', consumer: 'c', replayFrom: 1 }]);
      await deploy();
      for (let i = 1; i <= 5; i++) ingest().receive({ topic: 'x', payload: i });
      await eventually('five readings', () => readings.length === 5, 5000);
      await vault.commit([{ kind: 'consumer', consumer: 'c', replayFrom: 3 }]);
      await red.unload();
      await deploy();
      await eventually('three again', () => readings.length === 3, 5000);
      assert.deepEqual(values(), [3, 4, 5]);
      assert.ok(messages.every(({ tide }) => tide.replay === true));
      ingest().receive({ topic: 'x', payload: 6 });
      await eventually('and then the new one', () => readings.length === 4, 5000);
      assert.equal(messages.at(-1)?.tide.replay, false);
    });

    it('loses nothing to a deploy of the nodes behind it', async () => {
      await vault.commit([{ kind: 'consumer', consumer: 'c', replayFrom: 1 }]);
      await deploy();
      const seen = new Set<unknown>();
      let sent = 0;
      const timer = setInterval(() => ingest().receive({ topic: 'x', payload: ++sent }), 2);
      try {
        for (let round = 0; round < 3; round++) {
          const changed = flow({}).map((node) => (node.id === 'out' ? { ...node, name: `round ${round}` } : node));
          await red.setFlows(changed, 'nodes');
          red.getNode('out').on('input', ({ payload }: { payload: Reading[] }) => {
            for (const { value } of payload) seen.add(value);
          });
          await new Promise((resolve) => setTimeout(resolve, 60));
        }
      } finally {
        clearInterval(timer);
      }
      const committed = (await vault.journal.read(1, 10_000)).readings.length;
      assert.ok(committed > 20);
      await eventually('every committed reading has come out', () => seen.size >= committed, 5000);
    });
  });

  describe('that cannot work', () => {
    // oxlint-disable-next-line unicorn/consistent-function-scoping -- it deploys this suite's flow
    const broken = async (options: Record<string, unknown>): Promise<string> => {
      await red.load(NODES, flow(options));
      listen();
      await eventually('the node is red', () => shownBy(ingest()).fill === 'red', 5000);
      return shownBy(ingest()).text ?? '';
    };

    it('says why', async () => {
      assert.match(await broken({ vault: '' }), /no vault is chosen/);
      await red.unload();
      assert.match(await broken({ source: 'gateway', topics: ['site/#'] }), /no Tidegate gateway here/);
      await red.unload();
      assert.match(await broken({ source: 'broker', topics: ['a/#/b'] }), /"a\/#\/b" has # before its end/);
      await red.unload();
      assert.match(await broken({ series: '{tpic}' }), /names \{tpic\}/);
      await red.unload();
      assert.match(await broken({ source: 'broker', topics: ['a'], port: '99999' }), /port is "99999"; 1 to 65535/);
    });

    it('fails the messages it gets, and nothing else', async () => {
      await broken({ series: '{tpic}' });
      ingest().receive({ topic: 'a', payload: 1 });
      await new Promise((resolve) => setTimeout(resolve, 50));
      assert.equal(vault.journal.head, 1);
    });
  });

  describe("at the gateway's broker", () => {
    it('hands on what the door takes, and leaves its rule when flows stop', async () => {
      const door = doorOf(vault);
      red.settings({ tidegate: { vault, door } });
      const offer = (value: string): Promise<void> =>
        new Promise((resolve, reject) => {
          const common = { client: 'c', qos: 1, dup: false, stale: false, received: Date.now() } as const;
          door.offer({ ...common, topic: 'site/a', payload: Buffer.from(value), packetId: Number(value) }, (error) =>
            error === undefined ? resolve() : reject(error),
          );
        });
      const options = { source: 'gateway', vault: '', topics: ['site/#'] };
      await deploy(options);
      await offer('1');
      await eventually('it comes out', () => readings.length === 1, 5000);
      await red.unload();
      assert.ok(door.accepts('site/a'), 'messages are taken while flows are stopped');
      await offer('2');
      red.settings({ tidegate: { vault, door } });
      await deploy(options);
      await eventually('it comes out after the start', () => readings.length === 1, 5000);
      assert.deepEqual(values(), [2]);
    });
  });

  describe('at another broker', () => {
    let broker: MemoryBroker | undefined;
    afterEach(async () => {
      await red.unload();
      await broker?.stop();
      broker = undefined;
    });
    const options = (more: Record<string, unknown> = {}): Record<string, unknown> => ({
      source: 'broker',
      topics: ['site/#'],
      host: '127.0.0.1',
      port: broker?.port,
      ...more,
    });

    it('reads its topics, acknowledges after the commit, many at once', async () => {
      broker = await MemoryBroker.start();
      let unacknowledged = 0;
      broker.aedes.on('ack', () => unacknowledged--);
      await deploy(options());
      await shows(ingest, /readings?/);
      for (let i = 0; i < 1500; i++) {
        unacknowledged++;
        await broker.publish(`site/sensor${i % 7}`, String(i));
      }
      await broker.publish('elsewhere', '1');
      await eventually('all came', () => readings.length >= 1500, 10_000);
      assert.deepEqual(
        values().toSorted((a, b) => Number(a) - Number(b)),
        Array.from({ length: 1500 }, (_, i) => i),
      );
      await eventually('all are acknowledged', () => unacknowledged === 0, 5000);
    });

    it('gets what came while it was away, and while the broker was', async () => {
      broker = await MemoryBroker.start();
      await deploy(options());
      await shows(ingest, /readings?/);
      await broker.publish('site/a', '1');
      await eventually('it comes', () => readings.length === 1, 5000);
      await broker.shut();
      await shows(ingest, /offline/);
      assert.equal(shownBy(ingest()).fill, 'grey');
      await broker.publish('site/a', '2');
      await broker.open();
      await eventually('it comes after the broker is back', () => readings.length === 2, 10_000);
      await red.unload();
      await broker.publish('site/a', '3');
      await deploy(options());
      await eventually('it comes after the node is back', () => readings.length === 1, 10_000);
      assert.deepEqual(values(), [3]);
    });

    it('flags a retained message as old news', async () => {
      broker = await MemoryBroker.start();
      await broker.publish('site/a', '1', { retain: true });
      await deploy(options());
      await eventually('it comes', () => readings.length === 1, 5000);
      assert.equal(readings[0].stale, true);
    });

    it('logs in with its credentials, and says when they are refused', async () => {
      broker = await MemoryBroker.start('secret');
      await deploy(options(), { n: { user: 'me', password: 'wrong' } });
      await shows(ingest, /offline: the broker refused/);
      await red.unload();
      await deploy(options(), { n: { user: 'me', password: 'secret' } });
      await shows(ingest, /0 readings/);
    });

    it('says that the broker cannot be reached, and closes its connection with the node', async () => {
      broker = await MemoryBroker.start();
      const { port } = broker;
      await deploy(options());
      await shows(ingest, /readings?/);
      assert.equal(broker.connections, 1);
      await red.unload();
      await eventually('the connection is closed', () => broker?.connections === 0, 2000);
      await broker.shut();
      await deploy(options({ port }));
      await shows(ingest, /offline: .*ECONNREFUSED/);
    });
  });
});
