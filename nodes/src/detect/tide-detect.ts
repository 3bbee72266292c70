import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../node/clock.ts';
import { reasonOf, TideError, toError } from '../node/errors.ts';
import { inBackground, onClose, onInput, shorten } from '../node/handlers.ts';
import type { Node, NodeDefinition, NodeMessage, NodeRed, NodeStatus, Send } from '../node/node-red.ts';
import type { Reading } from '../reading/reading.ts';
import { outgoingOf, type Outgoing } from '../sync/outgoing.ts';
import type { TideVaultNode } from '../vault/tide-vault.ts';
import { readSeriesRecords, SERIES_RECORDS } from '../vault/series-records.ts';
import type { Vault, VaultNotice } from '../vault/vault.ts';
import type { Alert } from './alert.ts';
import { AlertQueue } from './alert-queue.ts';
import { isReplay, readingsOf } from './batch.ts';
import { DetectionMemory } from './detection-memory.ts';
import { Detection, type Raised } from './detection.ts';
import { DetectionPlan, parseRules } from './rules.ts';
import { SENSITIVITIES } from './sensitivity.ts';

interface TideDetectDefinition extends NodeDefinition {
  /** Id of a tide-vault; empty: nothing is kept. */
  vault?: string;
  /** `off` leaves only the rules. */
  sensitivity?: string;
  rules?: unknown;
  /** Minutes between two saves of a series. */
  saveMinutes?: string | number;
}

const HOUSEKEEPING_MS = 1000;
/** Silence is looked for on every this many rounds of housekeeping. */
const TICK_ROUNDS = 5;
/** Alerts that may wait for their commit before readings have to wait as well. */
const MAX_WAITING_ALERTS = 1000;

export default function (RED: NodeRed): void {
  function TideDetect(this: Node, definition: TideDetectDefinition): void {
    RED.nodes.createNode(this, definition);
    const run = new DetectRun(this, definition, () => vaultOf(RED, definition.vault));
    onInput(this, (message, send) => run.input(message, send));
    onClose(this, (removed) => run.stop(removed));
    inBackground(this, () => run.start());
  }
  RED.nodes.registerType('tide-detect', TideDetect);
}

/** The vault that the node is to use, undefined when none is configured. */
async function vaultOf(RED: NodeRed, id: string | undefined): Promise<Vault | undefined> {
  if (id === undefined || id === '') return undefined;
  const node = RED.nodes.getNode(id);
  if (!opensVault(node))
    throw new TideError('no-vault', 'the vault that is set for this node does not exist or is disabled');
  return node.open();
}

function opensVault(node: Node | null): node is TideVaultNode {
  return node !== null && 'open' in node && typeof node.open === 'function';
}

function planOf({ sensitivity = 'normal', rules = [] }: TideDetectDefinition): DetectionPlan {
  const word = SENSITIVITIES.find((one) => one === sensitivity);
  if (word === undefined && sensitivity !== 'off')
    throw new TideError(
      'bad-sensitivity',
      `sensitivity is "${sensitivity}"; off, ${SENSITIVITIES.join(', ')} are allowed`,
    );
  return new DetectionPlan(word, parseRules(rules));
}

/** One deployed tide-detect node, from start to stop. */
class DetectRun {
  private readonly node: Node;
  private readonly definition: TideDetectDefinition;
  private readonly openVault: () => Promise<Vault | undefined>;
  private readonly stopping = new AbortController();
  private readonly queue: AlertQueue;
  private readonly saveEveryMs: number;
  private outgoing: Outgoing | undefined;
  private memory: DetectionMemory | undefined;
  private detection: Detection | undefined;
  /** Why the node cannot work, told to every message. */
  private broken: Error | undefined;
  private starting: Promise<void> | undefined;
  /** Ends when all batches that came before have been passed on: they leave in the order in which they came. */
  private tail: Promise<void> = Promise.resolve();
  private pending = 0;
  private timer: NodeJS.Timeout | undefined;
  private unsubscribe: (() => void) | undefined;
  private round = 0;
  private shown = '';

  constructor(node: Node, definition: TideDetectDefinition, openVault: () => Promise<Vault | undefined>) {
    this.node = node;
    this.definition = definition;
    this.openVault = openVault;
    const minutes = Number(definition.saveMinutes);
    this.saveEveryMs = (minutes > 0 ? minutes : 10) * 60_000;
    this.queue = new AlertQueue({
      commit: (raised) => this.commit(raised),
      emit: (alert) => this.emit(alert),
      failed: (error) => this.complain(`cannot keep an alert: ${reasonOf(error)}`),
      wait: (milliseconds) => sleep(milliseconds, undefined, { signal: this.stopping.signal, ref: false }),
    });
  }

  start(): Promise<void> {
    this.starting = this.open().catch((error: unknown) => {
      this.broken = toError(error);
      throw error;
    });
    return this.starting;
  }

