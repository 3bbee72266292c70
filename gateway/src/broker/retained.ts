import { matchTopic } from '@tidegate/nodes/ingest';
import { type Clock, toError, TideError } from '@tidegate/nodes/node';
import type { Change, Vault } from '@tidegate/nodes/vault';
import { z } from 'zod';

import { RetainedBudget } from './retained-budget.ts';

export interface RetainedMessage {
  topic: string;
  payload: Uint8Array;
  qos: 0 | 1 | 2;
}

export interface RetainedOptions {
  vault: Pick<Vault, 'commit' | 'documents'>;
  clock: Clock;
  /** Calls back later; returns the canceller. */
  after: (ms: number, callback: () => void) => () => void;
  /** Called with what keeps messages from being kept: no room, a commit that failed. `kind` is one of few. */
  complain: (kind: 'retained' | 'retained-commit', reason: string) => void;
  /** Whoever waits longer for the commit is refused. Milliseconds. */
  commitTimeoutMs: number;
  budget?: RetainedBudget;
}

export interface RetainedStats {
  topics: number;
  bytes: number;
  /** Messages that were not kept because there was no room. */
  refused: number;
  /** Topics whose newest message is not on the disk yet. */
  waiting: number;
  /** Commits since the start. */
  commits: number;
}

/** Called when a message is on the disk, or with the reason why it is not. */
type Done = (error?: Error) => void;

/** What waits for its commit: the topic's newest message is in `messages`, these are told afterwards. */
type Waiters = Done[];

const NAMESPACE = 'retained';
const stored = z.object({
  payload: z.instanceof(Uint8Array),
  qos: z.union([z.literal(0), z.literal(1), z.literal(2)]),
});

/** One topic is written at most once in this time, however often it is published. Milliseconds. */
const TOPIC_PAUSE_MS = 200;
/** Between two commits. Milliseconds. */
const PAUSE_MS = 20;
const RETRY_MS = 1_000;
/** Largest message that is kept; the vault's documents take somewhat more. Bytes. */
const MAX_PAYLOAD = 512 << 10;
/** Longest topic whose message is kept: the vault's names of documents, characters. */
const MAX_TOPIC = 1_024;
const MAX_COMMIT_BYTES = 1 << 20;

/**
 * The newest retained message of each topic (OASIS MQTT 3.1.1, section 3.3.1.3), in memory for subscribers and as a sealed
 * document in the vault. What comes while a commit is under way, or too soon after the topic's last one, goes into a
 * later commit together: only the newest of a topic is written, and all that it replaced are acknowledged with it.
 *
 * A subscriber may be given a message that is not on the disk yet; its publisher is not told before it is.
 */
export class RetainedMessages {
  private readonly options: RetainedOptions;
  private readonly budget: RetainedBudget;
  private readonly messages = new Map<string, RetainedMessage>();
  /** Topics that the next commits take. */
  private dirty = new Map<string, Waiters>();
  private underWay = new Map<string, Waiters>();
  /** Monotonic time of a topic's last commit, while that is less than TOPIC_PAUSE_MS ago. */
  private readonly lastCommits = new Map<string, number>();
  private committing: Promise<void> | undefined;
  private notBefore = 0;
  /** When the timer fires, while there is one. */
  private wakeAt = Infinity;
  private cancelTimer: (() => void) | undefined;
  private refused = 0;
  private commits = 0;

  constructor(options: RetainedOptions) {
    this.options = options;
    this.budget = options.budget ?? new RetainedBudget();
  }

  /** Reads what the vault holds. */
  async load(): Promise<void> {
    for (const { key: topic, value } of await this.options.vault.documents.list(NAMESPACE)) {
      const { payload, qos } = stored.parse(value);
      if (this.budget.admits(topic, payload.length)) this.messages.set(topic, { topic, payload, qos });
    }
  }

  /**
   * Takes a topic's new message; an empty payload removes the old one, and so does one that there is no room for: an outdated
   * value must not stand for a current one. QoS 0 does not wait: `done` is called at once, unless others of the topic wait.
   */
  put(topic: string, payload: Uint8Array, qos: 0 | 1 | 2, done: Done): void {
    const kept = payload.length > 0 && this.admits(topic, payload.length);
    if (!kept) this.budget.admits(topic, 0);
    const old = this.messages.get(topic);
    const same = kept ? old?.qos === qos && Buffer.compare(old.payload, payload) === 0 : old === undefined;
    if (!same) {
      // Copied: the payload is a view into 64 kB that came from a socket.
      if (kept) this.messages.set(topic, { topic, payload: Uint8Array.from(payload), qos });
      else this.messages.delete(topic);
      if (!this.dirty.has(topic)) this.dirty.set(topic, []);
      this.schedule(this.dueOf(topic));
    }
    if (qos === 0) this.settled(topic, done);
    else this.written(topic, done);
  }

  /** Calls `done` after all that wait for this topic, at once when there are none: messages of a topic keep their order. */
  settled(topic: string, done: Done): void {
    const waiters = [this.dirty.get(topic), this.underWay.get(topic)].find(
      (some) => some !== undefined && some.length > 0,
    );
    if (waiters === undefined) done();
    else waiters.push(done);
  }

