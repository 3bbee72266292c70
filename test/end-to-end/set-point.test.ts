import assert from 'node:assert/strict';
import mqtt from 'mqtt';
import type { StateAnswer } from '../../cloud-bridge/src/api/contract.ts';
import { Site } from '../support/site.ts';
import { eventually } from '../support/eventually.ts';

/** Adds tide-state -> mqtt out to the shipped flow, so that what the node brings out can be read on the site. */
function publishState(flow: Record<string, unknown>[]): void {
  const broker = flow.find(({ type }) => type === 'mqtt-broker');
  const state = flow.find(({ type }) => type === 'tide-state');
  assert.ok(broker && state, 'the shipped flow has a tide-state node and a local broker');
  flow.push({
    id: 'published-state',
    type: 'mqtt out',
    z: state['z'],
    x: 700,
    y: 700,
    name: '',
    topic: 'set-point',
    qos: '1',
    retain: 'true',
    broker: broker['id'],
    wires: [],
  });
  const json = {
    id: 'as-json',
    type: 'json',
    z: state['z'],
    x: 500,
    y: 700,
    property: 'payload',
    action: 'str',
    pretty: false,
    wires: [['keep-topic']],
  };
  const topic = {
    id: 'keep-topic',
    type: 'change',
    z: state['z'],
    x: 600,
    y: 700,
    rules: [{ t: 'set', p: 'topic', pt: 'msg', to: 'set-point', tot: 'str' }],
    wires: [['published-state']],
  };
  flow.push(json, topic);
  const wires = state['wires'] as string[][];
  wires[0] = [...(wires[0] ?? []), 'as-json'];
}

describe('a value from the cloud', function () {
  this.timeout(120_000);

  it('arrives at a node, is acknowledged, and is in force after a restart with the cloud gone', async () => {
    const site = await Site.make({ grants: ['#'], flow: publishState });
    try {
      await site.startGateway();
      await site.enrolled();
      const answer = await site.put('/api/v1/state?gateway=site&key=boiler/target', { value: 61.5 });
      assert.equal(answer.status, 200, await answer.text());
      assert.equal(await readSetPoint(site), '61.5');
      await eventually('the cloud sees that the gateway has stored it', async () => {
        const { documents } = await site.ask<StateAnswer>('/api/v1/state?gateway=site');
        return documents.length === 1 && documents[0].applied && documents[0].value === 61.5;
      });

      await site.gateway!.kill();
      await site.cloud!.kill();
      await site.startGateway();
      assert.equal(await readSetPoint(site), '61.5');
    } finally {
      await site.close();
    }
  });

  it('is refused without the API token', async () => {
    const site = await Site.make({ grants: ['#'] });
    try {
      await site.startGateway();
      await site.enrolled();
      site.apiToken = 'wrong';
      const answer = await site.put('/api/v1/state?gateway=site&key=boiler/target', { value: 1 });
      assert.equal(answer.status, 401);
      const { documents } = await site.ask<StateAnswer>('/api/v1/state?gateway=site');
      assert.deepEqual(documents, []);
    } finally {
      await site.close();
    }
  });
});

async function readSetPoint(site: Site): Promise<string> {
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${site.mqttPort}`, { reconnectPeriod: 200 });
  try {
    let received: string | undefined;
    client.on('message', (_topic, payload) => {
      received = payload.toString();
    });
    await client.subscribeAsync('set-point', { qos: 1 });
    await eventually('the set-point comes out of the node', () => received !== undefined);
    return received!;
  } finally {
    await client.endAsync(true);
  }
}
