import { TideError } from '../node/errors.ts';
import { inBackground, onClose, onInput, shorten } from '../node/handlers.ts';
import type { Node, NodeDefinition, NodeMessage, NodeRed, NodeStatus } from '../node/node-red.ts';
import type { Vault } from '../vault/vault.ts';
import { readBridgeInput } from './bridge-input.ts';
import { systemClock } from '../node/clock.ts';
import { statusText, timeText, type BridgeStatus } from './bridge-status.ts';
import { IDENTITY } from './enrolment-store.ts';
import { Bridge } from './mqtt-bridge.ts';
import { outgoingOf, type Outgoing } from './outgoing.ts';
import type { TideCloudNode } from './tide-cloud.ts';

interface TideBridgeDefinition extends NodeDefinition {
  /** Id of a tide-cloud. */
  cloud: string;
  /** Seconds between two batches. */
  interval: string | number;
}

const MAX_INTERVAL_S = 86_400;

const LOOKS: Record<BridgeStatus['state'], Pick<NodeStatus, 'fill' | 'shape'>> = {
  offline: { fill: 'grey', shape: 'ring' },
  connecting: { fill: 'yellow', shape: 'ring' },
  syncing: { fill: 'blue', shape: 'dot' },
  'up-to-date': { fill: 'green', shape: 'dot' },
  conflict: { fill: 'yellow', shape: 'dot' },
  error: { fill: 'red', shape: 'ring' },
};

export default function (RED: NodeRed): void {
  function TideBridge(this: Node, definition: TideBridgeDefinition): void {
    RED.nodes.createNode(this, definition);
    const run = new BridgeRun(this, definition, () => RED.nodes.getNode(definition.cloud));
    onInput(this, (message) => run.input(message));
    onClose(this, () => run.stop());
    run.start();
  }
  RED.nodes.registerType('tide-bridge', TideBridge);
}

/** One deployed tide-bridge node, from start to stop. */
class BridgeRun {
  private readonly node: Node;
  private readonly definition: TideBridgeDefinition;
  private readonly findCloud: () => Node | null;
  private opened: Promise<{ cloud: TideCloudNode; vault: Vault; outgoing: Outgoing }> | undefined;
  private bridge: Bridge | undefined;
  private starting: Promise<void> = Promise.resolve();
  private unwatch: (() => void) | undefined;
  private stopped = false;
  private told: BridgeStatus['state'] | undefined;

  constructor(node: Node, definition: TideBridgeDefinition, findCloud: () => Node | null) {
    this.node = node;
    this.definition = definition;
    this.findCloud = findCloud;
  }

  start(): void {
    this.node.status({ fill: 'yellow', shape: 'ring', text: 'opening vault' });
    this.opened = this.open();
    this.enter();
  }

  async input(message: NodeMessage): Promise<void> {
    const input = readBridgeInput(message);
    if (input.kind === 'nudge') return;
    const { outgoing } = await this.ready();
    if (input.kind === 'alerts') for (const alert of input.alerts) await outgoing.commitAlert(alert, []);
    else if (input.kind === 'grant') await outgoing.grant(input.series, input.purpose);
    else await outgoing.revoke(input.series, input.purpose);
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.unwatch?.();
    await this.starting;
    await this.bridge?.stop();
  }

  private async ready(): Promise<{ cloud: TideCloudNode; vault: Vault; outgoing: Outgoing }> {
    if (this.opened === undefined) throw new TideError('not-started', 'tide-bridge has not been started');
    return this.opened;
  }

  private async open(): Promise<{ cloud: TideCloudNode; vault: Vault; outgoing: Outgoing }> {
    const cloud = this.findCloud();
    if (!isCloud(cloud)) throw new TideError('no-cloud', 'no cloud is chosen, or it is disabled; choose a tide-cloud');
    const vault = await cloud.vault();
    return { cloud, vault, outgoing: await outgoingOf(vault) };
  }

  /** Goes to the cloud; while the gateway is not enrolled, waits for that without being an error. */
  private enter(): void {
    const attempt = this.starting.then(() => this.attempt());
    // Each attempt waits for the last, however that went; its own failure is reported here.
    this.starting = attempt.catch(() => undefined);
    inBackground(this.node, () => attempt);
  }

  private async attempt(): Promise<void> {
    const intervalMs = intervalOf(this.definition.interval) * 1000;
    const { cloud, vault } = await this.ready();
    if (this.stopped || this.bridge !== undefined) return;
    this.unwatch ??= vault.onChange(({ kind, name }) => {
      if (kind === 'document' && name === IDENTITY && this.bridge === undefined && !this.stopped) this.enter();
    });
    const place = await cloud.place(vault);
    if (place === undefined) {
      this.node.status({ fill: 'grey', shape: 'ring', text: 'not enrolled with a cloud' });
      return;
    }
    const bridge = new Bridge({ vault, intervalMs, ...place });
    this.bridge = bridge;
    bridge.onStatus((status) => this.show(status));
    try {
      await bridge.start();
    } catch (error) {
      this.bridge = undefined;
      throw error;
    }
  }

  private show(status: BridgeStatus): void {
    this.node.status({
      ...LOOKS[status.state],
      text: shorten(statusText(status, (time) => timeText(time, systemClock.now()))),
    });
    if (status.state === this.told) return;
    this.told = status.state;
    this.node.send({ topic: status.state, payload: status, tide: { kind: 'bridge' } });
  }
}

/** Seconds; throws TideError `bad-interval`. */
function intervalOf(given: string | number | undefined): number {
  const text = String(given ?? '').trim();
  const seconds = text === '' ? 60 : Number(text);
  if (!(seconds >= 1 && seconds <= MAX_INTERVAL_S))
    throw new TideError('bad-interval', `the interval is "${text}"; 1 to ${MAX_INTERVAL_S} seconds are allowed`);
  return seconds;
}

function isCloud(node: Node | null): node is TideCloudNode {
  return node !== null && 'place' in node && typeof node.place === 'function';
}
