import assert from 'node:assert/strict';

import fc from 'fast-check';

import { ALERTS_KEPT, HIGH_WATER, LOW_WATER, OVERRUN_MS, decide, toFree } from '../../nodes/src/vault/budget/budget.ts';
import type {
  BlockHolding,
  Holdings,
  SegmentHolding,
  Step,
  StreamHolding,
} from '../../nodes/src/vault/budget/holdings.ts';
import { GapBook } from '../../nodes/src/vault/gaps.ts';

const DAY = 86_400_000;
const NOW = 20_000 * DAY;

const segments = fc
  .array(
    fc.record({
      bytes: fc.integer({ min: 1, max: 9_000 }),
      readings: fc.integer({ min: 1, max: 5_000 }),
      age: fc.integer({ min: 0, max: 40 }),
      passed: fc.boolean(),
      coarsest: fc.constantFrom(undefined, 3_600, 86_400),
    }),
    { maxLength: 25 },
  )
  .map((found): SegmentHolding[] =>
    found.map(({ bytes, readings, age, passed, coarsest }, i) => ({
      id: `s${i}`,
      bytes,
      readings,
      positions: [1 + 10_000 * i, 10_000 * i + readings],
      timeFrom: NOW - age * DAY - 3_600_000,
      timeTo: NOW - age * DAY,
      passed,
      ...(coarsest !== undefined && { coarsest }),
    })),
  );

const streams = fc
  .uniqueArray(fc.tuple(fc.constantFrom('operations', 'research'), fc.constantFrom(60, 900, 3_600, 86_400)), {
    selector: ([purpose, resolution]) => `${purpose}/${resolution}`,
    maxLength: 8,
  })
  .chain((names) =>
    fc.tuple(
      ...names.map(([purpose, resolution]) =>
        fc
          .record({
            days: fc.array(fc.integer({ min: 1, max: 900 }), { maxLength: 12 }),
            sealed: fc.integer({ min: 0, max: 14 }),
          })
          .map(({ days, sealed }): StreamHolding => ({
            stream: `${purpose}/${resolution}`,
            purpose,
            resolution,
            sealedUntil: NOW - (14 - sealed) * DAY,
            blocks: days.map((bytes, i): BlockHolding => ({
              numbers: [1 + 10 * i, 10 + 10 * i],
              count: 10,
              bytes,
              timeFrom: NOW - (14 - i) * DAY,
              timeTo: NOW - (13 - i) * DAY,
            })),
          })),
      ),
    ),
  );

const holdings = fc
  .record({
    segments,
    streams,
    alerts: fc.integer({ min: 0, max: 3_000 }),
    other: fc.integer({ min: 0, max: 5_000 }),
    quota: fc.integer({ min: 1_000, max: 200_000 }),
    trusted: fc.boolean(),
  })
  .map(({ segments, streams, alerts, other, quota, trusted }): Holdings => {
    const held = { count: alerts, bytes: alerts * 40, timeFrom: NOW - DAY, timeTo: NOW };
    const used =
      other +
      held.bytes +
      segments.reduce((sum, { bytes }) => sum + bytes, 0) +
      streams.flatMap(({ blocks }) => blocks).reduce((sum, { bytes }) => sum + bytes, 0);
    return { now: trusted ? NOW : undefined, used, quota, segments, streams, alerts: held };
  });

/** What an engine has after it has done a step. */
function after(before: Holdings, step: Step): Holdings {
  const used = before.used - step.bytes;
  if (step.kind === 'segment') return { ...before, used, segments: before.segments.filter(({ id }) => id !== step.id) };
  if (step.kind === 'alerts') {
    const { count, bytes, ...times } = before.alerts;
    return { ...before, used, alerts: { ...times, count: count - step.count, bytes: bytes - step.bytes } };
  }
  const streams = before.streams.map((stream) =>
    stream.stream === step.stream
      ? { ...stream, blocks: stream.blocks.filter(({ numbers }) => numbers[0] !== step.numbers[0]) }
      : stream,
  );
  return { ...before, used, streams };
}

/** In which order things go; a step of a higher rank is only right when nothing of a lower one may go. */
function rankOf(step: Step, { segments }: Holdings): number {
  if (step.kind === 'blocks') return Number(step.stream.split('/')[1]) < 3_600 ? 1 : 2;
  if (step.kind === 'alerts') return 3;
  const segment = segments.find(({ id }) => id === step.id)!;
  if (!segment.passed) return 5;
  return segment.coarsest === undefined ? 4 : 0;
}

