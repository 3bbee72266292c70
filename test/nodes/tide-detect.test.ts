import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import helper from 'node-red-node-test-helper';
import { type Alert, decodeAlert } from '@tidegate/nodes/detect';
import type { Reading } from '@tidegate/nodes/reading';
import { outgoingOf } from '@tidegate/nodes/sync';
import type { Vault } from '@tidegate/nodes/vault';
import tideDetect from '../../nodes/src/detect/tide-detect.ts';
import tideVault from '../../nodes/src/vault/tide-vault.ts';
import { eventually } from '../support/eventually.ts';
import { TemporaryVault } from '../support/temporary-vault.ts';

helper.init(createRequire(import.meta.url).resolve('node-red'));

const START = Date.UTC(2026, 0, 5, 12);
const HIGH = { series: '#', kind: 'limits', high: 8 };

interface AlertMessage {
  topic: string;
  payload: Alert;
  tide: unknown;
}

interface Status {
  fill?: string;
  text?: string;
}

/** What the node shows. */
function status(): Status {
  const calls: Status[][] = helper.getNode('n').status.args;
  return calls.at(-1)?.[0] ?? {};
}

const ready = (): Promise<void> => eventually('it detects', () => /readings?/.test(status().text ?? ''), 5000);

function send(payload: unknown, replay = false): void {
  helper.getNode('n').receive({ payload, tide: { kind: 'readings', source: 'door', replay } });
}

