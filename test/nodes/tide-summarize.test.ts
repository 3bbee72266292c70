import assert from 'node:assert/strict';
import { once, type EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import helper from 'node-red-node-test-helper';
import type { Reading } from '@tidegate/nodes/reading';
import { decodeBlock, encodeSummary, foldSummaries, WindowAccumulator, type Summary } from '@tidegate/nodes/summary';
import { outgoingOf } from '@tidegate/nodes/sync';
import type { Vault } from '@tidegate/nodes/vault';
import tideSummarize from '../../nodes/src/summary/tide-summarize.ts';
import tideVault from '../../nodes/src/vault/tide-vault.ts';
import { eventually } from '../support/eventually.ts';
import { TemporaryVault } from '../support/temporary-vault.ts';

interface Spy {
  args: unknown[][];
  thisValues: unknown[];
}

interface TestNode extends EventEmitter {
  receive(message: unknown): void;
  /** Spies on all nodes at once. */
  status: Spy;
  error: Spy;
  warn: Spy;
}

/** What is used here of node-red-node-test-helper. */
interface Helper {
  init(runtime: string): void;
  load(nodes: readonly unknown[], flow: readonly unknown[]): Promise<void>;
  setFlows(flow: readonly unknown[]): Promise<void>;
  unload(): Promise<void>;
  getNode(id: string): TestNode;
  startServer(done: () => void): void;
  stopServer(done: () => void): void;
}

const red: Helper = helper;
red.init(createRequire(import.meta.url).resolve('node-red'));

const NODES = [tideVault, tideSummarize];
/** A window of the past: over from the start, so it closes as soon as nothing comes for the grace. */
const START = Date.UTC(2026, 0, 5, 12);

interface SummariesMessage {
  payload: Record<string, unknown>[];
  tide: { kind: string; resolution: number; withheld: number };
}

const send = (readings: readonly unknown[], replay = false): void =>
  red.getNode('n').receive({ payload: readings, tide: { kind: 'readings', source: 'door', replay } });

async function next(): Promise<SummariesMessage> {
  const [message]: SummariesMessage[] = await once(red.getNode('out'), 'input');
  return message;
}

const summaryOf = (readings: readonly Reading[]): string => {
  const window = new WindowAccumulator();
  for (const reading of readings) window.add(reading);
  return Buffer.from(encodeSummary(window.summary())).toString('hex');
};

/** What a node was heard to say, oldest first. */
function said(id: string, how: 'status' | 'error' | 'warn'): string[] {
  const node = red.getNode(id);
  return node[how].args
    .filter((_, i) => node[how].thisValues[i] === node)
    .map(([what]) => {
      if (typeof what !== 'object' || what === null || !('text' in what)) return String(what);
      return `${'fill' in what ? String(what.fill) : ''}: ${String(what.text)}`;
    });
}

describe('tide-summarize', function () {
  this.timeout(20_000);
  let kept: TemporaryVault;
  let vault: Vault;

  beforeEach(async () => {
    await new Promise<void>((resolve) => red.startServer(resolve));
    kept = await TemporaryVault.make();
    vault = await kept.open();
    await (await outgoingOf(vault)).grant('#');
  });

  afterEach(async () => {
    await red.unload();
    await new Promise<void>((resolve) => red.stopServer(resolve));
    await kept.remove();
  });

  const flow = (options: Record<string, unknown> = {}): Record<string, unknown>[] => [
    { id: 'tab', type: 'tab', label: 'Test' },
    { id: 'v', type: 'tide-vault', name: '', directory: kept.directory, keyKind: 'file', keyReference: kept.keyFile },
    {
      id: 'n',
      type: 'tide-summarize',
      z: 'tab',
      vault: 'v',
      resolutions: '1m',
      grace: 0.2,
      save: 10,
      wires: [['out']],
      ...options,
    },
    { id: 'out', type: 'helper', z: 'tab' },
  ];

  /** Commits readings as a door does, and gives them back with their positions. */
  async function stored(values: readonly Reading['value'][], start = START, series = 'line1/t'): Promise<Reading[]> {
    const readings = values.map((value, i): Reading => ({
      series,
      time: start + i * 1000,
      value,
      quality: 'good',
      clock: 'device',
      unit: '°C',
    }));
    const first = await vault.journal.append({ source: 'door', readings });
    return readings.map((reading, i) => ({ ...reading, position: first + i }));
  }

  /** All parts in the outbox, as the cloud would get them. */
  async function parts(): Promise<Summary[]> {
    const blocks = await vault.outbox.peek('operations/60', 'oldest', [], 1 << 20);
    return blocks.flatMap(({ body }) => decodeBlock(body).map(({ summary }) => summary));
  }

  const folded = async (): Promise<string> => Buffer.from(encodeSummary(foldSummaries(await parts()))).toString('hex');

  async function deploy(options?: Record<string, unknown>): Promise<void> {
    await red.load(NODES, flow(options));
    await eventually('the vault is open', () => /green: .* open/.test(said('n', 'status').at(-1) ?? ''));
  }

  it('saves its open windows when the vault wants it, without waiting for their turn', async () => {
    await red.load(NODES, flow({ resolutions: '1m, 1h', grace: 3600 }));
    await once(red.getNode('n'), 'call:status');
    const saved = async (): Promise<[position: number, replayFrom: number]> => {
      const checkpoint = await vault.checkpoints.load('summary/ladder');
      return [checkpoint?.series[0]?.position ?? 0, checkpoint?.replayFrom ?? 0];
    };
    send(await stored([5, 6]));
    await eventually('the first save', async () => (await saved())[0] === 2, 5_000);
    send(await stored([5, 6, 7], START + 2_000));
    await vault.keys.shred('1990-01');
    await eventually('the old journal key is gone', async () => (await vault.keys.status()).journalKeys === 1, 15_000);
    assert.deepEqual(await saved(), [5, 6]);
  });

  it('sends out the summary of a window that closed, when it is in the vault', async () => {
    await deploy();
    const readings = await stored([21.5, 22.25, 20.75, 23.1]);
    const arrived = next();
    send([...readings.slice(0, 3), { ...readings[3], anomaly: 0.9 }]);
    const { payload, tide } = await arrived;
    assert.deepEqual(tide, { kind: 'summaries', resolution: 60, withheld: 0 });
    const [{ p10, p50, p90, ...summary }] = payload;
    assert.deepEqual(summary, {
      series: 'line1/t',
      unit: '°C',
      mixed: false,
      windowStart: START,
      resolution: 60,
      count: 4,
      numeric: 4,
      sum: '87.6',
      mean: 21.9,
      min: 20.75,
      max: 23.1,
      first: 21.5,
      last: 23.1,
      anomalies: 1,
      uncertain: 0,
      bad: 0,
      changes: null,
      states: null,
    });
    assert.ok(Math.abs(Number(p50) - 21.5) <= 0.22 && Number(p10) >= 20.75 && Number(p90) <= 23.1);
    assert.equal((await parts()).length, 1);
  });

  it('gives a late reading a part of its own', async () => {
    await deploy();
    const [first, second] = await stored([1, 2]);
    for (const reading of [first, second]) {
      const arrived = next();
      send([reading]);
      assert.deepEqual(
        (await arrived).payload.map(({ count }) => count),
        [1],
      );
    }
    assert.equal((await parts()).length, 2);
    assert.equal(await folded(), summaryOf([first, second]));
  });

  it('keeps from the outbox what no grant covers, and shows it here all the same', async () => {
    await (await outgoingOf(vault)).revoke('line1/#');
    await deploy();
    const arrived = next();
    send(await stored([1, 2, 3]));
    const { payload, tide } = await arrived;
    assert.deepEqual([payload[0].count, tide.withheld], [3, 1]);
    assert.deepEqual(await parts(), []);
  });

  it('refuses what is no batch of readings with positions, and takes the good ones beside it', async () => {
    await deploy();
    red.getNode('n').receive({ payload: 'hot' });
    const [good] = await stored([5]);
    const arrived = next();
    send([
      { series: 'a', time: START, value: 1, quality: 'good', clock: 'device' },
      good,
      17,
      { ...good, time: 1e300 },
    ]);
    assert.deepEqual(
      (await arrived).payload.map(({ series, count }) => [series, count]),
      [['line1/t', 1]],
    );
    const errors = said('n', 'error');
    assert.equal(errors.length, 2);
    assert.match(errors[0], /payload is a string; a batch of readings is wanted/);
    assert.match(
      errors[1],
      /a reading of a has no place in the journal; put tide-ingest or tide-store before this node \(and 2 more of 4\)/,
    );
  });

  it('counts numbers that no summary can hold as bad', async () => {
    await deploy();
    const readings = await stored([1, 2, 3]);
    const arrived = next();
    send([readings[0], { ...readings[1], value: 1e-300 }, { ...readings[2], value: Number.NaN }]);
    const [{ count, bad }] = (await arrived).payload;
    assert.deepEqual([count, bad], [1, 2]);
    assert.match(said('n', 'warn')[0], /line1\/t: .*1e-300.*counted as bad/);
  });

  it('goes on after a stop with its windows open: every reading is in one part', async () => {
    await deploy({ grace: 1.5 });
    const readings = await stored(Array.from({ length: 40 }, (_, i) => i / 4));
    send(readings.slice(0, 25));
    await eventually('they are counted', () => said('n', 'status').at(-1) === 'green: 1 window open');
    await red.unload();
    assert.deepEqual(await parts(), []);

    await deploy();
    const arrived = next();
    // As after a restart: everything comes again from the journal, then what is new.
    send(readings.slice(0, 30), true);
    send(readings.slice(30));
    await arrived;
    await eventually('all are summarised', async () => (await folded()) === summaryOf(readings));
  });

  it('goes on after a crash from its last checkpoint', async () => {
    const readings = await stored(Array.from({ length: 300 }, (_, i) => (i % 50) / 10));
    await deploy();
    send(readings.slice(0, 200));
    await eventually('the first windows are closed', async () => (await parts()).length >= 3);
    // From here on nothing reaches the disk, as after a kill: neither what closes nor what a stop would save.
    const commit = vault.commit.bind(vault);
    let refusals = 0;
    vault.commit = () => {
      refusals++;
      return Promise.reject(new Error('killed'));
    };
    send(readings.slice(200, 290));
    await eventually('a close was refused', () => refusals >= 1);
    await red.unload();
    vault.commit = commit;
    assert.equal(
      (await parts()).reduce((sum, { count }) => sum + count, 0),
      200,
    );

    await deploy();
    const { readings: again } = await vault.journal.read(await vault.checkpoints.replayFrom(), 1000);
    send(again, true);
    await eventually('all are summarised', async () => (await folded()) === summaryOf(readings));
  });

  it('lets others have the event loop while it takes a large batch', async () => {
    await deploy();
    const readings = await stored(Array.from({ length: 60_000 }, (_, i) => (i % 1000) / 10));
    let turns = 0;
    let ended = false;
    const count = (): void => {
      turns++;
      if (!ended) setImmediate(count);
    };
    setImmediate(count);
    const arrived = next();
    send(readings.map((reading) => ({ ...reading, time: START })));
    const before = turns;
    await arrived;
    ended = true;
    assert.equal(before, 0);
    assert.ok(turns > 1, `${turns} turns`);
    assert.deepEqual(
      (await parts()).map((part) => part.count),
      [60_000],
    );
  });

  it('keeps what could not be committed, says why, and commits it later', async () => {
    await deploy();
    const outgoing = await outgoingOf(vault);
    const commitParts = outgoing.commitParts.bind(outgoing);
    let refusals = 0;
    outgoing.commitParts = async () => {
      refusals++;
      throw new Error('the disk is full');
    };
    send(await stored([1, 2, 3]));
    await eventually('it is tried twice', () => refusals >= 2);
    assert.equal(said('n', 'status').at(-1), 'red: the disk is full');
    outgoing.commitParts = commitParts;
    const { payload } = await next();
    assert.equal(payload[0].count, 3);
    assert.equal((await parts()).length, 1);
  });

  it('closes the windows of a node that is removed', async () => {
    await deploy({ grace: 60 });
    const readings = await stored([1, 2, 3]);
    send(readings);
    await eventually('they are counted', () => said('n', 'status').at(-1) === 'green: 1 window open');
    await red.setFlows(flow().filter(({ id }) => id !== 'n'));
    await eventually('its window is in the outbox', async () => (await folded()) === summaryOf(readings));
  });

  for (const [what, options, reason] of [
    ['without a vault', { vault: '' }, /no vault is chosen/],
    ['with a window length that is none', { resolutions: 'weekly' }, /"weekly" is not a window length/],
    [
      'with a rule that is none',
      { rules: [{ series: 'a/#/b' }] },
      /rule 1: series: series pattern has # before its end/,
    ],
    ['with a grace out of range', { grace: -1 }, /grace is -1; a number from 0 to 3600/],
  ] as const)
    it(`says so and does nothing ${what}`, async () => {
      await red.load(NODES, flow(options));
      await eventually('the error is told', () => said('n', 'error').length > 0);
      assert.match(said('n', 'error')[0], reason);
      assert.match(said('n', 'status').at(-1) ?? '', /^red: /);
      send(await stored([1]));
      await eventually('the input is refused', () => said('n', 'error').length >= 2);
    });

  it('refuses a vault whose readings another node summarises already', async () => {
    await red.load(NODES, [...flow(), { ...flow()[2], id: 'n2', wires: [[]] }]);
    await eventually('one of them has said so', () =>
      ['n', 'n2'].some((id) =>
        said(id, 'error').some((text) => /are summarised by another tide-summarize node/.test(text)),
      ),
    );
  });
});
