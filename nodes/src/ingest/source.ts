import type { Clock } from '../node/clock.ts';
import { TideError } from '../node/errors.ts';
import type { Reading } from '../reading/reading.ts';
import { BirthBook } from '../reading/sparkplug-births.ts';
import { deliveriesOf, type Deliveries } from '../vault/deliveries.ts';
import type { Timekeeper } from '../vault/timekeeper.ts';
import type { Vault } from '../vault/vault.ts';
import type { Account, Accounts } from './accounts.ts';
import type { Batch, Report, Waiter } from './batch.ts';
import { CauseGuard } from './cause-guard.ts';
import type { DoorOptions, DoorSink } from './door.ts';
import { Feed } from './feed.ts';
import { Lane, uncommitted } from './lane.ts';
import type { DoorMessage, DoorRule } from './message.ts';
import { Holding } from './holding.ts';
import { clientHalf, messageHalf, seedOf, type Seed } from './receipt.ts';
import type { Receipts } from './receipts.ts';
import type { Slices } from './slices.ts';
import { Translator, type Takings, type TopicPlan } from './translator.ts';

/** What all sources of one door share. */
export interface DoorContext {
  readonly vault: Vault;
  readonly clock: Clock;
  /** Absent where the wall clock is simply believed. */
  readonly keeper?: Timekeeper;
  readonly options: DoorOptions;
  readonly accounts: Accounts;
  readonly receipts: Receipts;
  readonly slices: Slices;
  readonly counters: Counters;
  readonly report: Report;
  /** Called with each message that begins to wait. */
  readonly watch: () => void;
}

export interface Counters {
  messages: number;
  readings: number;
  rejected: number;
  duplicates: number;
  refused: number;
}

export type Done = (error?: Error) => void;

/** A receipt's two halves: client, message. */
type Receipt = readonly [client: number, message: number];
const NONE: Receipt = [0, 0];

/** Bytes that a waiting message takes beside its payload and topic. */
const MESSAGE_OVERHEAD = 128;
const READING_BYTES = 128;
/** Uncommitted bytes of all clients together. */
const MAX_WAITING_BYTES = 64 << 20;
/** Readings that one `store` takes. */
export const MAX_STORED_AT_ONCE = 10_000;

/** One way in: a tide-ingest or tide-store node with its rule, its commits and its sink. */
export class Source {
  readonly id: string;
  readonly lane: Lane;
  /** Where messages go while the time is not known. */
  readonly holding: Holding | undefined;
  private readonly context: DoorContext;
  private readonly seed: Seed;
  private readonly births = new BirthBook();
  private translator: Translator | undefined;
  private guard: Promise<CauseGuard> | undefined;
  private feed: Feed | undefined;
  /** First position that no sink was given in this process. */
  private undelivered: number;
  /** Position of the newest reading committed in this process. */
  private newest = 0;
  private readonly deliveries: Deliveries;

  constructor(id: string, context: DoorContext) {
    this.id = id;
    this.context = context;
    this.seed = seedOf(id);
    this.undelivered = context.vault.journal.head;
    this.deliveries = deliveriesOf(context.vault);
    this.deliveries.watch(id, () => this.firstUndelivered());
    const { vault, accounts, slices, report } = context;
    const parts = { vault, accounts, slices, report };
    this.lane = new Lane(id, { ...parts, committed: (batch) => this.committed(batch) });
    this.holding =
      context.keeper &&
      new Holding(id, context.keeper, {
        ...parts,
        committed: ({ receipts, rejections }) => {
          context.receipts.committed(receipts);
          this.feed?.committed([], rejections);
        },
        release: (readings, receipts, cause) => this.release(readings, receipts, cause),
      });
  }

  get lanes(): readonly Lane[] {
    return this.holding === undefined ? [this.lane] : [this.lane, this.holding.lane];
  }

  get rule(): DoorRule | undefined {
    return this.translator?.rule;
  }

  setRule(rule: DoorRule | undefined): void {
    const { clock, keeper, options } = this.context;
    // Without the right time no sensor's time is refused.
    const best = keeper && { now: () => keeper.now() ?? 0, monotonic: () => clock.monotonic() };
    this.translator = rule && new Translator(rule, this.births, best ?? clock, options.maxPayloadBytes);
  }

  /** What the rule makes of a topic; undefined without a rule. */
  plan(topic: string): TopicPlan | undefined {
    return this.translator?.plan(topic);
  }

  take(message: DoorMessage, plan: TopicPlan, done: Done): void {
    const { accounts, clock, counters } = this.context;
    const account = accounts.of(message.client);
    const bytes = message.payload.length + message.topic.length + MESSAGE_OVERHEAD;
    if (this.tooMuch(account)) {
      counters.refused++;
      done(new TideError('busy', `${account.waiting} bytes of ${account.client} wait for their commit already`));
      return;
    }
    const since = clock.monotonic();
    const known = message.qos > 0 && message.packetId !== undefined;
    const receipt: Receipt = known
      ? [clientHalf(this.seed, account.seed), messageHalf(plan.seed, message.packetId!, message.payload)]
      : NONE;
    if (known && message.dup && this.recognise(receipt, { done, account, bytes: 0, since }, message, plan)) return;
    counters.messages++;
    const { lane, batch } = this.translated(message, plan);
    if (known) batch.receipts.push(...receipt);
    lane.join(batch, account, bytes, since, done);
    this.context.watch();
  }

