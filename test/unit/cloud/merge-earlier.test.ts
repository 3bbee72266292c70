import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { startCloud, type GatewaysAnswer, type RunningCloud, type SummariesAnswer } from '@tidegate/cloud-bridge';
import { blocks as blocksBody, encodeBody, type Ack } from '@tidegate/nodes/sync';

import { HandMadeGateway, blockOf, partOf } from '../../support/hand-made-gateway.ts';

const STREAM = 'operations/60';

describe('blocks of a gateway of which there were two', function () {
  this.timeout(20_000);
  let directory: string;
  let cloud: RunningCloud;
  let made: HandMadeGateway;

  before(async () => {
    directory = mkdtempSync(path.join(os.tmpdir(), 'tidegate-cloud-earlier-'));
    cloud = await startCloud({ directory, port: 0, mqttPort: 0, page: false });
  });
  after(async () => {
    await cloud.stop();
    rmSync(directory, { recursive: true, force: true });
  });
  let count = 0;
  beforeEach(async () => {
    made = await HandMadeGateway.enrolled(cloud.brokerUrl, await cloud.enrol(`g${++count}`));
    await made.names(1, 'pump/flow', 'pump/power');
    await made.answer('ack');
  });
  afterEach(() => made.close());

  type Sent = { number: number; body: Uint8Array };
  const ask = async (id: number, ...asked: Sent[]): Promise<Ack['answer']> => {
    const blocks = asked.map(({ number, body }): [number, Uint8Array] => [
      number,
      Uint8Array.from(createHash('sha256').update(body).digest()),
    ]);
    await made.send('fill', encodeBody(blocksBody, { blocks: [], ask: { id, blocks } }), { stream: STREAM });
    return (await made.answer('ack')).answer;
  };
  const send = async (...blocks: Sent[]): Promise<Ack> => {
    await made.blocks(STREAM, blocks);
    return made.answer('ack');
  };
  const forks = async (): Promise<number> => {
    const response = await fetch(`${cloud.pageUrl}/api/v1/gateways`);
    const { gateways } = (await response.json()) as GatewaysAnswer;
    return gateways.find(({ gateway }) => gateway === made.token.gateway)!.forks;
  };
  const countOf = async (series: string): Promise<number | undefined> => {
    const query = new URLSearchParams({
      gateway: made.token.gateway,
      series,
      resolution: '60',
      from: '0',
      to: '9999999999',
    });
    const response = await fetch(`${cloud.pageUrl}/api/v1/summaries?${query}`);
    return ((await response.json()) as SummariesAnswer).total?.count;
  };

  it('are told apart by their digests when it is asked for them', async () => {
    const mine = blockOf(1, partOf(1, 0, 5));
    const theirs = blockOf(2, partOf(1, 60_000, 6));
    await send(mine, theirs, blockOf(4));
    const answer = await ask(77, mine, blockOf(2, partOf(1, 60_000, 7)), blockOf(3, partOf(1, 0, 1)), {
      number: 4,
      body: blockOf(4, partOf(1, 0, 1)).body,
    });
    assert.deepEqual(answer, {
      id: 77,
      blocks: [
        [1, 'held'],
        [2, 'other'],
        [3, 'wanted'],
        [4, 'wanted'],
      ],
    });
    assert.equal(await forks(), 1);
    await ask(78, blockOf(2, partOf(1, 60_000, 7)));
    assert.equal(await forks(), 1, 'the same fork is one');
    assert.deepEqual((await ask(79, { number: 2, body: new Uint8Array() }))?.blocks, [[2, 'held']]);
    assert.deepEqual((await ask(80, { number: 9, body: new Uint8Array() }))?.blocks, [[9, 'wanted']]);
  });

  it('do not come in beside what is there: not even the parts that nobody else has', async () => {
    await send(blockOf(1, partOf(1, 0, 5)));
    const { streams, conflicts } = await send(blockOf(1, partOf(1, 0, 5, 6), partOf(2, 0, 9)));
    assert.deepEqual([streams, conflicts], [{ [STREAM]: [[1, 1]] }, { [STREAM]: [[1, 1]] }]);
    assert.deepEqual([await countOf('pump/flow'), await countOf('pump/power')], [1, undefined]);
    assert.equal(await forks(), 1);
  });

  it('are compared with the one before them in the same frame, too', async () => {
    const { conflicts } = await send(blockOf(1, partOf(1, 0, 5)));
    assert.equal(conflicts, undefined);
    await made.blocks(STREAM, [blockOf(2, partOf(1, 60_000, 1)), blockOf(2, partOf(2, 60_000, 1))]);
    const seen: Ack[] = [await made.answer('ack')];
    while (seen.at(-1)!.conflicts === undefined) seen.push(await made.answer('ack'));
    assert.deepEqual([await countOf('pump/flow'), await countOf('pump/power')], [2, undefined]);
  });

  it('are an ordinary repetition when a revocation took something out of them', async () => {
    await send(blockOf(1, partOf(1, 0, 5), partOf(2, 0, 9)));
    assert.deepEqual(await send(blockOf(1, partOf(1, 0, 5))), { streams: { [STREAM]: [[1, 1]] }, alerts: [] });
    assert.deepEqual(await send(blockOf(1)), { streams: { [STREAM]: [[1, 1]] }, alerts: [] });
    assert.equal(await forks(), 0);
  });

  it('fill a number that only an empty block had', async () => {
    await send(blockOf(1));
    const body = blockOf(1, partOf(1, 0, 5));
    assert.deepEqual((await ask(1, body))?.blocks, [[1, 'wanted']]);
    assert.equal((await send(body)).conflicts, undefined);
    assert.deepEqual((await ask(2, body))?.blocks, [[1, 'held']]);
    assert.deepEqual([await countOf('pump/flow'), await forks()], [1, 0]);
  });
});