  /** Whether anything waits for a commit at all: a quick look before `settled`. */
  get quiet(): boolean {
    return this.dirty.size === 0 && this.underWay.size === 0;
  }

  /** Messages whose topics match any of the filters. */
  *matching(filters: readonly string[]): Generator<RetainedMessage> {
    for (const filter of filters) {
      if (/[+#]/.test(filter)) {
        for (const message of this.messages.values()) if (matchTopic(filter, message.topic)) yield message;
      } else {
        const message = this.messages.get(filter);
        if (message !== undefined) yield message;
      }
    }
  }

  stats(): RetainedStats {
    const { budget, refused, commits } = this;
    return {
      topics: budget.topics,
      bytes: budget.bytes,
      refused,
      waiting: this.dirty.size + this.underWay.size,
      commits,
    };
  }

  /** Commits what is left, once; what then fails is complained of. */
  async close(): Promise<void> {
    await this.committing;
    while (this.dirty.size > 0 && (await this.commit()));
    this.cancelTimer?.();
    this.cancelTimer = undefined;
  }

  /** Calls `done` when the topic's newest message is on the disk. */
  private written(topic: string, done: Done): void {
    const waiters = this.dirty.get(topic) ?? this.underWay.get(topic);
    if (waiters === undefined) done();
    else waiters.push(done);
  }

  private admits(topic: string, size: number): boolean {
    if (size <= MAX_PAYLOAD && topic.length <= MAX_TOPIC && this.budget.admits(topic, size)) return true;
    this.refused++;
    const limits = `${this.budget.limits}, of one ${MAX_PAYLOAD} bytes with a topic of ${MAX_TOPIC} characters`;
    this.options.complain('retained', `did not keep a retained message of ${size} bytes: ${limits}`);
    return false;
  }

  private dueOf(topic: string): number {
    const last = this.lastCommits.get(topic);
    return Math.max(this.notBefore, last === undefined ? 0 : last + TOPIC_PAUSE_MS);
  }

  private schedule(due: number): void {
    if (this.committing !== undefined || due >= this.wakeAt) return;
    this.cancelTimer?.();
    this.wakeAt = due;
    this.cancelTimer = this.options.after(Math.max(0, due - this.options.clock.monotonic()), () => {
      this.cancelTimer = undefined;
      this.wakeAt = Infinity;
      this.committing ??= this.run();
    });
  }

  /** Never rejects. */
  private async run(): Promise<void> {
    const committed = await this.commit();
    this.committing = undefined;
    const now = this.options.clock.monotonic();
    this.notBefore = now + (committed ? PAUSE_MS : RETRY_MS);
    for (const [topic, at] of this.lastCommits) {
      if (at + TOPIC_PAUSE_MS > now) break;
      this.lastCommits.delete(topic);
    }
    let due = Infinity;
    for (const topic of this.dirty.keys()) due = Math.min(due, this.dueOf(topic));
    if (due < Infinity) this.schedule(due);
  }

  /** Writes what is dirty, up to MAX_COMMIT_BYTES. False when that failed: it stays dirty, and who waited is told. */
  private async commit(): Promise<boolean> {
    const { vault, clock, after, commitTimeoutMs, complain } = this.options;
    const changes = this.take();
    const cancel = after(commitTimeoutMs, () =>
      this.refuse(new TideError('commit-timeout', `the commit took longer than ${commitTimeoutMs} ms`)),
    );
    let failure: Error | undefined;
    try {
      await vault.commit(changes);
    } catch (error) {
      failure = toError(error);
    }
    cancel();
    this.commits++;
    const now = clock.monotonic();
    const told = this.underWay;
    this.underWay = new Map();
    for (const topic of told.keys()) {
      if (failure !== undefined) {
        if (!this.dirty.has(topic)) this.dirty.set(topic, []);
        continue;
      }
      // Taken out first, so that the map stays in order of time.
      this.lastCommits.delete(topic);
      this.lastCommits.set(topic, now);
    }
    if (failure !== undefined) complain('retained-commit', `could not keep retained messages: ${failure.message}`);
    for (const waiters of told.values()) for (const done of waiters) done(failure);
    return failure === undefined;
  }

  private take(): Change[] {
    const changes: Change[] = [];
    let bytes = 0;
    for (const [topic, waiters] of this.dirty) {
      const message = this.messages.get(topic);
      const value = message === undefined ? undefined : { payload: message.payload, qos: message.qos };
      changes.push({ kind: 'document', namespace: NAMESPACE, key: topic, value });
      this.dirty.delete(topic);
      this.underWay.set(topic, waiters);
      bytes += topic.length + (message?.payload.length ?? 0) + 128;
      if (bytes >= MAX_COMMIT_BYTES) break;
    }
    return changes;
  }

  private refuse(error: Error): void {
    for (const waiting of [this.underWay, this.dirty])
      for (const waiters of waiting.values()) for (const done of waiters.splice(0)) done(error);
  }
}
