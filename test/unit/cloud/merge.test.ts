import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { deflateRawSync } from 'node:zlib';

import { startCloud, type RunningCloud } from '@tidegate/cloud-bridge';
import type {
  AlertsAnswer,
  GapsAnswer,
  GatewayView,
  GatewaysAnswer,
  SummariesAnswer,
  SummaryView,
} from '@tidegate/cloud-bridge';
import type { Alert } from '@tidegate/nodes/detect';
import { CATALOGUE_STREAM, encodeCatalogue, encodeCbor, makeIdentity } from '@tidegate/nodes/sync';

import { eventually } from '../../support/eventually.ts';
import { HandMadeGateway, blockOf, partOf } from '../../support/hand-made-gateway.ts';

const STREAM = 'operations/60';
const ALERT: Alert = {
  id: 'ab'.repeat(16),
  revision: 1,
  series: 'pump/flow',
  time: 1_700_000_000_000,
  state: 'open',
  severity: 'critical',
  kind: 'limits',
  value: 12.5,
  expected: { high: 10 },
  text: 'above 10',
};

const acknowledged = async (of: HandMadeGateway, stream: string): Promise<unknown> =>
  (await of.answer('ack')).streams[stream];

describe('merging, over a broker', function () {
  this.timeout(20_000);
  let directory: string;
  let cloud: RunningCloud;
  const open: HandMadeGateway[] = [];
  let count = 0;

  before(async () => {
    directory = mkdtempSync(path.join(os.tmpdir(), 'tidegate-cloud-merge-'));
    cloud = await startCloud({ directory, port: 0, mqttPort: 0, page: false });
  });
  after(async () => {
    await cloud.stop();
    rmSync(directory, { recursive: true, force: true });
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((gateway) => gateway.close()));
  });

  /** A new gateway with a name of its own, welcome at the cloud. */
  async function gateway(own: Parameters<typeof HandMadeGateway.enrolled>[2] = {}): Promise<HandMadeGateway> {
    const made = await HandMadeGateway.enrolled(cloud.brokerUrl, await cloud.enrol(`g${++count}`), own);
    open.push(made);
    return made;
  }
  async function stranger(token: string): Promise<HandMadeGateway> {
    const made = await HandMadeGateway.connect(cloud.brokerUrl, token);
    open.push(made);
    return made;
  }
  async function get<T>(what: string): Promise<T> {
    const response = await fetch(`${cloud.pageUrl}/api/v1/${what}`);
    assert.ok(response.ok, `${what}: ${response.status}`);
    const body: T = JSON.parse(await response.text());
    return body;
  }
  async function view(of: HandMadeGateway): Promise<GatewayView> {
    const { gateways } = await get<GatewaysAnswer>('gateways');
    return gateways.find((candidate) => candidate.gateway === of.token.gateway)!;
  }
  async function total(of: HandMadeGateway, series = 'pump/flow'): Promise<SummaryView | null> {
    const query = new URLSearchParams({
      gateway: of.token.gateway,
      series,
      resolution: '60',
      from: '0',
      to: '9999999999',
    });
    return (await get<SummariesAnswer>(`summaries?${query}`)).total;
  }
  it('welcomes a gateway that enrols, and says what it holds when it comes again', async () => {
    const made = await gateway();
    await made.blocks(STREAM, [blockOf(1, partOf(1, 0, 5)), blockOf(2, partOf(1, 60_000, 6)), blockOf(5)]);
    await made.answer('ack');
    await made.hello({ streams: { [STREAM]: { lowest: 1, sealed: 9 } } });
    const { streams, credits, time } = await made.answer('welcome');
    assert.deepEqual(streams, {
      [STREAM]: [
        [1, 2],
        [5, 5],
      ],
    });
    assert.ok(credits > 0 && Math.abs(time - Date.now()) < 60_000);
    const { online, blocksMissing, software } = await view(made);
    assert.deepEqual([online, blocksMissing, software], [true, 6, 'hand-made 1']);
  });

  it('tells a gateway that was restored from an older copy that a newer one was here', async () => {
    const made = await gateway();
    await made.blocks(STREAM, [blockOf(7, partOf(1, 0, 5))]);
    await made.answer('ack');
    await made.hello({ streams: { [STREAM]: { lowest: 4, sealed: 5 } } });
    assert.deepEqual((await made.answer('welcome')).streams, { [STREAM]: [[7, 7]] });
  });

  it('merges blocks once, whatever is repeated and in whatever order they come', async () => {
    const made = await gateway();
    const frames = [
      await made.blocks(STREAM, [blockOf(2, partOf(1, 0, 4, 4.5))]),
      await made.blocks(STREAM, [blockOf(1, partOf(1, 0, 1.1, 2.2), partOf(2, 0, 9))]),
      await made.names(1, 'pump/flow', 'pump/power'),
    ];
    for (const frame of frames.slice(0, 2)) await made.publish(made.topic('fill'), frame);
    for (const frame of [...frames, ...frames.toReversed()]) await made.publish(made.topic('live'), frame);
    await made.blocks(STREAM, [blockOf(1, partOf(1, 0, 1.1, 2.2), partOf(2, 0, 9)), blockOf(3)]);
    // Both went through the same lane, in order: what was sent before block 3 is merged with it.
    for (let last = 0; last < 3;) last = (await made.answer('ack')).streams[STREAM]?.at(-1)?.[1] ?? last;
    const { count: readings, sum, parts, min, max } = (await total(made))!;
    assert.deepEqual([readings, sum, parts, min, max], [4, '11.8', 2, 1.1, 4.5]);
    assert.equal((await view(made)).parts, 3);
    await eventually('live frames on the topic of fill are refused', async () =>
      /signature/.test((await view(made)).refusedReason ?? ''),
    );
  });

  it('acknowledges only what is committed, and every block of it', async () => {
    const made = await gateway();
    const blocks = Array.from({ length: 300 }, (_, i) =>
      blockOf(i + 1, partOf(1, 60_000 * i, i), partOf(2, 60_000 * i, 1)),
    );
    for (let i = 0; i < blocks.length; i += 50) await made.blocks(STREAM, blocks.slice(i, i + 50));
    const held = new Set<number>();
    while (held.size < blocks.length) {
      for (const [from, to] of (await made.answer('ack')).streams[STREAM]) {
        for (let number = from; number <= to; number++) held.add(number);
      }
      assert.ok((await view(made)).parts >= 2 * held.size, 'acknowledged before it was readable');
    }
    await made.names(1, 'pump/flow');
    await made.answer('ack');
    assert.equal((await total(made))!.count, 300);
  });

  it('takes in declared gaps, shows what was lost, and acknowledges each time it is told', async () => {
    const made = await gateway();
    await made.hello({ streams: { [STREAM]: { lowest: 1, sealed: 9_000 } } });
    await made.answer('welcome');
    const gap = {
      id: 7,
      last: 9,
      writer: Buffer.from(made.incarnation).toString('hex'),
      at: 1_700_000_000_000,
      cause: 'quota' as const,
      what: 'blocks' as const,
      count: 9_000,
      timeFrom: 1_600_000_000_000,
      timeTo: 1_700_000_000_000,
      stream: STREAM,
      blocks: [[1, 9_000]] as [number, number][],
      coarsest: 3600,
    };
    for (let i = 0; i < 2; i++) {
      await made.gaps(gap, { ...gap, id: 12, last: 12, cause: 'damaged', blocks: [[3, 3]], count: 1 });
      assert.deepEqual((await made.answer('ack')).gaps, [
        [7, 9],
        [12, 12],
      ]);
    }
    const { gaps, blocksMissing } = await view(made);
    assert.deepEqual([gaps, blocksMissing], [2, 0]);
    const shown = await get<GapsAnswer>(`gaps?gateway=${made.token.gateway}`);
    assert.deepEqual(shown.gaps.map(({ cause, count, coarsest }) => `${cause} ${count} ${coarsest}`).toSorted(), [
      'damaged 1 3600',
      'quota 9000 3600',
    ]);
  });

  it('sets a fork aside and shows it', async () => {
    const made = await gateway();
    await made.blocks(STREAM, [blockOf(1, partOf(1, 0, 5))]);
    await made.answer('ack');
    await made.blocks(STREAM, [blockOf(1, partOf(1, 0, 6))]);
    await made.answer('ack');
    await made.names(1, 'pump/flow');
    await made.answer('ack');
    assert.equal((await view(made)).forks, 1);
    assert.equal((await total(made))!.sum, '5');
  });

  it('takes a block that was sent again without a series that lost its grant for no fork', async () => {
    const made = await gateway();
    await made.blocks(STREAM, [blockOf(1, partOf(1, 0, 5), partOf(2, 0, 6))]);
    await made.answer('ack');
    await made.blocks(STREAM, [blockOf(1, partOf(1, 0, 5))]);
    assert.deepEqual(await acknowledged(made, STREAM), [[1, 1]]);
    assert.equal((await view(made)).forks, 0);
  });

  it('sets a block aside that it cannot read, says so, and goes on with the others of its frame', async () => {
    const made = await gateway();
    await made.blocks(STREAM, [
      blockOf(1, partOf(1, 0, 5)),
      { number: 2, body: randomBytes(100) },
      // Not a window of sixty seconds.
      blockOf(3, partOf(1, 61_000, 5)),
      { number: 4, body: new Uint8Array((1 << 20) + 1) },
    ]);
    const poison = [await made.answer('nack'), await made.answer('nack'), await made.answer('nack')];
    assert.deepEqual(
      poison.map(({ code, stream, blocks }) => [code, stream, blocks]),
      [2, 3, 4].map((number) => ['poison', STREAM, [[number, number]]]),
    );
    assert.match(poison[1].reason, /61000/);
    assert.equal((await view(made)).parts, 1);
    await made.hello({ streams: { [STREAM]: { lowest: 1, sealed: 4 } } });
    assert.deepEqual((await made.answer('welcome')).streams, { [STREAM]: [[1, 1]] });
    assert.equal((await view(made)).blocksMissing, 0);
  });

  it('commits alerts, once for each revision, and keeps the newest', async () => {
    const made = await gateway();
    const closed: Alert = { ...ALERT, revision: 2, state: 'closed', closed: ALERT.time + 5 };
    await made.alert(ALERT);
    assert.deepEqual((await made.answer('ack')).alerts, [[ALERT.id, 1]]);
    await made.alert(closed);
    await made.answer('ack');
    await made.alert(ALERT);
    assert.deepEqual((await made.answer('ack')).alerts, [[ALERT.id, 1]], 'a repeated one is acknowledged again');
    const { alerts } = await get<AlertsAnswer>(`alerts?gateway=${made.token.gateway}`);
    assert.deepEqual(
      alerts.map(({ revision, state, text, series, expected }) => [revision, state, text, series, expected]),
      [[2, 'closed', 'above 10', 'pump/flow', { high: 10 }]],
    );
    assert.ok(alerts[0].committedAt > 0 && alerts[0].cursor > 0);
  });

  it('sets an alert aside that it cannot read, so that the gateway can go on', async () => {
    const made = await gateway();
    await made.alert({ ...ALERT, id: 'cd'.repeat(16) }, randomBytes(40));
    assert.deepEqual((await made.answer('ack')).alerts, [['cd'.repeat(16), 1]]);
    await eventually('it is shown', async () => /alert cdcd/.test((await view(made)).refusedReason ?? ''));
    assert.deepEqual((await get<AlertsAnswer>(`alerts?gateway=${made.token.gateway}`)).alerts, []);
  });

  it('overtakes queued blocks with an alert', async () => {
    const made = await gateway();
    const blocks = Array.from({ length: 2000 }, (_, i) => blockOf(i + 1, partOf(1, 60_000 * i, i)));
    for (let i = 0; i < blocks.length; i += 10) void made.blocks(STREAM, blocks.slice(i, i + 10));
    await made.alert({ ...ALERT, id: 'ef'.repeat(16) });
    let before = 0;
    for (;;) {
      const { alerts, streams } = await made.answer('ack');
      if (alerts.length > 0) break;
      for (const [from, to] of streams[STREAM]) before += to - from + 1;
    }
    assert.ok(before < 1500, `${before} of 2000 blocks were acknowledged before the alert`);
  });

  describe('does not believe', () => {
    it('a token that was used by other keys', async () => {
      const token = await cloud.enrol('twice');
      const first = await HandMadeGateway.enrolled(cloud.brokerUrl, token);
      open.push(first);
      const second = await stranger(token);
      await second.hello({ enrol: second.enrolment() });
      const { code, reason } = await second.answer('nack');
      assert.equal(code, 'unknown');
      assert.match(reason, /has been used/);
      await first.hello({ enrol: first.enrolment() });
      await first.answer('welcome');
    });

    it('a token of another gateway, a made-up one, or none', async () => {
      const made = await stranger(await cloud.enrol('lonely'));
      await made.hello();
      assert.match((await made.answer('nack')).reason, /does not know/);
      await made.hello({ enrol: { token: '0123456789abcdef', proof: randomBytes(32) } });
      assert.match((await made.answer('nack')).reason, /did not make/);
      await made.hello({ enrol: { token: made.token.id, proof: randomBytes(32) } });
      assert.match((await made.answer('nack')).reason, /proof/);
      const other = await stranger(await cloud.enrol('other'));
      await made.hello({ enrol: other.enrolment() });
      assert.match((await made.answer('nack')).reason, /another name/);
    });

    it('frames that are signed with other keys', async () => {
      const made = await gateway();
      const thief = await HandMadeGateway.connect(cloud.brokerUrl, await cloud.enrol(made.token.gateway), {
        identity: makeIdentity(),
      });
      open.push(thief);
      await thief.blocks(STREAM, [blockOf(1, partOf(1, 0, 5))]);
      await eventually('the frame is refused', async () => (await view(made)).refused === 1);
      assert.match((await view(made)).refusedReason!, /signature/);
      assert.equal((await view(made)).parts, 0);
    });

    it('a frame that was moved to another gateway', async () => {
      const [made, other] = [await gateway(), await gateway()];
      const frame = await made.blocks(STREAM, [blockOf(1, partOf(1, 0, 5))]);
      await made.answer('ack');
      await other.publish(other.topic('live'), frame);
      await eventually('the frame is refused', async () => (await view(other)).refused === 1);
      assert.equal((await view(other)).parts, 0);
    });

    it('news in a HELLO that was recorded and is played again', async () => {
      const made = await gateway();
      const old = await made.hello({ streams: { [STREAM]: { lowest: 1, sealed: 50 } } });
      await made.answer('welcome');
      await made.hello({ streams: { [STREAM]: { lowest: 1, sealed: 3 } }, software: 'newer' });
      await made.answer('welcome');
      await made.publish(made.topic('hello'), old);
      await made.answer('welcome');
      const { blocksMissing, software } = await view(made);
      assert.deepEqual([blocksMissing, software], [3, 'newer']);
    });

    it('a gateway that writes a schema from the future, and tells it to wait for an upgrade', async () => {
      const made = await gateway();
      await made.hello({ schema: 99 });
      const { code, reason, schemas } = await made.answer('nack');
      assert.deepEqual([code, schemas], ['upgrade', [1, 1]]);
      assert.match(reason, /writes schema 99, this cloud reads 1$/);
      await eventually('it is shown', async () => /schema 99/.test((await view(made)).refusedReason ?? ''));
    });

    it('a gateway that is too old, whatever else its HELLO says, and tells it so', async () => {
      const made = await gateway();
      await made.hello({ schema: 0 });
      assert.match((await made.answer('nack')).reason, /writes schema 0, this cloud reads 1$/);
      // Nothing in it is as it is today but the version.
      await made.send('hello', encodeCbor({ schema: 0, held: [1, 2] }), { includeKeys: true });
      assert.equal((await made.answer('nack')).code, 'upgrade');
    });

    it('a gateway of another version that is not enrolled yet, and tells it so, too', async () => {
      const made = await stranger(await cloud.enrol('of-tomorrow'));
      await made.hello({ schema: 2, enrol: made.enrolment() });
      assert.equal((await made.answer('nack')).code, 'upgrade');
      await made.hello({ enrol: made.enrolment() });
      await made.answer('welcome');
    });
  });

  it('survives what anybody may send', async () => {
    const made = await gateway();
    const topic = made.topic('live');
    const frame = await made.blocks(STREAM, [blockOf(1, partOf(1, 0, 5))]);
    await made.answer('ack');
    for (const garbage of [
      Buffer.alloc(0),
      randomBytes(1000),
      Buffer.from([0x83, 0x5a, 0xff, 0xff, 0xff, 0xff]),
      Buffer.alloc(1 << 20, 0x83),
      Buffer.from(frame.subarray(0, frame.length - 1)),
      Buffer.from(frame.map((byte, i) => (i === 40 ? byte ^ 1 : byte))),
      deflateRawSync(Buffer.alloc(64 << 20)),
    ])
      await made.publish(topic, garbage);
    await made.publish(topic.replace(made.token.gateway, 'nobody'), randomBytes(100));
    await made.publish(topic.replace('/live', '/hello'), randomBytes(100));
    // Correctly sealed and signed, but nonsense within.
    await made.send('live', randomBytes(50), { stream: STREAM });
    await made.send('live', Buffer.alloc(8 << 20), { stream: STREAM });
    await made.send('live', Buffer.from([0x80]));
    await made.send('hello', randomBytes(50), { includeKeys: true });
    await made.send('alert', Buffer.from([0xa0]));
    await made.send('state', Buffer.from([0xa0]));
    await made.blocks('no-such-kind', [blockOf(1)]);
    const streams = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`s${i}/60`, { lowest: 1, sealed: 1 }]));
    await made.hello({ streams });
    await made.blocks(CATALOGUE_STREAM, [
      { number: 1, body: encodeCatalogue([{ number: 1, name: 'pump/flow', kind: 'number' }]) },
    ]);
    await eventually('the honest block is merged', async () => (await view(made)).series === 1);
    await eventually('the others are counted', async () => (await view(made)).refused >= 14);
    assert.equal((await total(made))!.count, 1);
    const health = await fetch(`${cloud.pageUrl}/healthz`);
    assert.deepEqual([health.status, (await health.text()).includes('"ok"')], [200, true]);
  });
});
