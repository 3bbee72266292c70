import assert from 'node:assert/strict';
import { LoneGateway } from '../support/gateway.ts';
import { RawClient } from '../support/mqtt-client.ts';

describe('a gateway that is killed, and its retained messages', function () {
  this.timeout(120_000);
  let gateway: LoneGateway;

  before(async () => (gateway = await LoneGateway.make('--no-grants')));
  after(() => gateway.close());

  async function connect(id: string): Promise<RawClient> {
    const { client, code } = await RawClient.connect(gateway.brokerPort, id);
    assert.equal(code, 0);
    return client;
  }

  /** Everything that is retained below `topic/`. */
  async function retained(topic: string, count: number): Promise<Map<string, number>> {
    const reader = await connect('reader');
    await reader.subscribe(`${topic}/#`);
    await reader.until(() => reader.published.length >= count);
    await reader.close();
    return new Map(reader.published.map(({ topic: name, payload }) => [name, Number(payload.toString())]));
  }

  it('has after each start the newest that it acknowledged, or one that came after it', async () => {
    const TOPICS = 20;
    const acknowledged = new Map<string, number>();
    const sent = new Map<string, number>();
    let value = 0;
    for (let round = 0; round < 3; round++) {
      await gateway.start();
      if (round > 0) {
        const found = await retained('valve', acknowledged.size);
        for (const [topic, least] of acknowledged) {
          const now = found.get(topic) ?? NaN;
          assert.ok(now >= least && now <= sent.get(topic)!, `${topic}: ${now} after ${least} was acknowledged`);
        }
      }
      const client = await connect(`panel-${round}`);
      const under = new Map<number, [topic: string, value: number]>();
      const end = performance.now() + 1_500;
      while (performance.now() < end) {
        for (let i = 0; i < 50; i++) {
          const topic = `valve/${value % TOPICS}`;
          under.set(client.publish(topic, String(++value), value % 10 === 0 ? 2 : 1, { retain: true }), [topic, value]);
          sent.set(topic, value);
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      // In the middle of it: some are acknowledged, some are not.
      await gateway.program!.kill();
      await client.closed;
      for (const id of client.acknowledged) {
        const [topic, at] = under.get(id)!;
        acknowledged.set(topic, Math.max(acknowledged.get(topic) ?? 0, at));
      }
      assert.ok(client.acknowledged.size > 100, `${client.acknowledged.size} acknowledged`);
      assert.equal(acknowledged.size, TOPICS);
    }
  });

  it('does not bring back what was removed', async () => {
    await gateway.start();
    const client = await connect('panel');
    await client.answered(client.publish('lamp/1', '1', 1, { retain: true }));
    await client.answered(client.publish('lamp/2', '2', 1, { retain: true }));
    await client.answered(client.publish('lamp/1', '', 1, { retain: true }));
    await gateway.program!.kill();
    await gateway.start();
    assert.deepEqual([...(await retained('lamp', 1))], [['lamp/2', 2]]);
  });
});
