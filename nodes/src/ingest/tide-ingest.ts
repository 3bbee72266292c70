import type { ConnectionOptions } from 'node:tls';
import { systemClock } from '../node/clock.ts';
import { reasonOf, TideError } from '../node/errors.ts';
import { inBackground, onClose, onInput, shorten } from '../node/handlers.ts';
import type { Node, NodeDefinition, NodeMessage, NodeRed, NodeStatus } from '../node/node-red.ts';
import { looksLikeReadings, readingsFromFlow } from '../reading/from-flow.ts';
import type { Reading, Rejection } from '../reading/reading.ts';
import { Attachment } from './attachment.ts';
import type { Door } from './door.ts';
import { doorMessageOf } from './flow-message.ts';
import type { BrokerAddress } from './mqtt-connection.ts';
import { MqttReader } from './mqtt-reader.ts';
import { ruleOf, sourceOf, type IngestSource } from './rule.ts';
import { storeInPieces } from './store-pieces.ts';
import { Tally } from './tally.ts';

interface TideIngestDefinition extends NodeDefinition {
  vault?: string;
  source?: string;
  topics?: string[];
  format?: string;
  /** Template of the series path. */
  series?: string;
  /** `batch` or `each`: one message for each reading. */
  emit?: string;
  host?: string;
  port?: string | number;
  usetls?: boolean;
  /** Id of a stock tls-config node. */
  tls?: string;
  clientid?: string;
  /** Whether the broker forgets what it holds for this node while it is away. */
  cleansession?: boolean;
  keepalive?: string | number;
}

const STATUS_MS = 2_000;

export default function (RED: NodeRed): void {
  function TideIngest(this: Node, definition: TideIngestDefinition): void {
    RED.nodes.createNode(this, definition);
    const run = new IngestRun(RED, this, definition);
    onInput(this, (message) => run.input(message));
    onClose(this, (removed) => run.stop(removed));
    inBackground(this, () => run.start());
  }
  RED.nodes.registerType('tide-ingest', TideIngest, {
    credentials: { user: { type: 'text' }, password: { type: 'password' } },
  });
}

/** One deployed tide-ingest node, from start to stop. */
class IngestRun {
  private readonly RED: NodeRed;
  private readonly node: Node;
  private readonly definition: TideIngestDefinition;
  private readonly attachment: Attachment;
  private readonly tally = new Tally(systemClock.monotonic());
  private door: Door | undefined;
  private starting: Promise<void> | undefined;
  private reader: MqttReader | undefined;
  private unlisten: (() => void) | undefined;
  private timer: NodeJS.Timeout | undefined;
  private offline: NodeStatus | undefined;
  private stopped = false;

  constructor(RED: NodeRed, node: Node, definition: TideIngestDefinition) {
    this.RED = RED;
    this.node = node;
    this.definition = definition;
    this.attachment = new Attachment(RED, () => this.attach());
  }

  start(): Promise<void> {
    this.attachment.open();
    this.starting = this.open();
    return this.starting;
  }

