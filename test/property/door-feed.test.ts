import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { DurableDoor } from '@tidegate/nodes/ingest';
import { systemClock } from '@tidegate/nodes/node';
import type { Reading } from '@tidegate/nodes/reading';
import type { Journal, Vault } from '@tidegate/nodes/vault';
import { TemporaryVault } from '../support/temporary-vault.ts';

/** What may happen at a door, in any order. */
type Event =
  | { kind: 'offer'; source: 0 | 1; count: number }
  | { kind: 'attach'; source: 0 | 1 }
  | { kind: 'detach'; source: 0 | 1 }
  | { kind: 'wait'; ms: number };

const source = fc.constantFrom(0 as const, 1 as const);
const count = fc.oneof({ arbitrary: fc.integer({ min: 1, max: 5 }), weight: 9 }, fc.integer({ min: 1, max: 2500 }));
const event: fc.Arbitrary<Event> = fc.oneof(
  { arbitrary: fc.record({ kind: fc.constant('offer' as const), source, count }), weight: 4 },
  { arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(12) }), weight: 4 },
  { arbitrary: fc.record({ kind: fc.constant('attach' as const), source }), weight: 2 },
  { arbitrary: fc.record({ kind: fc.constant('detach' as const), source }), weight: 1 },
);

/** Milliseconds before the work and between the work and its answer, in turn. */
type Delays = readonly (readonly [before: number, after: number])[];

/** A real vault whose answers take their time, those of reading and of writing each their own: what a slow disk does. */
function dawdling(vault: Vault, writing: Delays, reading: Delays): Vault {
  let turn = 0;
  const dawdle = async <T>(delays: Delays, work: () => Promise<T>): Promise<T> => {
    const [before, after] = delays[turn++ % delays.length];
    if (before > 0) await sleep(before);
    const result = await work();
    if (after > 0) await sleep(after);
    return result;
  };
  const { journal } = vault;
  const slow: Journal = {
    get head() {
      return journal.head;
    },
    append: (batch) => dawdle(writing, () => journal.append(batch)),
    read: (from, limit, source) => dawdle(reading, () => journal.read(from, limit, source)),
    cause: (source) => journal.cause(source),
    receipts: () => journal.receipts(),
    rejections: (limit) => journal.rejections(limit),
  };
  return {
    directory: vault.directory,
    incarnation: vault.incarnation,
    series: vault.series,
    journal: slow,
    checkpoints: {
      load: (consumer) => vault.checkpoints.load(consumer),
      replayFrom: () => dawdle(reading, () => vault.checkpoints.replayFrom()),
    },
    outbox: vault.outbox,
    documents: vault.documents,
    commit: (changes) => vault.commit(changes),
    onChange: (listener) => vault.onChange(listener),
    keys: vault.keys,
    query: (query) => vault.query(query),
    cut: () => vault.cut(),
    verify: () => vault.verify(),
    fold: () => vault.fold(),
    stats: () => vault.stats(),
    accounts: (consumers, stateBytes) => vault.accounts(consumers, stateBytes),
    close: () => vault.close(),
  };
}

const SOURCES = [0, 1] as const;

/** Each attachment's readings, oldest attachment first. */
type Sessions = Reading[][];

class Site {
  readonly door: DurableDoor;
  readonly sessions: [Sessions, Sessions] = [[], []];
  readonly acknowledged: Promise<void>[] = [];
  private readonly names: [string, string];
  private readonly detachers: [(() => void) | undefined, (() => void) | undefined] = [undefined, undefined];
  private sent = 0;

  constructor(vault: Vault, run: number) {
    this.names = [`run${run}-a`, `run${run}-b`];
    this.door = new DurableDoor(vault, systemClock, {
      onError: (error) => {
        throw error;
      },
      maxBytesPerClient: 1 << 28,
    });
    for (const name of this.names)
      this.door.setRule(name, { topics: [`${name}/#`], format: 'auto', series: '{topic}' });
  }

  async play(happening: Event): Promise<void> {
    if (happening.kind === 'wait') await sleep(happening.ms);
    else if (happening.kind === 'offer') this.offer(happening.source, happening.count);
    else {
      this.detachers[happening.source]?.();
      this.detachers[happening.source] = happening.kind === 'attach' ? this.attach(happening.source) : undefined;
    }
  }

