import assert from 'node:assert/strict';
import type { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import helper from 'node-red-node-test-helper';
import type { Reading } from '@tidegate/nodes/reading';
import type { SummaryRow } from '@tidegate/nodes/summary';
import type { Vault } from '@tidegate/nodes/vault';
import tideQuery from '../../nodes/src/vault/tide-query.ts';
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

interface Answer {
  payload: Reading[];
  query: {
    last: boolean;
    count?: number;
    series?: number;
    complete?: boolean;
    resolution: number | null;
    missing?: unknown;
  };
  parts?: { id: string; index: number; count?: number };
  [property: string]: unknown;
}

const red: Helper = helper;
const require = createRequire(import.meta.url);
red.init(require.resolve('node-red'));
// Stock nodes, to see errors arrive where a user catches them, parts joined, and the end of a message.
const STOCK: unknown[] = ['common/25-catch.js', 'common/24-complete.js', 'sequence/17-split.js'].map((file): unknown =>
  require(`@node-red/nodes/core/${file}`),
);
const NODES = [tideVault, tideQuery, ...STOCK];
const query = (): TestNode => red.getNode('n');

const MINUTE = 60_000;
const START = Date.UTC(2026, 4, 1, 6);

describe('tide-query', function () {
  this.timeout(20_000);
  let files: TemporaryVault;
  let vault: Vault;
  let answers: Answer[];
  let joined: Answer[];
  let caught: { error: { message: string } }[];
  let completed: unknown[];

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

  /** `count` readings of each series, ten seconds apart, values from 0 in steps of 0.1. */
  async function store(series: readonly string[], count: number, start = START): Promise<void> {
    const readings: Reading[] = [];
    for (let i = 0; i < count; i++)
      for (const name of series)
        readings.push({ series: name, time: start + i * 10_000, value: i / 10, quality: 'good', clock: 'device' });
    await vault.journal.append({ source: 'test', readings });
  }

  async function load(options: Record<string, unknown> = {}): Promise<void> {
    [answers, joined, caught, completed] = [[], [], [], []];
    const { directory, keyFile } = files;
    const node = {
      id: 'n',
      type: 'tide-query',
      z: 'tab',
      vault: 'v',
      series: '**',
      span: 'all',
      wires: [['out', 'j']],
    };
    await red.load(NODES, [
      { id: 'tab', type: 'tab', label: 'Test' },
      { id: 'v', type: 'tide-vault', name: '', directory, keyKind: 'file', keyReference: keyFile },
      { ...node, ...options },
      { id: 'out', type: 'helper', z: 'tab' },
      { id: 'j', type: 'join', z: 'tab', mode: 'auto', wires: [['joined']] },
      { id: 'joined', type: 'helper', z: 'tab' },
      { id: 'k', type: 'catch', x: 100, y: 100, z: 'tab', scope: null, uncaught: false, wires: [['caught']] },
      { id: 'caught', type: 'helper', z: 'tab' },
      { id: 'c', type: 'complete', z: 'tab', scope: ['n'], uncaught: false, wires: [['completed']] },
      { id: 'completed', type: 'helper', z: 'tab' },
    ]);
    for (const [id, list] of [
      ['out', answers],
      ['joined', joined],
      ['caught', caught],
      ['completed', completed],
    ] as [string, unknown[]][])
      red.getNode(id).on('input', (message: unknown) => list.push(message));
  }

  async function deploy(options: Record<string, unknown> = {}): Promise<void> {
    await load(options);
    await shows(query, /ready/);
  }

  async function ask(message: Record<string, unknown> = {}): Promise<Answer> {
    const before = answers.length;
    query().receive(message);
    await eventually('an answer', () => answers.length > before || caught.length > 0, 5000);
    assert.deepEqual(
      caught.map(({ error }) => error.message),
      [],
    );
    return answers[before];
  }

  it('answers with plain readings, and keeps the message', async () => {
    await store(['a/x', 'b/x'], 3);
    await deploy({ series: 'a/*' });
    const { payload, query: told, tide, topic, parts } = await ask({ topic: 'mine', payload: 'go' });
    assert.deepEqual(
      payload.map(({ series, time, value, quality, clock }) => [series, time, value, quality, clock]),
      [0, 1, 2].map((i) => ['a/x', START + i * 10_000, i / 10, 'good', 'device']),
    );
    assert.deepEqual(told, {
      from: null,
      to: null,
      resolution: null,
      order: 'series',
      last: true,
      count: 3,
      series: 1,
      complete: true,
    });
    assert.deepEqual(tide, { kind: 'readings', source: 'n', replay: true });
    assert.equal(topic, 'mine');
    assert.equal(parts, undefined);
    await shows(query, /^3 readings of 1 series, \d+ ms$/);
    await eventually('it is complete', () => completed.length === 1, 5000);
  });

  it('takes what a message asks for before what is set', async () => {
    await store(['a', 'b', 'c/d'], 30);
    await deploy({ series: 'a', span: 'custom', from: String(START), to: String(START + MINUTE) });
    assert.equal((await ask()).payload.length, 6);
    assert.equal((await ask({ payload: { series: ['b', 'c/**'] } })).payload.length, 12);
    assert.equal((await ask({ from: START + 2 * MINUTE })).payload.length, 18);
    assert.equal((await ask({ payload: { to: new Date(START + MINUTE).toISOString() } })).payload.length, 6);
    const newest = await ask({ payload: { series: '**', from: 0, order: 'newest', limit: 4 } });
    assert.deepEqual(
      newest.payload.map(({ series, value }) => [series, value]),
      [
        ['a', 2.9],
        ['b', 2.9],
        ['c/d', 2.9],
        ['a', 2.8],
      ],
    );
    assert.equal(newest.query.complete, false);
  });

  it('says of what was asked for that it was there once and is shredded', async () => {
    await store(['a', 'b'], 6);
    await store(['a'], 6, START + 31 * 24 * 60 * MINUTE);
    await vault.keys.shred('2026-06');
    await deploy({ series: 'a' });
    const { payload, query: told } = await ask();
    assert.deepEqual(
      payload.map(({ time }) => time),
      Array.from({ length: 6 }, (_, i) => START + 31 * 24 * 60 * MINUTE + i * 10_000),
    );
    // A gap does not say how many of its readings were of which series.
    assert.deepEqual(told.missing, [{ cause: 'shredded', count: 12, exact: false, from: START, to: START + 50_000 }]);
    await shows(query, /^6 readings of 1 series, \d+ ms; up to 12 missing$/);
    const { query: later } = await ask({ from: START + MINUTE });
    assert.equal(later.missing, undefined);
  });

  it('finds what came in just now', async () => {
    await deploy({ span: '15m' });
    await vault.journal.append({
      source: 'test',
      readings: [{ series: 'a', time: Date.now(), value: 1, quality: 'good', clock: 'gateway' }],
    });
    assert.equal((await ask()).payload.length, 1);
  });

  it('says when the limit cut the answer off', async () => {
    await store(['a'], 30);
    await deploy({ limit: 10 });
    const { payload, query: told } = await ask();
    assert.equal(payload.length, 10);
    assert.deepEqual([told.count, told.complete], [10, false]);
    await shows(query, /cut off/);
    await ask({ order: 'newest' });
    await shows(query, /there are older ones/);
  });

  it('makes summaries of whole windows', async () => {
    await store(['a'], 30);
    await deploy({ resolution: '1m' });
    const { payload, query: told, tide } = await ask();
    const rows = payload as unknown as SummaryRow[];
    assert.equal(tide, undefined);
    assert.equal(told.resolution, 60);
    assert.deepEqual(
      rows.map(({ from, to, count, sum, mean, min, max, first, last }) => [
        from,
        to,
        count,
        sum,
        mean,
        min,
        max,
        first,
        last,
      ]),
      [0, 1, 2, 3, 4].map((i) => [
        START + i * MINUTE,
        START + (i + 1) * MINUTE,
        6,
        // The exact decimal, where 0 + 0.1 + … + 0.5 in binary would end in …0000000002.
        ['1.5', '5.1', '8.7', '12.3', '15.9'][i],
        (15 + 36 * i) / 10 / 6,
        (6 * i) / 10,
        (6 * i + 5) / 10,
        (6 * i) / 10,
        (6 * i + 5) / 10,
      ]),
    );
    assert.ok(rows.every(({ p50, min, max }) => p50! >= min! && p50! <= max!));
  });

  it('sends parts that a join node puts together', async () => {
    await store(['a', 'b'], 25);
    await deploy({ output: 'stream', size: 10 });
    await ask({ topic: 'mine' });
    await eventually('they are joined', () => joined.length === 1, 5000);
    assert.deepEqual(
      answers.map(({ payload, parts, query: { last } }) => [payload.length, parts!.index, parts!.count, last]),
      [0, 1, 2, 3, 4].map((i) => [10, i, i === 4 ? 5 : undefined, i === 4]),
    );
    assert.equal(new Set(answers.map(({ parts }) => parts!.id)).size, 1);
    assert.deepEqual(
      joined[0].payload,
      answers.flatMap(({ payload }) => payload),
    );
    assert.equal(joined[0].payload.length, 50);
    await ask({ payload: { series: 'nothing' } });
    await eventually('an empty answer is joined, too', () => joined.length === 2, 5000);
    assert.deepEqual(joined[1].payload, []);
    await shows(query, /no such series/);
  });

  it('ends a message that makes no sense as an error', async () => {
    await deploy({ series: '' });
    query().receive({});
    query().receive({ payload: { series: 'a', form: 'now' } });
    query().receive({ series: 'a', from: 'yesterday' });
    query().receive({ series: 'a', limit: 200_000 });
    await eventually('four errors', () => caught.length === 4, 5000);
    const said = caught.map(({ error }) => error.message).join('\n');
    assert.match(said, /no series is named/);
    assert.match(said, /payload\.form is not known; a payload that asks has series, from, to/);
    assert.match(said, /from is "yesterday"/);
    assert.match(said, /limit is 200000; one message takes at most 100000 rows/);
    assert.equal(shownBy(query()).fill, 'red');
    await store(['a'], 1);
    caught.length = 0;
    assert.equal((await ask({ series: 'a' })).payload.length, 1);
  });

  it('answers one message after the other, each in full', async () => {
    await store(['a'], 50);
    await deploy({ output: 'stream', size: 10 });
    for (let i = 0; i < 3; i++) query().receive({ topic: String(i) });
    await eventually('fifteen parts', () => answers.length === 15, 5000);
    assert.deepEqual(
      answers.map(({ topic }) => topic),
      ['0', '1', '2'].flatMap((topic) => Array<string>(5).fill(topic)),
    );
  });

  it('lets a newer query replace the one that runs, which ends without an error', async () => {
    await store(['a'], 4_000);
    await deploy({ output: 'stream', size: 2, newer: 'replace' });
    let asked = false;
    red.getNode('out').on('input', () => {
      if (asked) return;
      asked = true;
      query().receive({ topic: 'second', payload: { limit: 6 } });
    });
    query().receive({ topic: 'first' });
    await eventually('the second is joined', () => joined.length > 0, 5000);
    assert.deepEqual([joined[0].topic, joined[0].payload.length], ['second', 6]);
    const first = answers.filter(({ topic }) => topic === 'first');
    assert.ok(first.length < 2_000, `${first.length} parts of the first`);
    assert.equal(first.at(-1)!['reset'], true);
    assert.ok(!first.some((one) => one.query?.last));
    await eventually('both are complete', () => completed.length === 2, 5000);
    assert.equal(caught.length, 0);
  });

  it('stops reading when it closes', async () => {
    await store(['a'], 4_000);
    await deploy({ output: 'stream', size: 2 });
    let closed: Promise<void> | undefined;
    red.getNode('out').on('input', () => {
      closed ??= red.unload();
    });
    query().receive({});
    await eventually('it is closed', () => closed !== undefined, 5000);
    await closed;
    const sent = answers.length;
    assert.ok(sent < 2_000, `${sent} parts`);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(answers.length, sent);
    assert.equal(caught.length, 0);
  });

  it('says that it has no vault', async () => {
    await load({ vault: '' });
    await shows(query, /no vault is chosen/);
    query().receive({});
    await eventually('an error is caught', () => caught.length > 0, 5000);
    assert.ok(caught.every(({ error }) => error.message.includes('no vault is chosen')));
  });
});
