import assert from 'node:assert/strict';
import type { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import helper from 'node-red-node-test-helper';
import type { Reading } from '@tidegate/nodes/reading';
import type { Vault } from '@tidegate/nodes/vault';
import tideStore from '../../nodes/src/vault/tide-store.ts';
import tideVault from '../../nodes/src/vault/tide-vault.ts';
import { eventually } from '../support/eventually.ts';
import { shownBy, shows, type SpiedNode } from '../support/shown.ts';
import { TemporaryVault } from '../support/temporary-vault.ts';

interface TestNode extends EventEmitter, SpiedNode {
  receive(message: unknown): void;
}

/** What is used here of node-red-node-test-helper. */
interface Helper {
  init(runtime: string): void;
  load(nodes: readonly unknown[], flow: readonly unknown[]): Promise<void>;
  unload(): Promise<void>;
  getNode(id: string): TestNode;
  startServer(done: () => void): void;
  stopServer(done: () => void): void;
}

const red: Helper = helper;
const require = createRequire(import.meta.url);
red.init(require.resolve('node-red'));
// A stock node, to see errors arrive where a user catches them.
const catchNode: unknown = require('@node-red/nodes/core/common/25-catch.js');

const NODES = [tideVault, tideStore, catchNode];
const store = (): TestNode => red.getNode('n');

describe('tide-store', function () {
  this.timeout(20_000);
  let files: TemporaryVault;
  let vault: Vault;
  let batches: { payload: Reading[]; tide: { kind: string; source: string; replay: boolean } }[];
  let caught: { error: { message: string } }[];

  beforeEach(async () => {
    await new Promise<void>((resolve) => red.startServer(resolve));
    files = await TemporaryVault.make();
    vault = await files.open();
  });
  afterEach(async () => {
    await red.unload();
    await new Promise<void>((resolve) => red.stopServer(resolve));
    await files.remove();
  });

  async function load(options: Record<string, unknown> = {}): Promise<void> {
    batches = [];
    caught = [];
    const { directory, keyFile } = files;
    await red.load(NODES, [
      { id: 'tab', type: 'tab', label: 'Test' },
      { id: 'v', type: 'tide-vault', name: '', directory, keyKind: 'file', keyReference: keyFile },
      { id: 'n', type: 'tide-store', z: 'tab', vault: 'v', wires: [['out']], ...options },
      { id: 'out', type: 'helper', z: 'tab' },
      { id: 'k', type: 'catch', x: 100, y: 100, z: 'tab', scope: null, uncaught: false, wires: [['caught']] },
      { id: 'caught', type: 'helper', z: 'tab' },
    ]);
    red.getNode('out').on('input', (message: (typeof batches)[0]) => batches.push(message));
    red.getNode('caught').on('input', (message: (typeof caught)[0]) => caught.push(message));
  }

  async function deploy(options: Record<string, unknown> = {}): Promise<void> {
    await load(options);
    await shows(store, /readings?/);
  }

  const out = (): Reading[] => batches.flatMap(({ payload }) => payload);
  const journal = async (): Promise<Reading[]> => (await vault.journal.read(1, 10_000)).readings;

  it('commits readings and plain values, and passes them on with positions', async () => {
    await deploy({ unit: 'kW' });
    store().receive({ payload: [{ series: 'a/sum', value: 3, unit: 'W' }] });
    store().receive({ payload: { series: 'a/mean', value: 1.5, quality: 'uncertain' } });
    store().receive({ topic: 'a/power', payload: 2.25, time: Date.UTC(2026, 5, 1) });
    store().receive({ topic: 'a/state', payload: 'idle' });
    store().receive({ payload: [] });
    await eventually('four readings come out', () => out().length === 4, 5000);
    assert.deepEqual(
      out().map(({ series, value, unit, quality, position }) => [series, value, unit, quality, position]),
      [
        ['a/sum', 3, 'W', 'good', 1],
        ['a/mean', 1.5, undefined, 'uncertain', 2],
        ['a/power', 2.25, 'kW', 'good', 3],
        ['a/state', 'idle', 'kW', 'good', 4],
      ],
    );
    assert.equal(out()[2].time, Date.UTC(2026, 5, 1));
    assert.deepEqual(batches[0].tide, { kind: 'readings', source: 'n', replay: false });
    assert.deepEqual(
      (await journal()).map(({ position }) => position),
      [1, 2, 3, 4],
    );
  });

  it('names the series of plain values after its own setting', async () => {
    await deploy({ series: 'line1/efficiency' });
    store().receive({ topic: 'ignored', payload: 0.93 });
    await eventually('it comes out', () => out().length === 1, 5000);
    assert.equal(out()[0].series, 'line1/efficiency');
  });

  it('stores a result once for its cause, whoever repeats it and whenever', async () => {
    await vault.commit([{ kind: 'consumer', consumer: 'c', replayFrom: 1 }]);
    await deploy();
    const result = { payload: [{ series: 'sum', value: 3, position: 10 }] };
    const single = { topic: 'double', payload: 6, reading: { series: 'x', value: 3, position: 10 } };
    for (const message of [result, single, result, single]) store().receive(message);
    await eventually('two readings come out', () => out().length === 2, 5000);
    await red.unload();
    await deploy();
    await eventually('they are sent again for the consumers', () => out().length === 2, 5000);
    assert.ok(batches.every(({ tide }) => tide.replay));
    store().receive(result);
    store().receive({ payload: [{ series: 'sum', value: 4, position: 11 }] });
    await eventually('only the new one is stored', () => out().length === 3, 5000);
    assert.deepEqual(
      (await journal()).map(({ series, value }) => [series, value]),
      [
        ['sum', 3],
        ['double', 6],
        ['sum', 4],
      ],
    );
  });

  it('stores the good ones of a batch, and ends the message as an error that names the others', async () => {
    await deploy();
    store().receive({
      payload: [
        { series: 'a', value: 1 },
        { series: 'b', value: 1e-30 },
        { series: '', value: 2 },
      ],
    });
    store().receive({ payload: { no: 'series' } });
    await eventually('one reading and two errors', () => out().length === 1 && caught.length === 2, 5000);
    const said = caught.map(({ error }) => error.message).toSorted();
    assert.match(said[0], /not stored: series has to be a text/);
    assert.match(said[1], /not stored: value of "b" is 1e-30; the smallest number kept.*\(and 1 more\)/);
    assert.equal(shownBy(store()).fill, 'red');
  });

  it('says that it has no vault, and fails its messages', async () => {
    await load({ vault: '' });
    await shows(store, /no vault is chosen/);
    store().receive({ topic: 'a', payload: 1 });
    await eventually('an error is caught', () => caught.length > 0, 5000);
    assert.match(caught[0].error.message, /no vault is chosen/);
    assert.equal(vault.journal.head, 1);
  });
});