  /** After a last attachment, waits until as many readings came as `enough` wants, and a little for those too many. */
  async finish(enough: (sessions: Sessions, source: 0 | 1) => boolean): Promise<void> {
    for (const source of SOURCES) await this.play({ kind: 'attach', source });
    for (let i = 0; i < 400 && !SOURCES.every((source) => enough(this.sessions[source], source)); i++) await sleep(5);
    await sleep(30);
    await this.door.close();
  }

  private offer(source: 0 | 1, count: number): void {
    for (let i = 0; i < count; i++) {
      const message = {
        topic: `${this.names[source]}/x`,
        payload: Buffer.from(String(this.sent++)),
        client: 'c',
        qos: 1,
        packetId: 1 + (this.sent % 65_535),
        dup: false,
        stale: false,
        received: Date.now(),
      } as const;
      this.acknowledged.push(
        new Promise((resolve, reject) => {
          this.door.offer(message, (error) => (error === undefined ? resolve() : reject(error)));
        }),
      );
    }
  }

  private attach(source: 0 | 1): () => void {
    const session: Reading[] = [];
    this.sessions[source].push(session);
    return this.door.attach(this.names[source], {
      readings: (batch) => void session.push(...batch),
      rejections: () => assert.fail('nothing here is wrong'),
    });
  }
}

function positions(readings: readonly Reading[]): number[] {
  return readings.map(({ position }) => position ?? 0);
}

/** Compares without printing thousands of numbers. */
function assertSame(found: readonly number[], expected: readonly number[]): void {
  const at = expected.findIndex((position, i) => position !== found[i]);
  const where = at < 0 ? expected.length : at;
  if (at >= 0 || found.length !== expected.length)
    assert.fail(`${found.length} of ${expected.length}; at ${where} ${found[where]} instead of ${expected[where]}`);
}

describe('a door, whatever the order of offers, attachments and slow commits', function () {
  this.timeout(60_000);
  let files: TemporaryVault;
  let vault: Vault;
  let runs = 0;
  before(async () => {
    files = await TemporaryVault.make();
    vault = await files.open();
  });
  after(() => files.remove());

  const delays = fc.array(fc.tuple(fc.nat(4), fc.nat(20)), { minLength: 1, maxLength: 8 });
  const schedule = fc.tuple(fc.array(event, { minLength: 10, maxLength: 60 }), delays, delays);
  const committed = async (from: number, source: string): Promise<number[]> => {
    const found: number[] = [];
    for (let at: number | undefined = from; at !== undefined;) {
      const slice = await vault.journal.read(at, 5000, source);
      found.push(...slice.readings.map(({ position }) => position ?? 0));
      at = slice.next;
    }
    return found;
  };
  const play = async (
    events: readonly Event[],
    writing: Delays,
    reading: Delays,
  ): Promise<{ site: Site; run: number; from: number }> => {
    const from = vault.journal.head;
    const run = ++runs;
    const site = new Site(dawdling(vault, writing, reading), run);
    for (const happening of events) await site.play(happening);
    return { site, run, from };
  };
  it('gives each committed reading to exactly one attachment, in order, when nobody saves', async () => {
    await fc.assert(
      fc.asyncProperty(schedule, async ([events, writing, reading]) => {
        const { site, run, from } = await play(events, writing, reading);
        await Promise.all(site.acknowledged);
        const expected = [await committed(from, `run${run}-a`), await committed(from, `run${run}-b`)];
        await site.finish((sessions, source) => sessions.flat().length >= expected[source].length);
        for (const source of SOURCES) assertSame(positions(site.sessions[source].flat()), expected[source]);
      }),
      { numRuns: 20 },
    );
  });

  it('gives every attachment all readings from the checkpoint on, in order and once, when a consumer has saved nothing', async () => {
    const from = vault.journal.head;
    await vault.commit([{ kind: 'consumer', consumer: 'c', replayFrom: from }]);
    await fc.assert(
      fc.asyncProperty(schedule, async ([events, writing, reading]) => {
        const { site, run } = await play(events, writing, reading);
        await Promise.all(site.acknowledged);
        const expected = [await committed(from, `run${run}-a`), await committed(from, `run${run}-b`)];
        await site.finish((sessions, source) => (sessions.at(-1)?.length ?? 0) >= expected[source].length);
        for (const source of SOURCES) {
          for (const session of site.sessions[source])
            assertSame(positions(session), expected[source].slice(0, session.length));
          assertSame(positions(site.sessions[source].at(-1) ?? []), expected[source]);
        }
      }),
      { numRuns: 20 },
    );
  });
});
