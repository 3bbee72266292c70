import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import helper from 'node-red-node-test-helper';
import { startCloud, type AlertsAnswer, type RunningCloud, type SummariesAnswer } from '@tidegate/cloud-bridge';
import { readGrants } from '@tidegate/nodes/privacy';
import { bridgeOf, outgoingOf, storeEnrolment, type BridgeStatus } from '@tidegate/nodes/sync';
import type { Vault } from '@tidegate/nodes/vault';
import tideBridge from '../../nodes/src/sync/tide-bridge.ts';
import tideCloud from '../../nodes/src/sync/tide-cloud.ts';
import tideVault from '../../nodes/src/vault/tide-vault.ts';
import { eventually } from '../support/eventually.ts';
import { shownBy, shows } from '../support/shown.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { TemporaryVault } from '../support/temporary-vault.ts';
import { alert, part } from '../unit/sync/rig.ts';

helper.init(createRequire(import.meta.url).resolve('node-red'));

const NODES = [tideVault, tideCloud, tideBridge];
const MINUTE = 29_000_000;

const shown = (id = 'b') => shownBy(helper.getNode(id));
const showing = (text: RegExp, id = 'b'): Promise<void> => shows(() => helper.getNode(id), text);

describe('tide-bridge', function () {
  this.timeout(60_000);
  let root: string;
  let cloud: RunningCloud;
  let link: TcpProxy;
  let kept: TemporaryVault;
  let vault: Vault;
  let token: string;

  before(async () => {
    root = await mkdtemp(path.join(tmpdir(), 'tidegate-bridge-'));
    cloud = await startCloud({ directory: root, port: 0, mqttPort: 0, page: false });
  });

  after(async () => {
    await cloud.stop();
    await rm(root, { recursive: true, force: true });
  });

  let gateways = 0;
  let name: string;

  beforeEach(async () => {
    kept = await TemporaryVault.make();
    vault = await kept.open();
    link = await TcpProxy.open(Number(new URL(cloud.brokerUrl).port));
    name = `north-${++gateways}`;
    token = await cloud.enrol(name);
  });

  afterEach(async () => {
    await helper.unload();
    await link.close();
    await kept.remove();
  });

  const nodes = (options: Record<string, unknown> = {}): Record<string, unknown>[] => [
    { id: 'tab', type: 'tab', label: 'test' },
    { id: 'v', type: 'tide-vault', name: '', directory: kept.directory, keyKind: 'file', keyReference: kept.keyFile },
    { id: 'c', type: 'tide-cloud', name: '', vault: 'v', broker: `mqtt://127.0.0.1:${link.port}`, caFile: '' },
    { id: 'b', type: 'tide-bridge', z: 'tab', name: '', cloud: 'c', interval: '1', wires: [['out']], ...options },
    { id: 'out', type: 'helper', z: 'tab' },
  ];

  const heard: BridgeStatus[] = [];

  async function deploy(flow = nodes(), credentials: Record<string, object> = { c: { token } }): Promise<void> {
    heard.length = 0;
    await helper.load(NODES, flow, credentials);
    helper.getNode('out')?.on('input', (message: { payload: BridgeStatus }) => heard.push(message.payload));
  }

  const get = async <T>(question: string): Promise<T> => {
    const answer = await fetch(new URL(`/api/v1/${question}`, cloud.pageUrl));
    assert.equal(answer.status, 200, await answer.clone().text());
    const body: T = await answer.json();
    return body;
  };
  const summaries = (series: string): Promise<SummariesAnswer> =>
    get(`summaries?gateway=${name}&series=${encodeURIComponent(series)}&resolution=60&from=0&to=${Date.now()}`);
  const alerts = async (): Promise<string[]> =>
    (await get<AlertsAnswer>(`alerts?gateway=${name}`)).alerts.map(({ series }) => series);

  const sealed = async (series: string, minute = MINUTE, ...values: number[]): Promise<void> => {
    await (await outgoingOf(vault)).commitParts([part(vault, series, minute, ...values)], 60, []);
  };

  it('takes what waits to the cloud, and says when it is up to date', async () => {
    await (await outgoingOf(vault)).grant('line1/#');
    await sealed('line1/a', MINUTE, 20, 22);
    await deploy();
    await showing(/^up to date$/);
    await eventually('the summary is there', async () => (await summaries('line1/a')).windows.length === 1);
    assert.equal((await summaries('line1/a')).total?.sum, '42');
    await eventually('the outbox is empty', async () => (await vault.stats()).blocksWaiting === 0);
    assert.equal(heard[0].state, 'offline');
    assert.equal(heard.at(-1)?.state, 'up-to-date');
    assert.equal(shown().fill, 'green');
  });

  it('sends what is sealed later, and alerts that other nodes bring', async () => {
    await (await outgoingOf(vault)).grant('#');
    await deploy();
    await showing(/up to date/);
    await sealed('line1/a', MINUTE, 5);
    helper.getNode('b').receive({ payload: alert(1, 'line1/a'), topic: 'line1/a', tide: { kind: 'alert' } });
    helper.getNode('b').receive({ payload: [alert(2, 'line1/a'), alert(3, 'line1/b')] });
    helper.getNode('b').receive({ payload: [], tide: { kind: 'summaries' } });
    await eventually('three alerts', async () => (await alerts()).length === 3);
    await eventually('the summary', async () => (await summaries('line1/a')).windows.length === 1);
    await eventually('nothing waits', async () => (await vault.stats()).alertsWaiting === 0);
  });

  it('gives and withdraws leave when a message says so', async () => {
    await deploy();
    await showing(/up to date/);
    await sealed('line1/a', MINUTE, 1);
    helper.getNode('b').receive({ topic: 'grant', payload: 'line1/#' });
    await eventually('the grant stands', async () => (await readGrants(vault)).allows('line1/a'));
    await sealed('line1/a', MINUTE + 1, 2);
    await eventually('the second is there', async () => (await summaries('line1/a')).windows.length === 1);
    helper.getNode('b').receive({ topic: 'revoke', payload: { series: 'line1/a', purpose: 'operations' } });
    await eventually('it is withdrawn', async () => !(await readGrants(vault)).allows('line1/a'));
    await sealed('line1/a', MINUTE + 2, 3);
    await sealed('line1/b', MINUTE + 2, 4);
    await eventually('the other series is there', async () => (await summaries('line1/b')).windows.length === 1);
    assert.deepEqual(
      (await summaries('line1/a')).windows.map(({ sum }) => sum),
      ['2'],
    );
  });

  it('says since when it is offline and how much waits, and catches up', async () => {
    await (await outgoingOf(vault)).grant('#');
    await deploy();
    await showing(/up to date/);
    link.cut();
    await showing(/^offline since \d\d:\d\d$/);
    assert.equal(shown().fill, 'grey');
    for (let i = 0; i < 3; i++) await sealed('line1/a', MINUTE + i, i);
    helper.getNode('b').receive({ payload: alert(1, 'line1/a') });
    await showing(/^offline since \d\d:\d\d, 1 alert and 4 blocks wait$/);
    link.restore();
    await showing(/^up to date$/);
    await eventually('all there', async () => (await summaries('line1/a')).windows.length === 3);
    await eventually('the alert too', async () => (await alerts()).length === 1);
  });

  it('goes on after a restart without the token', async () => {
    await (await outgoingOf(vault)).grant('#');
    await deploy();
    await showing(/up to date/);
    await helper.unload();
    assert.equal(bridgeOf(vault), undefined, 'closed');
    await sealed('line1/a', MINUTE, 7);
    await deploy(nodes(), {});
    await eventually('there', async () => (await summaries('line1/a')).windows.length === 1);
  });

  it('keeps its identity when the used token is still in the flow', async () => {
    await deploy();
    await showing(/up to date/);
    await helper.unload();
    await deploy();
    await showing(/up to date/);
  });

  it('waits without an error until the gateway is enrolled', async () => {
    await deploy(nodes(), {});
    await showing(/^not enrolled with a cloud$/);
    assert.equal(shown().fill, 'grey');
    await storeEnrolment(vault, token);
    await showing(/up to date/);
  });

  it('takes an enrolment that a gateway stored in the vault, and the broker from the token', async () => {
    await storeEnrolment(vault, token);
    const flow = nodes();
    flow[2].broker = '${TIDEGATE_NO_SUCH_VARIABLE}';
    await deploy(flow, {});
    await showing(/up to date/);
  });

  it('leaves the vault to one bridge', async () => {
    const second = { id: 'b2', type: 'tide-bridge', z: 'tab', name: '', cloud: 'c', interval: '1', wires: [[]] };
    await deploy([...nodes(), second]);
    await showing(/up to date/);
    await showing(/another tide-bridge/, 'b2');
    assert.equal(shown('b2').fill, 'red');
  });

  const wrong: [what: string, change: (flow: Record<string, unknown>[]) => void, credentials: object, says: RegExp][] =
    [
      ['a token that is none', () => undefined, { token: 'tg1.nonsense' }, /enrolment token is not one/],
      ['no cloud', (flow) => (flow[3].cloud = ''), {}, /no cloud is chosen/],
      ['no vault', (flow) => (flow[2].vault = ''), {}, /no vault is chosen/],
      ['an interval of nothing', (flow) => (flow[3].interval = '0'), {}, /interval is "0"/],
      ['a broker that is no URL', (flow) => (flow[2].broker = 'cloud.example'), {}, /is no URL/],
      ['a CA file for no TLS', (flow) => (flow[2].caFile = '/nowhere/ca.pem'), {}, /speaks no TLS/],
    ];
  for (const [what, change, credentials, says] of wrong) {
    it(`shows what is wrong with ${what}`, async () => {
      const flow = nodes();
      change(flow);
      await deploy(flow, { c: { token, ...credentials } });
      await showing(says);
      assert.equal(shown().fill, 'red');
    });
  }

  it('shows the cloud’s reason when the token was used by another gateway', async () => {
    await deploy();
    await showing(/up to date/);
    await helper.unload();
    const other = await TemporaryVault.make();
    const flow = nodes();
    Object.assign(flow[1], { directory: other.directory, keyReference: other.keyFile });
    await deploy(flow);
    await showing(/does not know this gateway.*/);
    await helper.unload();
    await other.remove();
  });

  it('reports messages that it cannot use, and goes on', async () => {
    await deploy();
    await showing(/up to date/);
    const node = helper.getNode('b');
    const errors: string[] = [];
    node.on('call:error', (call: { args: unknown[] }) => errors.push(String(call.args[0])));
    for (const payload of ['hello', 5, { id: 'x', revision: 1, series: 'a', severity: 'bad', text: '' }])
      node.receive({ payload });
    node.receive({ topic: 'grant', payload: 'a/#/b' });
    node.receive({ topic: 'revoke', payload: 5 });
    await eventually('five errors', () => errors.length === 5);
    assert.match(errors.join('\n'), /takes alerts/);
    assert.match(errors.join('\n'), /# before its end/);
  });
});