  /** Passes a batch on at once where it can: a batch that needs no waiting costs no turn of the event loop. */
  input(message: NodeMessage, send: Send): Promise<void> | void {
    const readings = readingsOf(message);
    const replay = isReplay(message);
    let from = 0;
    if (this.pending === 0 && this.detection !== undefined && this.queue.length < MAX_WAITING_ALERTS) {
      from = this.detection.judge(readings, 0, replay);
      if (from === readings.length) return send([message, null]);
    }
    this.pending++;
    const turn = this.tail.then(() => this.finish(message, readings, from, replay, send));
    this.tail = turn.then(
      () => void this.pending--,
      () => void this.pending--,
    );
    return turn;
  }

  async stop(removed: boolean): Promise<void> {
    this.stopping.abort();
    clearInterval(this.timer);
    this.unsubscribe?.();
    this.queue.stop();
    await this.tail;
    await this.queue.drained();
    if (removed) await this.memory?.forget();
    else await this.memory?.saveAll((series) => this.queue.has(series));
  }

  private async open(): Promise<void> {
    const plan = planOf(this.definition);
    this.status({ fill: 'yellow', shape: 'ring', text: 'opening' });
    const vault = await this.openVault();
    if (vault !== undefined) {
      this.memory = await DetectionMemory.open(vault, this.node.id, plan, systemClock);
      this.outgoing = await outgoingOf(vault);
    }
    const records = vault && (await readSeriesRecords(vault));
    if (this.stopping.signal.aborted) return;
    this.detection = new Detection({
      plan,
      incarnation: vault?.incarnation ?? this.node.id,
      consumer: this.memory?.consumer,
      raiseFrom: this.memory?.raiseFrom ?? 0,
      clock: systemClock,
      raise: (raised) => this.queue.add(raised),
    });
    if (records !== undefined) this.detection.applyRecords(records);
    this.unsubscribe = vault?.onChange((notice) => this.noticed(vault, notice));
    this.showState();
    this.timer = setInterval(() => this.housekeeping(), HOUSEKEEPING_MS);
  }

  private noticed(vault: Vault, notice: VaultNotice): void {
    if (notice.kind === 'saves') this.memory?.want(notice.below);
    else if (notice.kind === 'document' && notice.name === SERIES_RECORDS)
      readSeriesRecords(vault).then(
        (records) => this.detection?.applyRecords(records),
        (error: unknown) => this.complain(`cannot read what is said of series: ${reasonOf(error)}`),
      );
  }

  private async finish(
    message: NodeMessage,
    readings: Reading[],
    from: number,
    replay: boolean,
    send: Send,
  ): Promise<void> {
    if (this.broken !== undefined) throw this.broken;
    await this.starting;
    const { detection } = this;
    for (let i = from; i < readings.length;) {
      if (this.stopping.signal.aborted || detection === undefined) return;
      if (this.queue.length >= MAX_WAITING_ALERTS) await this.queue.drained();
      i = detection.judge(readings, i, replay);
      if (i < readings.length) await nextTurn();
    }
    send([message, null]);
  }

  private async commit({ alerts, save }: Raised): Promise<void> {
    if (this.outgoing === undefined) return;
    for (const [i, alert] of alerts.entries())
      await this.outgoing.commitAlert(alert, i === alerts.length - 1 ? (save?.changes ?? []) : []);
  }

  private emit(alert: Alert): void {
    this.node.send([null, { topic: alert.series, payload: alert, tide: { kind: 'alert' } }]);
  }

  private housekeeping(): void {
    if (++this.round % TICK_ROUNDS === 0) this.detection?.tick();
    this.memory?.saveDue(
      this.saveEveryMs,
      (series) => this.queue.has(series),
      (error) => this.complain(`cannot save what was learnt: ${reasonOf(error)}`),
    );
    this.showState();
  }

  private showState(): void {
    if (this.detection === undefined) return;
    const { judged, open } = this.detection;
    const where = this.memory === undefined ? ', in memory only' : '';
    const readings = `${judged.toLocaleString('en-US')} readings${where}`;
    if (open === 0) this.status({ fill: 'green', shape: 'dot', text: readings });
    else
      this.status({
        fill: 'yellow',
        shape: 'dot',
        text: `${open} ${open === 1 ? 'alert' : 'alerts'} open, ${readings}`,
      });
  }

  /** Each status travels to every open editor: only a changed one is sent. */
  private status(status: NodeStatus): void {
    const key = `${status.fill} ${status.text}`;
    if (key === this.shown) return;
    this.shown = key;
    this.node.status(status);
  }

  private complain(text: string): void {
    this.status({ fill: 'red', shape: 'ring', text: shorten(text) });
    this.node.error(text);
  }
}