describe('tide-detect', function () {
  this.timeout(30_000);
  let kept: TemporaryVault;
  let vault: Vault;
  /** What came out, since the start of the test. */
  let batches: Reading[][];
  let alerts: Alert[];
  let errors: string[];

  beforeEach(async () => {
    kept = await TemporaryVault.make();
    vault = await kept.open();
    await (await outgoingOf(vault)).grant('line1/#');
    [batches, alerts, errors] = [[], [], []];
  });

  afterEach(async () => {
    await helper.unload();
    await kept.remove();
  });

  const flow = (options: Record<string, unknown> = {}): Record<string, unknown>[] => [
    { id: 'v', type: 'tide-vault', name: '', directory: kept.directory, keyKind: 'file', keyReference: kept.keyFile },
    {
      id: 'n',
      type: 'tide-detect',
      z: 'tab',
      vault: 'v',
      sensitivity: 'off',
      saveMinutes: '10',
      rules: [HIGH],
      wires: [['readings'], ['alerts']],
      ...options,
    },
    { id: 'readings', type: 'helper', z: 'tab' },
    { id: 'alerts', type: 'helper', z: 'tab' },
  ];

  async function deploy(options?: Record<string, unknown>): Promise<void> {
    await helper.load([tideVault, tideDetect], flow(options));
    helper.getNode('readings').on('input', ({ payload }: { payload: Reading[] }) => void batches.push(payload));
    helper.getNode('alerts').on('input', ({ topic, payload, tide }: AlertMessage) => {
      assert.deepEqual([topic, tide], [payload.series, { kind: 'alert' }]);
      alerts.push(payload);
    });
    helper.getNode('n').on('call:error', (call: { args: unknown[] }) => errors.push(String(call.args[0])));
  }

  /** Commits readings a second apart as a door does, and gives them back with their positions. */
  async function stored(values: readonly Reading['value'][], from = 0, series = 'line1/t'): Promise<Reading[]> {
    const readings = values.map((value, i): Reading => ({
      series,
      time: START + (from + i) * 1000,
      value,
      quality: 'good',
      clock: 'device',
      unit: 'bar',
    }));
    const first = await vault.journal.append({ source: 'door', readings });
    return readings.map((reading, i) => ({ ...reading, position: first + i }));
  }

  const queued = async (): Promise<Alert[]> =>
    (await vault.outbox.alerts(100, new Set())).map(({ body }) => decodeAlert(body));

  it('passes readings on in order, marks those in alarm, and raises an alert that is in the outbox', async () => {
    await deploy();
    await ready();
    send(await stored([5, 9, 9.5]));
    send(await stored([5, 5], 3));
    await eventually('two alerts', () => alerts.length === 2);
    const passed = batches.flat();
    assert.deepEqual(
      passed.map(({ value, anomaly }) => [value, anomaly !== undefined]),
      [
        [5, false],
        [9, true],
        [9.5, true],
        [5, false],
        [5, false],
      ],
    );
    assert.deepEqual(
      alerts.map(({ state, revision, kind, text }) => [state, revision, kind, text]),
      [
        ['open', 1, 'limits', '9 bar is above the warning limit 8 bar'],
        ['closed', 2, 'limits', '9 bar is above the warning limit 8 bar'],
      ],
    );
    assert.deepEqual(await queued(), alerts);
    await eventually('the status counts', () => status().text === '5 readings' && status().fill === 'green');
  });

  it('saves what it has learnt when the vault wants it, without waiting for its turn', async () => {
    await deploy();
    await ready();
    const savedTo = async (): Promise<number> => (await vault.checkpoints.load('n'))?.series[0]?.position ?? 0;
    send(await stored([5, 6]));
    await eventually('the first save', async () => (await savedTo()) === 2, 5_000);
    send(await stored([5, 6, 7], 2));
    await vault.keys.shred('1990-01');
    await eventually('the old journal key is gone', async () => (await vault.keys.status()).journalKeys === 1, 15_000);
    assert.equal(await savedTo(), 5);
    assert.equal((await vault.checkpoints.load('n'))?.replayFrom, 6);
    assert.deepEqual(errors, []);
  });

  it('has committed an alert before it sends it, and does not hold up readings for it', async () => {
    await deploy();
    await ready();
    const outgoing = await outgoingOf(vault);
    const commitAlert = outgoing.commitAlert.bind(outgoing);
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    outgoing.commitAlert = async (...given) => {
      await held;
      await commitAlert(...given);
    };
    send(await stored([5, 9]));
    await eventually('the readings have passed', () => batches.length === 1);
    assert.deepEqual([alerts.length, (await queued()).length], [0, 0]);
    release();
    await eventually('the alert is sent', () => alerts.length === 1);
    assert.equal((await queued()).length, 1);
  });

  it('tries an alert again that could not be committed, and says why', async () => {
    await deploy();
    await ready();
    const outgoing = await outgoingOf(vault);
    const commitAlert = outgoing.commitAlert.bind(outgoing);
    let refusals = 0;
    outgoing.commitAlert = (...given) =>
      refusals++ === 0 ? Promise.reject(new Error('the disk is full')) : commitAlert(...given);
    send(await stored([9]));
    await eventually('the alert is sent', () => alerts.length === 1);
    assert.deepEqual(errors, ['cannot keep an alert: the disk is full']);
    assert.equal((await queued()).length, 1);
  });

  it('keeps the alert of a series without a grant at home', async () => {
    await deploy();
    await ready();
    send(await stored([9], 0, 'secret/t'));
    await eventually('the alert is sent', () => alerts.length === 1);
    assert.deepEqual(await queued(), []);
  });

  it('gives the same verdicts with a restart as without', async () => {
    // Enough for auto to have learnt something; the spike comes after the restart.
    const values = Array.from({ length: 600 }, (_, i) => (i === 550 ? 30 : 20 + ((i * 7919) % 13) / 10));
    await deploy({ sensitivity: 'normal', rules: [] });
    await ready();
    const readings = await stored(values);
    send(structuredClone(readings));
    await eventually('an alert without a restart', () => alerts.length === 1);
    const expected = alerts.splice(0);
    await helper.unload();

    const again = await kept.open();
    await again.commit([{ kind: 'forget-consumer', consumer: 'n' }]);
    for (const alert of await again.outbox.alerts(100, new Set()))
      await again.commit([{ kind: 'alerts-acknowledged', alerts: [alert] }]);
    await deploy({ sensitivity: 'normal', rules: [] });
    await ready();
    send(structuredClone(readings.slice(0, 300)));
    await eventually('the first half has passed', () => batches.length === 2);
    await helper.unload();
    await deploy({ sensitivity: 'normal', rules: [] });
    await ready();
    send(structuredClone(readings.slice(200)), true);
    await eventually('an alert with a restart', () => alerts.length === 1);
    assert.deepEqual(alerts, expected);
  });

  it('raises after a crash what was not committed, under the same id, and nothing twice', async () => {
    await deploy();
    await ready();
    const outgoing = await outgoingOf(vault);
    const commitAlert = outgoing.commitAlert.bind(outgoing);
    send(await stored([5, 9]));
    await eventually('the first alert', () => alerts.length === 1);
    const tried: Alert[] = [];
    outgoing.commitAlert = (alert) => {
      tried.push(alert);
      return Promise.reject(new Error('power is failing'));
    };
    send(await stored([5, 9.7], 2));
    await eventually('the others are tried', () => tried.length > 0);
    await helper.unload();
    outgoing.commitAlert = commitAlert;
    assert.equal((await queued()).length, 1);

    alerts = [];
    await deploy();
    await ready();
    const { readings } = await vault.journal.read(await vault.checkpoints.replayFrom(), 1000);
    send(readings, true);
    await eventually('they are raised again', () => alerts.length === 2);
    assert.equal(alerts[0].id, tried[0].id);
    assert.deepEqual(
      (await queued()).map(({ revision, state, value }) => [revision, state, value]),
      [
        [1, 'open', 9],
        [2, 'closed', 9],
        [1, 'open', 9.7],
      ],
    );
  });

  it('learns from what lay in the vault before it came, without alerts', async () => {
    const old = await stored([5, 9, 5, 9]);
    await deploy();
    await ready();
    send(old.slice(0, 3), true);
    send(await stored([5, 9], 4));
    await eventually('one alert', () => alerts.length === 1);
    assert.equal(alerts[0].time, START + 5000);
    assert.equal(batches.length, 2);
    assert.ok(batches[0][1].anomaly !== undefined);
  });

  it('saves what it learnt while it runs', async () => {
    await deploy();
    await ready();
    send(await stored([5, 6]));
    await eventually('a checkpoint', async () => (await vault.checkpoints.load('n'))?.series.length === 1);
    assert.equal((await vault.checkpoints.load('n'))?.series[0]?.position, 2);
  });

  it('leaves nothing in the vault once it is removed', async () => {
    await deploy();
    await ready();
    send(await stored([5, 9]));
    await eventually('the alert', () => alerts.length === 1);
    await helper.setFlows(flow().filter(({ id }) => id !== 'n'));
    await eventually('it is forgotten', async () => (await vault.checkpoints.load('n')) === undefined);
    assert.deepEqual(await vault.documents.list('detect'), []);
  });

  it('notices silence by itself', async () => {
    await deploy({ rules: [{ series: '#', kind: 'silence', seconds: 0.5 }] });
    await ready();
    send(await stored([5]));
    await eventually('the alert', () => alerts.length === 1);
    assert.equal(alerts[0].kind, 'silence');
    assert.match(alerts[0].text, /^no reading for/);
    send(await stored([5], 10));
    await eventually('it closes', () => alerts.length === 2);
    assert.equal(alerts[1].state, 'closed');
  });

  it('takes a large batch in slices and keeps the order of batches', async () => {
    await deploy({ sensitivity: 'normal' });
    await ready();
    const many = await stored(Array.from({ length: 20_000 }, (_, i) => i % 5));
    let turns = 0;
    const turn = setInterval(() => turns++, 1);
    send(many);
    send(await stored([1], 20_000));
    await eventually('both have passed', () => batches.length === 2);
    clearInterval(turn);
    assert.deepEqual(
      batches.map(({ length }) => length),
      [20_000, 1],
    );
    assert.ok(turns > 0, 'the event loop turned meanwhile');
  });

  it('detects without a vault, in memory', async () => {
    await deploy({ vault: '' });
    await ready();
    send({ series: 'line1/t', time: START, value: 9, quality: 'good', clock: 'device' });
    await eventually('the alert', () => alerts.length === 1);
    assert.deepEqual(await queued(), []);
  });

  it('refuses what is no reading, and goes on', async () => {
    await deploy();
    await ready();
    send('hot');
    send(await stored([5]));
    await eventually('the good one has passed', () => batches.length === 1);
    assert.equal(errors.length, 1);
    assert.match(errors[0], /payload is a string; a reading is \{series, time, value, quality\}/);
  });

  for (const [what, options, reason] of [
    ['a vault that is not there', { vault: 'gone' }, /vault that is set for this node does not exist/],
    ['a sensitivity that is none', { sensitivity: 'extreme' }, /sensitivity is "extreme"; off, low, normal, high/],
    ['rules that are wrong', { rules: [{ series: 'a', kind: 'rate' }] }, /rule 1: change/],
  ] as const)
    it(`says so and does nothing with ${what}`, async () => {
      await helper.load([tideVault, tideDetect], flow(options));
      const node = helper.getNode('n');
      await eventually('the error is told', () => node.error.called);
      assert.match(String(node.error.args[0][0]), reason);
      assert.equal(status().fill, 'red');
      send([]);
      await eventually('the input is refused', () => node.error.callCount >= 2);
    });
});
