import type { Clock } from '../node/clock.ts';
import { TideError } from '../node/errors.ts';
import { BoundedCache } from '../reading/bounded-cache.ts';
import { MAX_PAYLOAD_BYTES } from '../reading/limits.ts';
import type { Reading } from '../reading/reading.ts';
import type { Timekeeper } from '../vault/timekeeper.ts';
import { RECEIPT_WINDOW } from '../vault/vault.ts';
import type { Vault } from '../vault/vault.ts';
import { Accounts } from './accounts.ts';
import type { Door, DoorOptions, DoorSink, DoorStats, PressureListener } from './door.ts';
import type { DoorMessage, DoorRule } from './message.ts';
import { Receipts } from './receipts.ts';
import { Slices } from './slices.ts';
import { Source, type Counters, type Done, type DoorContext } from './source.ts';
import { UNDATED_INDEX } from './undated.ts';
import { matchTopic } from './topic-filter.ts';
import { LONGEST_KNOWN_TOPIC, type TopicPlan } from './translator.ts';

export interface DurableDoorOptions extends Partial<DoorOptions> {
  /** Called with failures that nobody waits for: a sink that threw, a journal that could not be read. */
  onError?: (error: unknown) => void;
  /** Who knows whether the clock is right; without one it is believed. */
  keeper?: Timekeeper;
}

const DEFAULTS: DoorOptions = {
  commitTimeoutMs: 10_000,
  maxBytesPerClient: 1 << 20,
  maxPayloadBytes: MAX_PAYLOAD_BYTES,
};

const MAX_ROUTES = 20_000;

/** A source that takes a topic, and what it makes of it. */
interface Route {
  source: Source;
  plan: TopicPlan;
}

/** The door of one vault (see Door). Messages of each source share commits; every commit is waited for. */
export class DurableDoor implements Door {
  readonly vault: Vault;
  readonly clock: Clock;
  readonly options: DoorOptions;
  /** Set by `close`; a closed door takes nothing more. */
  closed = false;
  private readonly sources = new Map<string, Source>();
  private readonly routes = new BoundedCache<string, Route[]>(MAX_ROUTES, LONGEST_KNOWN_TOPIC);
  private readonly counters: Counters = { messages: 0, readings: 0, rejected: 0, duplicates: 0, refused: 0 };
  private readonly context: DoorContext;
  private timer: NodeJS.Timeout | undefined;

  constructor(vault: Vault, clock: Clock, { onError, keeper, ...options }: DurableDoorOptions = {}) {
    this.vault = vault;
    this.clock = clock;
    this.options = { ...DEFAULTS, ...options };
    const report = onError ?? ((error: unknown) => process.emitWarning(String(error), 'TidegateDoor'));
    this.context = {
      vault,
      clock,
      options: this.options,
      accounts: new Accounts(this.options.maxBytesPerClient),
      ...(keeper !== undefined && { keeper }),
      receipts: new Receipts({ receipts: () => this.receipts() }, report),
      slices: new Slices(clock, report),
      counters: this.counters,
      report,
      watch: () => this.watch(),
    };
    if (keeper !== undefined) this.findUndated().catch(report);
  }

  setRule(id: string, rule: DoorRule): void {
    this.source(id).setRule(rule);
    this.routes.clear();
  }

  removeRule(id: string): void {
    this.sources.get(id)?.setRule(undefined);
    this.routes.clear();
  }

  accepts(topic: string): boolean {
    return this.routesOf(topic).length > 0;
  }

  offer(message: DoorMessage, done: Done): void {
    if (this.closed) {
      done(closedError());
      return;
    }
    const routes = this.routesOf(message.topic);
    if (routes.length === 1) {
      routes[0].source.take(message, routes[0].plan, done);
      return;
    }
    if (routes.length === 0) done();
    const together = afterAll(routes.length, done);
    for (const { source, plan } of routes) source.take(message, plan, together);
  }

