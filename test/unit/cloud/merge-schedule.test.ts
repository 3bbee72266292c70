import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import type { Clock } from '@tidegate/nodes/node';
import { decodeSummary, encodeSummary, foldSummaries } from '@tidegate/nodes/summary';
import {
  FrameCodec,
  ack,
  blocks as blocksBody,
  decodeBody,
  encodeBody,
  encodeCatalogue,
  makeIdentity,
  parseTopic,
  publicKeys,
} from '@tidegate/nodes/sync';
import fc from 'fast-check';

import { Intake, type Arrival } from '../../../cloud-bridge/src/merge/intake.ts';
import { Merger } from '../../../cloud-bridge/src/merge/merger.ts';
import { Refusals } from '../../../cloud-bridge/src/merge/refusals.ts';
import { Replies } from '../../../cloud-bridge/src/merge/replies.ts';
import { openSqliteStore } from '../../../cloud-bridge/src/store/sqlite-store.ts';
import type { Store } from '../../../cloud-bridge/src/store/store.ts';
import { blockOf, partOf } from '../../support/hand-made-gateway.ts';

const STREAM = 'operations/60';
const BLOCKS = 12;
const SERIES = 3;

/** Blocks in which windows come back, as late readings make them, and one without anything. */
const BODIES = Array.from({ length: BLOCKS }, (_, i) =>
  i === 5
    ? blockOf(6)
    : blockOf(
        i + 1,
        ...Array.from({ length: SERIES }, (_, series) =>
          partOf(series + 1, 60_000 * (i % 5), i + 0.1, i * 1.7 - series, -3.25),
        ),
      ),
);

const clock: Clock = { now: () => 1_700_000_000_000, monotonic: () => performance.now() };

/** A merger and its store, and what it has acknowledged; restarted it keeps the store only. */
class Cloud {
  readonly acknowledged = new Set<number>();
  private readonly directory = mkdtempSync(path.join(os.tmpdir(), 'tidegate-schedule-'));
  private readonly own = makeIdentity();
  private readonly edge = makeIdentity();
  private readonly codec = new FrameCodec(this.edge, clock);
  store: Store = openSqliteStore(path.join(this.directory, 'cloud.db'));
  private intake = new Intake();
  private merger = this.makeMerger();

  async enrol(): Promise<void> {
    await this.store.addToken({
      id: '00',
      tenant: 'default',
      gateway: 'site',
      verifier: new Uint8Array(1),
      createdAt: 0,
    });
    await this.store.enrol('00', publicKeys(this.edge), 0);
  }

  frame(type: 'live' | 'fill', stream: string, blocks: { number: number; body: Uint8Array }[]): Arrival {
    const address = { tenant: 'default', gateway: 'site', direction: 'up' as const, type };
    const body = encodeBody(blocksBody, { blocks });
    const bytes = this.codec.seal(address, { incarnation: new Uint8Array(16), stream }, body, this.own.agree.publicKey);
    return { address, bytes };
  }

  offer(arrival: Arrival): void {
    assert.ok(this.intake.offer(arrival));
  }

  step(): Promise<boolean> {
    return this.merger.step();
  }

  /** What lay in memory is gone. */
  async restart(): Promise<void> {
    await this.store.close();
    this.store = openSqliteStore(path.join(this.directory, 'cloud.db'));
    this.intake = new Intake();
    this.merger = this.makeMerger();
  }

  /** The fold of every window of every series, as bytes. */
  async folds(): Promise<string[]> {
    const { id } = (await this.store.gateway('default', 'site'))!;
    const folds: string[] = [];
    for (let series = 1; series <= SERIES; series++) {
      const query = {
        gatewayId: id,
        series: `s${series}`,
        purpose: 'operations',
        resolution: 60,
        from: 0,
        to: 9e15,
        limit: 99,
      };
      for (const { windowStart, summaries } of (await this.store.windows(query)).windows) {
        const bytes = encodeSummary(foldSummaries(summaries.map(decodeSummary)));
        folds.push(`${series} ${windowStart} ${summaries.length} ${Buffer.from(bytes).toString('hex')}`);
      }
    }
    return folds;
  }