describe('the budget, whatever a vault holds', () => {
  it('ends, frees with each step, never gives up what is worth more before what is worth less, and declares it all', () => {
    fc.assert(
      fc.property(holdings, (start) => {
        const book = new GapBook('0'.repeat(32), [], 1);
        let held = start;
        let rank = 0;
        let steps = 0;
        let lost = 0;
        for (let step = toFree(held); step !== undefined; step = toFree(held)) {
          assert.ok(++steps < 1_000, 'it does not end');
          assert.ok(step.bytes > 0);
          const own = rankOf(step, held);
          assert.ok(own >= rank, `rank ${own} after ${rank}`);
          rank = own;
          book.declare([step.loss]);
          lost += step.loss.count;
          held = after(held, step);
        }
        assert.equal(
          book.list().reduce((sum, { count }) => sum + count, 0),
          lost,
        );
        assert.ok(held.alerts.count <= Math.max(ALERTS_KEPT, 0) || held.alerts.bytes === 0);
        for (const { passed, timeTo } of held.segments)
          assert.ok(!passed && !(start.now !== undefined && timeTo < start.now - OVERRUN_MS));
      }),
      { numRuns: 500 },
    );
  });

  it('takes the oldest of a kind, and of blocks the finest first', () => {
    fc.assert(
      fc.property(holdings, (held) => {
        const step = toFree(held);
        if (step?.kind === 'segment') {
          const rank = rankOf(step, held);
          for (const segment of held.segments) {
            const other: Step = { ...step, id: segment.id };
            if (rankOf(other, held) === rank) assert.ok(segment.timeTo >= step.loss.timeTo);
          }
        }
      }),
    );
  });

  it('names the coarsest resolution that covers it, and gives no block up that none covers', () => {
    fc.assert(
      fc.property(holdings, (start) => {
        let held = start;
        for (let step = toFree(held); step !== undefined; step = toFree(held)) {
          if (step.kind === 'blocks') {
            const [purpose, resolution] = step.stream.split('/');
            const covering = start.streams.filter(
              (other) =>
                other.purpose === purpose &&
                other.resolution > Number(resolution) &&
                other.sealedUntil >= step.loss.timeTo,
            );
            assert.ok(covering.length > 0);
            assert.equal(step.loss.coarsest, Math.max(...covering.map((other) => other.resolution)));
          } else if (step.kind === 'segment') {
            const { passed, coarsest } = held.segments.find(({ id }) => id === step.id)!;
            assert.equal(step.loss.coarsest, passed ? coarsest : undefined);
          } else assert.equal(step.loss.coarsest, undefined);
          held = after(held, step);
        }
        for (const { purpose, resolution, blocks } of start.streams) {
          const coarsest = Math.max(
            ...start.streams.filter((other) => other.purpose === purpose).map((other) => other.resolution),
          );
          const left = held.streams.find(({ stream }) => stream === `${purpose}/${resolution}`)!.blocks;
          if (resolution === coarsest) assert.deepEqual(left, blocks);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('begins at the high mark, goes on to the low one, and refuses only when the quota is gone and nothing may go', () => {
    fc.assert(
      fc.property(holdings, fc.option(fc.integer({ min: 1, max: 30 }), { nil: undefined }), (start, days) => {
        let held = start;
        let evicting = false;
        for (;;) {
          const before = evicting;
          const { evicting: now, step, refuse } = decide(held, evicting, days);
          evicting = now;
          if (refuse) assert.ok(held.used >= held.quota && toFree(held) === undefined);
          if (step === undefined) break;
          if (step.loss.cause === 'retention')
            assert.ok(held.now !== undefined && step.loss.timeTo < held.now - (days ?? Infinity) * DAY);
          else assert.ok(held.used > held.quota * (before ? LOW_WATER : HIGH_WATER));
          held = after(held, step);
        }
        if (evicting) assert.equal(toFree(held), undefined);
        else assert.ok(held.used <= held.quota * HIGH_WATER);
      }),
      { numRuns: 300 },
    );
  });

  it('judges no age while the clock is not trusted', () => {
    const old: SegmentHolding = {
      id: 'a',
      bytes: 1,
      readings: 1,
      positions: [1, 1],
      timeFrom: 0,
      timeTo: 0,
      passed: true,
    };
    const held: Holdings = {
      now: undefined,
      used: 1,
      quota: 100,
      segments: [old],
      streams: [],
      alerts: { count: 0, bytes: 0, timeFrom: 0, timeTo: 0 },
    };
    assert.equal(decide(held, false, 1).step, undefined);
    assert.equal(decide({ ...held, now: NOW }, false, 1).step?.loss.cause, 'retention');
    assert.equal(decide({ ...held, now: NOW, segments: [{ ...old, passed: false }] }, false, 1).step, undefined);
  });
});
