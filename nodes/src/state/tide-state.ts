import { setTimeout as sleep } from 'node:timers/promises';
import { TideError } from '../node/errors.ts';
import { inBackground, onClose, onInput } from '../node/handlers.ts';
import type { Node, NodeDefinition, NodeMessage, NodeRed } from '../node/node-red.ts';
import { vaultOf } from '../node/vault-of.ts';
import { matchSeries, patternProblem } from '../reading/series-pattern.ts';
import type { SharedDocument } from './register.ts';
import { sharedStateOf, type SharedState } from './shared-state.ts';

interface TideStateDefinition extends NodeDefinition {
  /** Id of a tide-vault. */
  vault: string;
  /** Pattern of the keys to bring out; empty for all. */
  keys: string;
}

/** By then the nodes behind this one have been made; what is sent before is lost. */
const FLOWS_START_MS = 50;

export default function (RED: NodeRed): void {
  function TideState(this: Node, definition: TideStateDefinition): void {
    RED.nodes.createNode(this, definition);
    const run = new StateRun(this, definition.keys?.trim() || '#', async () =>
      sharedStateOf(await vaultOf(RED, definition.vault)),
    );
    onInput(this, (message, send) => run.input(message, send));
    onClose(this, () => run.stop());
    run.start();
  }
  RED.nodes.registerType('tide-state', TideState);
}

/** One deployed tide-state node, from start to stop. */
class StateRun {
  private readonly node: Node;
  private readonly pattern: string;
  private readonly openState: () => Promise<SharedState>;
  private readonly stopping = new AbortController();
  private state: SharedState | undefined;
  private unsubscribe: (() => void) | undefined;
  private opening: Promise<void> | undefined;

  constructor(node: Node, pattern: string, openState: () => Promise<SharedState>) {
    this.node = node;
    this.pattern = pattern;
    this.openState = openState;
  }

  start(): void {
    this.node.status({ fill: 'yellow', shape: 'ring', text: 'opening vault' });
    const opening = this.open();
    this.opening = opening;
    inBackground(this.node, () => opening);
  }

  /**
   * Answers with what is in force: for the key or pattern in `topic`, for everything without one. A question that comes
   * with the start of the flows, as from an inject node, waits until the vault is open.
   */
  async input(message: NodeMessage, send: (message: NodeMessage) => void): Promise<void> {
    await this.opening;
    if (this.state === undefined) throw new TideError('not-open', 'the vault is not open yet');
    const { topic } = message;
    const asked = typeof topic === 'string' && topic !== '' ? topic : '#';
    const problem = patternProblem(asked);
    if (problem !== undefined) throw new TideError('bad-pattern', `topic "${asked.slice(0, 80)}" ${problem}`);
    const found = this.state.documents().filter(({ key }) => this.takes(key) && matchSeries(asked, key));
    if (found.length === 0)
      this.node.warn(asked === '#' ? 'nothing is in force yet' : `nothing is in force for "${asked.slice(0, 80)}"`);
    for (const document of found) send({ ...message, ...messageOf(document) });
  }

  stop(): void {
    this.stopping.abort();
    this.unsubscribe?.();
  }

  private async open(): Promise<void> {
    const problem = patternProblem(this.pattern);
    if (problem !== undefined) throw new TideError('bad-pattern', `keys "${this.pattern.slice(0, 80)}" ${problem}`);
    const state = await this.openState();
    try {
      await sleep(FLOWS_START_MS, undefined, { signal: this.stopping.signal });
    } catch {
      // Stopped meanwhile.
      return;
    }
    this.state = state;
    // No turn of the event loop lies between the two, so no change is missed and none is brought out twice.
    for (const document of state.documents()) this.bringOut(document);
    this.unsubscribe = state.onChange((document) => this.bringOut(document));
    this.show();
  }

  private bringOut(document: SharedDocument): void {
    if (!this.takes(document.key)) return;
    this.node.send(messageOf(document));
    this.show();
  }

  private takes(key: string): boolean {
    return matchSeries(this.pattern, key);
  }

  private show(): void {
    const count = this.state?.documents().filter(({ key }) => this.takes(key)).length ?? 0;
    const text = count === 0 ? 'nothing from the cloud yet' : `${count} ${count === 1 ? 'value' : 'values'} in force`;
    this.node.status(count === 0 ? { fill: 'grey', shape: 'ring', text } : { fill: 'green', shape: 'dot', text });
  }
}

function messageOf({ key, value, stamp }: SharedDocument): NodeMessage {
  return { topic: key, payload: structuredClone(value), tide: { kind: 'state', stamp: { ...stamp } } };
}