  async close(): Promise<void> {
    await this.store.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  private makeMerger(): Merger {
    const codec = new FrameCodec(this.own, clock);
    return new Merger({
      store: this.store,
      codec,
      clock,
      intake: this.intake,
      refusals: new Refusals(),
      replies: new Replies(codec, clock, (topic, frame) => this.heard(topic, frame)),
      changed: () => undefined,
    });
  }

  private heard(topic: string, frame: Uint8Array): void {
    const address = parseTopic(topic)!;
    assert.equal(address.type, 'ack');
    const { body } = this.codec.open(address, frame, () => publicKeys(this.own));
    for (const [from, to] of decodeBody(ack, body).streams[STREAM] ?? [])
      for (let number = from; number <= to; number++) this.acknowledged.add(number);
  }
}

type Event =
  | { kind: 'frame'; blocks: number[]; lane: 'live' | 'fill' }
  | { kind: 'again' }
  | { kind: 'step' }
  | { kind: 'restart' };

const event: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('frame' as const),
      blocks: fc.array(fc.integer({ min: 1, max: BLOCKS }), { minLength: 1, maxLength: 5 }),
      lane: fc.constantFrom('live' as const, 'fill' as const),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: 'again' as const }) },
  { weight: 4, arbitrary: fc.constant({ kind: 'step' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'restart' as const }) },
);

describe('merging, in any schedule', function () {
  this.timeout(60_000);

  it('of loss, repetition, order and restarts ends in the same bytes, and acknowledges what it holds', async () => {
    const expected = await play([{ kind: 'frame', blocks: BODIES.map(({ number }) => number), lane: 'live' }]);
    assert.equal(expected.length, 5 * SERIES);
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 25 }), async (events) => {
        assert.deepEqual(await play(events), expected);
      }),
      { numRuns: 40 },
    );
  });
});

/** Plays a schedule, then sends what was not acknowledged until all is, as a gateway does. */
async function play(events: readonly Event[]): Promise<string[]> {
  const cloud = new Cloud();
  try {
    await cloud.enrol();
    const lines = Array.from({ length: SERIES }, (_, i) => ({
      number: i + 1,
      name: `s${i + 1}`,
      kind: 'number' as const,
    }));
    let last = cloud.frame('live', 'catalogue', [{ number: 1, body: encodeCatalogue(lines) }]);
    cloud.offer(last);
    while (await cloud.step());
    for (const happening of events) {
      if (happening.kind === 'step') await cloud.step();
      else if (happening.kind === 'restart') await cloud.restart();
      else {
        if (happening.kind === 'frame')
          last = cloud.frame(
            happening.lane,
            STREAM,
            happening.blocks.map((number) => BODIES[number - 1]),
          );
        cloud.offer(last);
      }
    }
    while (await cloud.step());
    const held = cloud.acknowledged;
    assert.deepEqual([...held].toSorted(ascending), await receipts(cloud), 'acknowledged and held are the same');
    for (const block of BODIES) if (!held.has(block.number)) cloud.offer(cloud.frame('fill', STREAM, [block]));
    while (await cloud.step());
    assert.equal(held.size, BLOCKS);
    return await cloud.folds();
  } finally {
    await cloud.close();
  }
}

async function receipts(cloud: Cloud): Promise<number[]> {
  const { id } = (await cloud.store.gateway('default', 'site'))!;
  const incarnationId = await cloud.store.incarnation(id, new Uint8Array(16), 0);
  const { [STREAM]: ranges } = await cloud.store.held(incarnationId, { [STREAM]: { lowest: 1, sealed: BLOCKS } });
  return ranges.flatMap(([from, to]) => Array.from({ length: to - from + 1 }, (_, i) => from + i));
}

const ascending = (a: number, b: number): number => a - b;
