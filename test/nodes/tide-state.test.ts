import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import helper from 'node-red-node-test-helper';
import { sharedStateOf } from '@tidegate/nodes/state';
import type { Vault } from '@tidegate/nodes/vault';
import tideState from '../../nodes/src/state/tide-state.ts';
import tideVault from '../../nodes/src/vault/tide-vault.ts';
import { eventually } from '../support/eventually.ts';
import { shownBy, shows } from '../support/shown.ts';
import { TemporaryVault } from '../support/temporary-vault.ts';

helper.init(createRequire(import.meta.url).resolve('node-red'));

interface StateMessage {
  topic: string;
  payload: unknown;
  tide: { kind: string; stamp: { wall: number; counter: number; writer: string } };
  [property: string]: unknown;
}

const stamp = (wall: number) => ({ wall, counter: 0, writer: 'cloud' });

const showing = (text: RegExp): Promise<void> => shows(() => helper.getNode('n'), text);

describe('tide-state', function () {
  this.timeout(30_000);
  let kept: TemporaryVault;
  let vault: Vault;
  let heard: StateMessage[];

  beforeEach(async () => {
    kept = await TemporaryVault.make();
    vault = await kept.open();
  });

  afterEach(async () => {
    await helper.unload();
    await kept.remove();
  });

  async function deploy(options: Record<string, unknown> = {}): Promise<void> {
    heard = [];
    await helper.load(
      [tideVault, tideState],
      [
        { id: 'tab', type: 'tab', label: 'test' },
        {
          id: 'v',
          type: 'tide-vault',
          name: '',
          directory: kept.directory,
          keyKind: 'file',
          keyReference: kept.keyFile,
        },
        { id: 'n', type: 'tide-state', z: 'tab', name: '', vault: 'v', keys: '', wires: [['out']], ...options },
        { id: 'out', type: 'helper', z: 'tab' },
      ],
    );
    helper.getNode('out').on('input', (message: StateMessage) => heard.push(message));
  }

  /** As the bridge does when the cloud sends documents. */
  const fromCloud = async (key: string, value: unknown, wall: number): Promise<void> => {
    await (await sharedStateOf(vault)).apply([{ key, value, stamp: stamp(wall) }], Date.now());
  };
  const values = (): [string, unknown][] => heard.map(({ topic, payload }) => [topic, payload]);

  it('brings out what the cloud sets, once it is stored', async () => {
    await deploy();
    await showing(/^nothing from the cloud yet$/);
    await fromCloud('pump1/setpoint', 42.5, 1000);
    await eventually('the value comes out', () => heard.length === 1);
    const { _msgid, ...message } = heard[0];
    assert.deepEqual(message, { topic: 'pump1/setpoint', payload: 42.5, tide: { kind: 'state', stamp: stamp(1000) } });
    assert.deepEqual(await vault.documents.get('state', 'pump1/setpoint'), { value: 42.5, stamp: stamp(1000) });
    await showing(/^1 value in force$/);
  });

  it('brings out everything in force when it starts, also from a vault that was closed and opened again', async () => {
    await fromCloud('a', 1, 1000);
    await fromCloud('b', { open: true }, 1001);
    await fromCloud('a', 2, 1002);
    await vault.close();
    kept.forget(vault);
    await deploy();
    await eventually('both come out', () => heard.length === 2);
    assert.deepEqual(
      new Map(values()),
      new Map<string, unknown>([
        ['a', 2],
        ['b', { open: true }],
      ]),
    );
    await showing(/^2 values in force$/);
  });

  it('answers a question that is asked before the vault is open', async () => {
    await fromCloud('a', 1, 1000);
    await deploy();
    helper.getNode('n').receive({ payload: 'asked with the start' });
    await eventually('the answer comes out beside what the start brings out', () => heard.length === 2);
    assert.deepEqual(values(), [
      ['a', 1],
      ['a', 1],
    ]);
    await showing(/^1 value in force$/);
  });

  it('keeps quiet about an older write that comes late', async () => {
    await deploy();
    await showing(/nothing/);
    await fromCloud('a', 'new', 2000);
    await fromCloud('a', 'old', 1000);
    await fromCloud('b', 1, 1);
    await eventually('what won comes out', () => heard.length === 2);
    assert.deepEqual(values(), [
      ['a', 'new'],
      ['b', 1],
    ]);
  });

  it('brings out only the keys that it is set to', async () => {
    await fromCloud('pump1/setpoint', 1, 1000);
    await fromCloud('pump2/setpoint', 2, 1000);
    await deploy({ keys: 'pump2/#' });
    await eventually('one comes out', () => heard.length === 1);
    await fromCloud('pump1/setpoint', 3, 2000);
    await fromCloud('pump2/mode', 'auto', 2000);
    await eventually('another one', () => heard.length === 2);
    assert.deepEqual(values(), [
      ['pump2/setpoint', 2],
      ['pump2/mode', 'auto'],
    ]);
  });

  it('answers a message with what is in force, and keeps what else the message says', async () => {
    await fromCloud('pump1/setpoint', 1, 1000);
    await fromCloud('pump2/setpoint', 2, 1000);
    await deploy();
    await eventually('both come out', () => heard.length === 2);
    helper.getNode('n').receive({ topic: 'pump2/setpoint', asked: 'by me' });
    await eventually('the answer', () => heard.length === 3);
    assert.deepEqual([heard[2].payload, heard[2]['asked']], [2, 'by me']);
    helper.getNode('n').receive({ topic: '+/setpoint' });
    helper.getNode('n').receive({});
    await eventually('two and two more', () => heard.length === 7);
  });

  it('does not let a flow change what is in force by changing the message', async () => {
    await fromCloud('recipe', { steps: [1, 2] }, 1000);
    await deploy();
    await eventually('it comes out', () => heard.length === 1);
    const { payload } = heard[0];
    assert.ok(typeof payload === 'object' && payload !== null && 'steps' in payload && Array.isArray(payload.steps));
    payload.steps.push(3);
    helper.getNode('n').receive({ topic: 'recipe' });
    await eventually('the answer', () => heard.length === 2);
    assert.deepEqual(heard[1].payload, { steps: [1, 2] });
  });

  it('says what is wrong with a question or a setting', async () => {
    await deploy();
    await showing(/nothing/);
    const errors: string[] = [];
    helper.getNode('n').on('call:error', (call: { args: unknown[] }) => errors.push(String(call.args[0])));
    helper.getNode('n').receive({ topic: 'a/#/b' });
    await eventually('an error', () => errors.length === 1);
    assert.match(errors[0], /# before its end/);
    await helper.unload();
    await deploy({ keys: 'a#' });
    await showing(/mixes a wildcard/);
    assert.equal(shownBy(helper.getNode('n')).fill, 'red');
    await helper.unload();
    await deploy({ vault: '' });
    await showing(/no vault is chosen/);
  });

  it('is silent once it is closed', async () => {
    await deploy();
    await showing(/nothing/);
    await helper.unload();
    await fromCloud('a', 1, 1000);
    await sleep(100);
    assert.deepEqual(heard, []);
  });
});