  async input(message: NodeMessage): Promise<void> {
    await this.starting;
    const { door, node } = this;
    if (door === undefined) throw new TideError('no-door', 'the node is not connected to a vault');
    if (looksLikeReadings(message.payload)) {
      const { readings, problems } = readingsFromFlow(message.payload, systemClock.now());
      await storeInPieces(door, node.id, readings);
      for (const { index, code, reason } of problems)
        this.reject([
          { code, reason, topic: '', head: bytesOf(message.payload[index]), size: 0, time: systemClock.now() },
        ]);
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const received = doorMessageOf(message, node.id, systemClock.now());
      door.offerTo(node.id, received, (error) => (error === undefined ? resolve() : reject(error)));
    });
  }

  async stop(removed: boolean): Promise<void> {
    this.stopped = true;
    clearInterval(this.timer);
    this.attachment.close();
    this.unlisten?.();
    await this.reader?.stop();
    // The rule stays through a redeploy: what comes meanwhile is committed and acknowledged.
    if (removed) this.door?.removeRule(this.node.id);
  }

  private async open(): Promise<void> {
    const { definition, node } = this;
    const source = sourceOf(definition);
    const rule = ruleOf(definition);
    this.node.status({ fill: 'yellow', shape: 'ring', text: 'opening vault' });
    const door = await this.doorFor(source);
    if (this.stopped) return;
    this.door = door;
    door.setRule(node.id, source === 'gateway' ? rule : { ...rule, topics: [] });
    this.attachment.allow();
    if (source === 'broker') this.read(door, rule.topics);
    this.timer = setInterval(() => this.show(), STATUS_MS);
    this.show();
  }

  private async doorFor(source: IngestSource): Promise<Door> {
    const host = this.RED.settings.tidegate;
    if (source === 'gateway' && host === undefined)
      throw new TideError(
        'no-gateway',
        'no Tidegate gateway here: choose another broker or messages of the flow as source',
      );
    const config = this.definition.vault ? this.RED.nodes.getNode(this.definition.vault) : null;
    if (hasDoor(config)) return config.door();
    if (host !== undefined) return host.door;
    throw new TideError('no-vault', 'no vault is chosen: readings are committed to one before they are acknowledged');
  }

  private attach(): () => void {
    const { door, node } = this;
    if (door === undefined) throw new TideError('no-door', 'the node is not connected to a vault');
    return door.attach(node.id, {
      readings: (batch, replay) => this.emit(batch, replay),
      rejections: (batch) => this.reject(batch),
    });
  }

  private emit(readings: Reading[], replay: boolean): void {
    const { node, tally } = this;
    if (replay) tally.replayed += readings.length;
    else tally.readings += readings.length;
    if (this.definition.emit === 'each') {
      const tide = { kind: 'reading', source: node.id, replay };
      node.send([readings.map((reading) => ({ topic: reading.series, payload: reading.value, reading, tide })), null]);
    } else node.send([{ payload: readings, tide: { kind: 'readings', source: node.id, replay } }, null]);
  }

  private reject(rejections: readonly Rejection[]): void {
    this.tally.reject(rejections.length, systemClock.monotonic());
    const messages = rejections.map(({ code, reason, topic, head, size, time }) => ({
      topic,
      payload: Buffer.from(head),
      error: { code, reason },
      size,
      time,
      tide: { kind: 'rejection', source: this.node.id },
    }));
    this.node.send([null, messages]);
    this.show();
  }

  private read(door: Door, topics: readonly string[]): void {
    const client = `mqtt:${this.node.id}`;
    const reader = new MqttReader(this.address(topics), client, {
      connected: () => {
        this.offline = undefined;
        this.show();
      },
      offline: (reason) => {
        this.offline = { fill: 'grey', shape: 'ring', text: shorten(`offline: ${reasonOf(reason)}`) };
        this.show();
      },
      message: (message, done) => door.offerTo(this.node.id, message, done),
    });
    this.unlisten = door.onPressure((pressed, paused) => {
      if (pressed === client) reader.press(paused);
    });
    this.reader = reader;
    this.offline = { fill: 'yellow', shape: 'ring', text: 'connecting' };
    reader.start();
  }

  private address(topics: readonly string[]): BrokerAddress {
    const { definition, node } = this;
    const { user, password } = node.credentials ?? {};
    const address: BrokerAddress = {
      host: definition.host || 'localhost',
      port: numberOf('port', definition.port, definition.usetls ? 8883 : 1883, 1, 65_535),
      clientId: definition.clientid || `tidegate-${node.id}`,
      clean: definition.cleansession ?? false,
      keepalive: numberOf('keepalive', definition.keepalive, 60, 2, 3600),
      topics,
    };
    if (user) address.username = user;
    if (password) address.password = password;
    if (definition.usetls) address.tls = this.tlsOptions();
    return address;
  }

  private tlsOptions(): ConnectionOptions {
    const options: ConnectionOptions = {};
    const config = this.definition.tls ? this.RED.nodes.getNode(this.definition.tls) : null;
    if (config !== null && 'addTLSOptions' in config && typeof config.addTLSOptions === 'function')
      config.addTLSOptions(options);
    return options;
  }

  private show(): void {
    const status = this.tally.status(systemClock.monotonic());
    this.node.status(this.offline ?? status);
  }
}

function hasDoor(node: Node | null): node is Node & { door(): Promise<Door> } {
  return node !== null && 'door' in node && typeof node.door === 'function';
}

function numberOf(
  name: string,
  found: string | number | undefined,
  otherwise: number,
  least: number,
  most: number,
): number {
  if (found === undefined || found === '') return otherwise;
  const value = Number(found);
  if (!Number.isFinite(value) || value < least || value > most)
    throw new TideError('bad-option', `${name} is ${JSON.stringify(found)}; ${least} to ${most} is allowed`);
  return value;
}

function bytesOf(item: unknown): Uint8Array {
  return new Uint8Array(Buffer.from(JSON.stringify(item) ?? '').subarray(0, 1024));
}
