import { Attachment } from '../ingest/attachment.ts';
import type { Door } from '../ingest/door.ts';
import { storeInPieces } from '../ingest/store-pieces.ts';
import { Tally } from '../ingest/tally.ts';
import { systemClock } from '../node/clock.ts';
import { TideError } from '../node/errors.ts';
import { inBackground, onClose, onInput } from '../node/handlers.ts';
import type { Node, NodeDefinition, NodeMessage, NodeRed } from '../node/node-red.ts';
import { looksLikeReadings, readingsFromFlow } from '../reading/from-flow.ts';
import type { Reading } from '../reading/reading.ts';

interface TideStoreDefinition extends NodeDefinition {
  vault?: string;
  /** Series of a plain value; empty: the message's topic. */
  series?: string;
  /** Unit of a plain value. */
  unit?: string;
}

const STATUS_MS = 2_000;

export default function (RED: NodeRed): void {
  function TideStore(this: Node, definition: TideStoreDefinition): void {
    RED.nodes.createNode(this, definition);
    const run = new StoreRun(RED, this, definition);
    onInput(this, (message) => run.input(message));
    onClose(this, () => run.stop());
    inBackground(this, () => run.start());
  }
  RED.nodes.registerType('tide-store', TideStore);
}

/** One deployed tide-store node, from start to stop. */
class StoreRun {
  private readonly RED: NodeRed;
  private readonly node: Node;
  private readonly definition: TideStoreDefinition;
  private readonly attachment: Attachment;
  private readonly tally = new Tally(systemClock.monotonic());
  private door: Door | undefined;
  private starting: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;

  constructor(RED: NodeRed, node: Node, definition: TideStoreDefinition) {
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

  /** Commits the good readings of a message; if there are bad ones as well, the message ends as an error that names them. */
  async input(message: NodeMessage): Promise<void> {
    await this.starting;
    const { door, node, tally } = this;
    if (door === undefined) throw new TideError('no-door', 'the node is not connected to a vault');
    const { readings, problems } = readingsFromFlow(this.itemsOf(message), systemClock.now());
    await storeInPieces(door, node.id, readings, causeOf(message));
    if (problems.length === 0) return;
    tally.reject(problems.length, systemClock.monotonic());
    this.show();
    const [{ code, reason }] = problems;
    const others = problems.length === 1 ? '' : ` (and ${problems.length - 1} more)`;
    throw new TideError(code, `not stored: ${reason}${others}`);
  }

  stop(): void {
    this.stopped = true;
    clearInterval(this.timer);
    this.attachment.close();
  }

  private async open(): Promise<void> {
    const { definition, RED, node } = this;
    node.status({ fill: 'yellow', shape: 'ring', text: 'opening vault' });
    const config = definition.vault ? RED.nodes.getNode(definition.vault) : null;
    if (!hasDoor(config))
      throw new TideError('no-vault', 'no vault is chosen, or it is disabled; readings are stored in one');
    const door = await config.door();
    if (this.stopped) return;
    this.door = door;
    this.attachment.allow();
    this.timer = setInterval(() => this.show(), STATUS_MS);
    this.show();
  }

  private attach(): () => void {
    const { door, node } = this;
    if (door === undefined) throw new TideError('no-door', 'the node is not connected to a vault');
    return door.attach(node.id, {
      readings: (batch, replay) => this.emit(batch, replay),
      // A store makes no rejections: what is wrong with a message is its sender's error.
      rejections: () => undefined,
    });
  }

  private emit(readings: Reading[], replay: boolean): void {
    if (!replay) this.tally.readings += readings.length;
    this.node.send({ payload: readings, tide: { kind: 'readings', source: this.node.id, replay } });
  }

  private itemsOf({ payload, topic, time }: NodeMessage): readonly unknown[] {
    if (looksLikeReadings(payload)) return payload;
    if (Array.isArray(payload) && payload.length === 0) return [];
    if (typeof payload === 'object' && payload !== null && 'series' in payload) return [payload];
    const { series, unit } = this.definition;
    return [{ series: series || topic, value: payload, unit, ...(typeof time === 'number' && { time }) }];
  }

  private show(): void {
    this.node.status(this.tally.status(systemClock.monotonic()));
  }
}

/** The reading that a plain value was calculated from, where tide-ingest's single messages were the input. */
function causeOf({ reading }: NodeMessage): number | undefined {
  if (typeof reading !== 'object' || reading === null || !('position' in reading)) return undefined;
  return typeof reading.position === 'number' ? reading.position : undefined;
}

function hasDoor(node: Node | null): node is Node & { door(): Promise<Door> } {
  return node !== null && 'door' in node && typeof node.door === 'function';
}
