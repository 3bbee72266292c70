import { setImmediate } from 'node:timers/promises';
import { systemClock } from '../node/clock.ts';
import { reasonOf, TideError, toError } from '../node/errors.ts';
import { inBackground, onClose, onInput, shorten } from '../node/handlers.ts';
import type { Node, NodeDefinition, NodeMessage, NodeRed } from '../node/node-red.ts';
import { vaultOf } from '../node/vault-of.ts';
import type { Reading } from '../reading/reading.ts';
import { outgoingOf } from '../sync/outgoing.ts';
import { receiveBatch } from './batch.ts';
import { LadderPlan } from './ladder.ts';
import { OwnedSummarizer } from './owned-summarizer.ts';
import { parseRules } from './rules.ts';
import { DEFAULT_LADDER, parseResolutions } from './stream.ts';
import { viewOf } from './view.ts';

interface SummarizeDefinition extends NodeDefinition {
  vault: string;
  /** E.g. `1m` or `1m, 15m, 1h, 1d`. */
  resolutions: string;
  /** Other windows for some series (rules.ts). */
  rules?: unknown;
  /** Seconds. */
  grace: number | string;
  /** Minutes between saves of a window that stays open. */
  save: number | string;
}

const TICK_MS = 1_000;
/** Longest stretch of readings that is added without letting others have the event loop, milliseconds. */
const SLICE_MS = 2;

interface Opened {
  summarizer: OwnedSummarizer;
  /** Ends hearing the vault. */
  unsubscribe: () => void;
}

/** Wires Node-RED to an OwnedSummarizer, which decides what is closed and saved. */
class SummarizeNode {
  private readonly node: Node;
  private readonly RED: NodeRed;
  private readonly definition: SummarizeDefinition;
  /** End of the line of batches. */
  private tail: Promise<void> = Promise.resolve();
  private ticking: Promise<void> | undefined;
  private status = '';
  private refusals = 0;

  constructor(RED: NodeRed, node: Node, definition: SummarizeDefinition) {
    this.RED = RED;
    this.node = node;
    this.definition = definition;
  }

  start(): void {
    this.show('yellow', 'ring', 'opening vault');
    const opened = this.open();
    inBackground(this.node, async () => this.showCounts((await opened).summarizer));
    const timer = setInterval(() => this.tick(opened), TICK_MS);
    onInput(this.node, (message) => this.take(opened, message));
    onClose(this.node, (removed) => {
      clearInterval(timer);
      return this.close(opened, removed);
    });
  }

  private async open(): Promise<Opened> {
    const { RED, definition } = this;
    const resolutions = parseResolutions(definition.resolutions ?? DEFAULT_LADDER);
    if (typeof resolutions === 'string') throw new TideError('bad-option', resolutions);
    const plan = new LadderPlan(resolutions, parseRules(definition.rules ?? []));
    const grace = numberOption('grace', definition.grace, 2, 0, 3600);
    const save = numberOption('save', definition.save, 10, 0.1, 1440);
    const vault = await vaultOf(RED, definition.vault);
    const summarizer = await OwnedSummarizer.open(
      {
        vault,
        outgoing: await outgoingOf(vault),
        owner: this.node.id,
        plan,
        grace: grace * 1000,
        saveInterval: save * 60_000,
        clock: systemClock,
      },
      {
        closed: (resolution, parts, withheld) => {
          const payload = parts.map(({ name, windowStart, summary }) => viewOf(name, resolution, windowStart, summary));
          this.node.send({ payload, tide: { kind: 'summaries', resolution, withheld } });
        },
        refused: (reading, error) => this.refuse(reading.series, error),
      },
    );
    const unsubscribe = vault.onChange((notice) => {
      if (notice.kind === 'saves') summarizer.want(notice.below);
    });
    return { summarizer, unsubscribe };
  }

  /** Batches are added one after the other, in the order in which they came. */
  private async take(opened: Promise<Opened>, message: NodeMessage): Promise<void> {
    try {
      const { readings, problem } = receiveBatch(message);
      const turn = this.tail.then(async () => this.feed((await opened).summarizer, readings));
      this.tail = turn.catch(() => undefined);
      await turn;
      if (problem !== undefined) throw problem;
    } catch (error) {
      this.status = ''; // The status is about to say this; the next tick says again how things are.
      throw error;
    }
  }

  private async feed(summarizer: OwnedSummarizer, readings: readonly Reading[]): Promise<void> {
    let sliceEnd = systemClock.monotonic() + SLICE_MS;
    for (const [i, reading] of readings.entries()) {
      summarizer.add(reading);
      if ((i + 1) % 256 !== 0) continue;
      // A reading that is not added now would be lost to its summary: a failed tick is reported, and the rest goes on.
      if (summarizer.pressed) await this.tickNow(summarizer);
      if (systemClock.monotonic() < sliceEnd) continue;
      await setImmediate();
      sliceEnd = systemClock.monotonic() + SLICE_MS;
    }
    if (summarizer.pressed) await this.tickNow(summarizer);
  }

  private tick(pending: Promise<Opened>): void {
    if (this.ticking !== undefined) return;
    inBackground(this.node, async () => {
      // Why the vault did not open was said when it did not.
      const opened = await pending.catch(() => undefined);
      if (opened !== undefined) await this.tickNow(opened.summarizer);
    });
  }

  /** Never rejects: the failure is shown, and the next tick tries again. */
  private tickNow(summarizer: OwnedSummarizer): Promise<void> {
    this.ticking ??= (async () => {
      try {
        await summarizer.tick();
        this.showCounts(summarizer);
      } catch (error) {
        this.fail(error);
      } finally {
        this.ticking = undefined;
      }
    })();
    return this.ticking;
  }

  private async close(pending: Promise<Opened>, removed: boolean): Promise<void> {
    const opened = await pending.catch(() => undefined);
    await this.tail;
    opened?.unsubscribe();
    await this.ticking;
    await opened?.summarizer.stop(removed);
  }

  private refuse(series: string, error: TideError): void {
    // The first and every thousandth: a sensor that sends nonsense does so at its own rate.
    if (this.refusals++ % 1000 === 0)
      this.node.warn(`${series}: ${error.message}; counted as bad (${this.refusals} so far)`);
  }

  private fail(error: unknown): void {
    const text = shorten(reasonOf(error));
    if (this.status !== text) this.node.error(toError(error));
    this.show('red', 'ring', text);
  }

  private showCounts(summarizer: OwnedSummarizer): void {
    const { openWindows } = summarizer;
    this.show(
      'green',
      'dot',
      `${openWindows.toLocaleString('en-US')} ${openWindows === 1 ? 'window' : 'windows'} open`,
    );
  }

  private show(fill: 'green' | 'yellow' | 'red', shape: 'dot' | 'ring', text: string): void {
    if (this.status === text) return;
    this.status = text;
    this.node.status({ fill, shape, text });
  }
}

function numberOption(name: string, value: unknown, otherwise: number, low: number, high: number): number {
  const number = value === undefined || value === '' ? otherwise : Number(value);
  if (!(number >= low && number <= high))
    throw new TideError(
      'bad-option',
      `${name} is ${JSON.stringify(value)}; a number from ${low} to ${high} is allowed`,
    );
  return number;
}

export default function (RED: NodeRed): void {
  RED.nodes.registerType<SummarizeDefinition>('tide-summarize', function (definition) {
    RED.nodes.createNode(this, definition);
    new SummarizeNode(RED, this, definition).start();
  });
}