  offerTo(rule: string, message: DoorMessage, done: Done): void {
    const source = this.sources.get(rule);
    const plan = source?.plan(message.topic);
    if (this.closed) done(closedError());
    else if (source === undefined || plan === undefined)
      done(new TideError('no-rule', `the door has no rule ${rule}; a node sets its rule when it starts`));
    else source.take(message, plan, done);
  }

  async store(source: string, readings: readonly Reading[], cause?: number): Promise<Reading[]> {
    if (this.closed) throw closedError();
    return this.source(source).store(readings, cause);
  }

  attach(id: string, sink: DoorSink): () => void {
    if (this.closed) throw closedError();
    return this.source(id).attach(sink);
  }

  onPressure(listener: PressureListener): () => void {
    return this.context.accounts.listen(listener);
  }

  /** Readings that wait for the right time. */
  get undated(): number {
    let count = 0;
    for (const { holding } of this.sources.values()) count += holding?.undated.readings ?? 0;
    return count;
  }

  stats(): DoorStats {
    let waitingMessages = this.context.receipts.waiting;
    for (const { lanes } of this.sources.values()) for (const lane of lanes) waitingMessages += lane.waiting;
    return { ...this.counters, waitingMessages, waitingBytes: this.context.accounts.waiting };
  }

  /** Takes nothing more; resolves when all that waits has been committed or refused. The vault stays open. */
  async close(): Promise<void> {
    this.closed = true;
    await Promise.all([...this.sources.values()].map((source) => source.close()));
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  /** Readings that wait for their date and have no rule any more are dated, too. */
  private async findUndated(): Promise<void> {
    for (const { key } of await this.vault.documents.list(UNDATED_INDEX)) if (!this.closed) this.source(key);
  }

  /** Those of messages that wait for their date, and after them those of the journal, into which they go. */
  private async receipts(): Promise<readonly bigint[]> {
    await (this.context.keeper && this.findUndated());
    const waiting: bigint[] = [];
    for (const { holding } of this.sources.values())
      if (holding !== undefined) waiting.push(...(await holding.undated.receipts(RECEIPT_WINDOW)));
    return [...waiting, ...(await this.vault.journal.receipts())];
  }

  private source(id: string): Source {
    let source = this.sources.get(id);
    if (source === undefined) {
      source = new Source(id, this.context);
      this.sources.set(id, source);
    }
    return source;
  }

  private routesOf(topic: string): Route[] {
    let routes = this.routes.get(topic);
    if (routes === undefined) {
      routes = [];
      for (const source of this.sources.values()) {
        const plan = source.rule?.topics.some((filter) => matchTopic(filter, topic)) ? source.plan(topic) : undefined;
        if (plan !== undefined) routes.push({ source, plan });
      }
      this.routes.set(topic, routes);
    }
    return routes;
  }

  /** One timer for all that waits; a message is refused between one and one and a quarter times its limit. */
  private watch(): void {
    if (this.timer !== undefined) return;
    this.timer = setTimeout(() => this.expire(), Math.max(10, this.options.commitTimeoutMs / 4));
    this.timer.unref();
  }

  private expire(): void {
    this.timer = undefined;
    const { commitTimeoutMs } = this.options;
    const limit = this.clock.monotonic() - commitTimeoutMs;
    const error = new TideError('commit-timeout', `the commit took longer than ${commitTimeoutMs} ms`);
    this.counters.refused += this.context.receipts.expire(limit, error);
    for (const { lanes } of this.sources.values())
      for (const lane of lanes) this.counters.refused += lane.expire(limit, error);
    if (this.stats().waitingMessages > 0) this.watch();
  }
}

function closedError(): TideError {
  return new TideError('closed', 'the door is closed');
}

/** Calls `done` after `count` calls, with the first error among them. */
function afterAll(count: number, done: Done): Done {
  let left = count;
  let failure: Error | undefined;
  return (error) => {
    failure ??= error;
    if (--left === 0) done(failure);
  };
}