  /** Puts what a message says into a batch: one of the journal's, or of those that wait for their date. */
  private translated(message: DoorMessage, plan: TopicPlan): { lane: Lane; batch: Batch } {
    const { keeper, counters } = this.context;
    const { holding } = this;
    const known = keeper?.glance() ?? true;
    const separate: Takings | undefined = holding?.active === true ? { readings: [], rejections: [] } : undefined;
    let lane = this.lane;
    let batch = lane.batch();
    const into = separate ?? batch;
    const [taken, rejected] = [into.readings.length, into.rejections.length];
    this.translator?.translate(message, plan, into);
    counters.readings += into.readings.length - taken;
    counters.rejected += into.rejections.length - rejected;
    if (separate !== undefined && holding !== undefined) {
      if (separate.readings.some(({ clock }) => clock === 'gateway')) {
        lane = holding.lane;
        batch = lane.batch();
        holding.undate(separate.readings);
      }
      for (const reading of separate.readings) batch.readings.push(reading);
      for (const rejection of separate.rejections) batch.rejections.push(rejection);
      return { lane, batch };
    }
    const correction = known && keeper !== undefined ? keeper.correction() : 0;
    if (correction !== 0)
      for (let i = taken; i < batch.readings.length; i++)
        if (batch.readings[i].clock === 'gateway') batch.readings[i].time += Math.round(correction);
    return { lane, batch };
  }

  /** Commits ready-made readings; resolves to the new ones, with positions. */
  async store(readings: readonly Reading[], cause: number | undefined): Promise<Reading[]> {
    if (readings.length > MAX_STORED_AT_ONCE)
      throw new TideError('too-many', `${readings.length} readings at once; at most ${MAX_STORED_AT_ONCE} are taken`);
    this.guard ??= this.loadGuard();
    const guard = await this.guard;
    const { fresh, awaited } = guard.sift(readings, cause);
    const made = uncommitted(fresh);
    if (made.length > 0) {
      const outcome = this.commit(made, Math.max(0, ...fresh.map(({ position }) => position ?? cause ?? 0)));
      guard.track(fresh, cause, outcome);
      await outcome;
    }
    await Promise.all(awaited);
    return made;
  }

  attach(sink: DoorSink): () => void {
    this.detach(this.feed);
    const { vault, slices, report } = this.context;
    const { id: source, deliveries, undelivered } = this;
    const feed = new Feed(sink, { vault, source, deliveries, undelivered, slices, report });
    this.feed = feed;
    void feed.start();
    return () => this.detach(feed);
  }

  async close(): Promise<void> {
    this.detach(this.feed);
    await this.holding?.close();
    await this.lane.settled();
  }

  private detach(feed: Feed | undefined): void {
    if (feed === undefined || this.feed !== feed) return;
    feed.detach();
    this.feed = undefined;
    this.undelivered = feed.cursor;
  }

  private firstUndelivered(): number | undefined {
    if (this.feed !== undefined) return this.feed.undelivered;
    return this.newest >= this.undelivered ? this.undelivered : undefined;
  }

  private committed(batch: Batch): void {
    this.newest = batch.readings.at(-1)?.position ?? this.newest;
    this.context.receipts.committed(batch.receipts);
    this.feed?.committed(batch.readings, batch.rejections);
  }

  /**
   * Whether a publish with DUP set has been taken before. One whose first copy is still being committed waits for that
   * commit; one that comes before the receipts are loaded is looked at again when they are.
   */
  private recognise(receipt: Receipt, waiter: Waiter, message: DoorMessage, plan: TopicPlan): boolean {
    const { receipts, counters, watch } = this.context;
    const { done, account, since } = waiter;
    for (const lane of this.lanes) {
      const pending = lane.holding(...receipt);
      if (pending === undefined) continue;
      counters.duplicates++;
      lane.join(pending, account, 0, since, done);
      watch();
      return true;
    }
    if (!receipts.ready) {
      receipts.hold(waiter, () => this.take(message, plan, done));
      watch();
      return true;
    }
    if (!receipts.has(...receipt)) return false;
    counters.duplicates++;
    done();
    return true;
  }

  /** Messages of the flow itself come under the node's id and cannot be paused; for them only the common limit holds. */
  private tooMuch(account: Account): boolean {
    const { accounts } = this.context;
    if (accounts.waiting > MAX_WAITING_BYTES) return true;
    return account.waiting > 2 * accounts.maxBytesPerClient && account.client !== this.id;
  }

  private async loadGuard(): Promise<CauseGuard> {
    try {
      return new CauseGuard(await this.context.vault.journal.cause(this.id));
    } catch (error) {
      this.guard = undefined;
      throw error;
    }
  }

  /** Commits readings that have been dated, with the receipts of their messages. */
  private release(readings: readonly Reading[], receipts: readonly bigint[], cause: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const batch = this.lane.batch();
      for (const reading of readings) batch.readings.push(reading);
      for (const receipt of receipts) batch.receipts.push(Number(receipt >> 32n), Number(receipt & 0xffff_ffffn));
      batch.cause = Math.max(batch.cause, cause);
      const done: Done = (error) => (error === undefined ? resolve() : reject(error));
      const bytes = readings.length * READING_BYTES;
      this.lane.join(batch, this.context.accounts.of(this.id), bytes, this.context.clock.monotonic(), done);
    });
  }

  private commit(readings: Reading[], cause: number): Promise<void> {
    const { accounts, clock, counters } = this.context;
    return new Promise((resolve, reject) => {
      const account = accounts.of(this.id);
      if (this.tooMuch(account)) {
        counters.refused++;
        reject(new TideError('busy', `${account.waiting} bytes wait for their commit already`));
        return;
      }
      const batch = this.lane.batch();
      for (const reading of readings) batch.readings.push(reading);
      batch.cause = Math.max(batch.cause, cause);
      counters.readings += readings.length;
      const done: Done = (error) => (error === undefined ? resolve() : reject(error));
      this.lane.join(batch, account, readings.length * READING_BYTES, clock.monotonic(), done);
      this.context.watch();
    });
  }
}
