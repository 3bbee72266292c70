import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { DurableDoor } from '@tidegate/nodes/ingest';
import { systemClock } from '@tidegate/nodes/node';
import { openVault, type Vault } from '@tidegate/nodes/vault';
import type { BrokerOptions } from '../../gateway/src/broker/broker-options.ts';
import { Broker } from '../../gateway/src/broker/mqtt-broker.ts';
import { temporaryDirectory } from './gateway.ts';
import { RawClient } from './mqtt-client.ts';

/** A topic whose retained message comes after those that are asked for. */
const LAST = 'last/of/all';

/** The gateway's broker on a vault and a door of its own, in this process; it can be stopped and started again. */
export class BrokerOnVault {
  readonly log: string[] = [];
  vault!: Vault;
  door!: DurableDoor;
  broker!: Broker;
  private readonly options: Partial<BrokerOptions>;
  private readonly home = temporaryDirectory('broker');
  private clients: RawClient[] = [];

  constructor(options: Partial<BrokerOptions> = {}) {
    this.options = options;
    writeFileSync(path.join(this.home.path, 'key'), 'ab'.repeat(32), { mode: 0o600 });
  }

  /** @param around Puts something between the broker and the vault. */
  async start(around: (vault: Vault) => Vault = (vault) => vault): Promise<void> {
    const key = path.join(this.home.path, 'key');
    this.vault = await openVault({ directory: path.join(this.home.path, 'vault'), key: { file: key } });
    this.door = new DurableDoor(around(this.vault), systemClock, {});
    this.door.setRule('ingest', { topics: ['site/#'], format: 'auto', series: '{topic}/{metric}' });
    const log = (line: string): void => void this.log.push(line);
    const common = { host: '127.0.0.1', port: 0, payloadBytes: 1 << 20, clientBytes: 65_536, clients: 20, log };
    this.broker = new Broker(this.door, { ...common, ...this.options }, systemClock);
    await this.broker.start();
  }

  async connect(id: string, options: Parameters<typeof RawClient.connect>[2] = {}): Promise<RawClient> {
    const { client, code } = await RawClient.connect(this.broker.port, id, options);
    this.clients.push(client);
    if (code !== 0) throw new Error(`${id} was refused: ${code}`);
    return client;
  }

  /** What a new subscriber is given of a filter: topics and payloads of retained messages. */
  async retained(filter: string): Promise<Record<string, string>> {
    const client = await this.connect(`reader-${this.clients.length}`);
    await client.answered(client.publish(LAST, 'last', 1, { retain: true }));
    const subscriptions = [filter, LAST].map((topic) => ({ topic, qos: 0 as const }));
    client.write({ cmd: 'subscribe', messageId: 1, subscriptions });
    // The retained messages of one SUBSCRIBE come in the order of its filters.
    await client.until(() => client.published.at(-1)?.topic === LAST);
    const found = client.published.filter(({ topic }) => topic !== LAST);
    await client.answered(client.publish(LAST, '', 1, { retain: true }));
    await client.close();
    return Object.fromEntries(found.map(({ topic, payload }) => [topic, payload.toString()]));
  }

  async stop(): Promise<void> {
    for (const client of this.clients.splice(0)) await client.close();
    await this.broker.stop();
    await this.door.close();
    await this.vault.close();
  }

  remove(): void {
    this.home.remove();
  }
}
