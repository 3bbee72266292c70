import assert from 'node:assert/strict';

import fc from 'fast-check';

import {
  checkBudget,
  defaultBallast,
  defaultQuota,
  MIN_QUOTA,
} from '../../../nodes/src/vault/budget/budget-options.ts';
import { BUCKET_MS, Forecast } from '../../../nodes/src/vault/budget/forecast.ts';
import {
  RESTORE_AT,
  afterRoomEvent,
  roomAtStart,
  type RoomAction,
  type RoomEvent,
} from '../../../nodes/src/vault/budget/room.ts';

const HOUR = 3_600_000;
const MIB = 1 << 20;

/** Bytes in use as a vault that folds has them: the journal grows and shrinks on top of what stays. */
function grown(bytesAnHour: number, hours: number, step = 60_000): Forecast {
  const forecast = new Forecast();
  for (let at = 0; at <= hours * HOUR; at += step) {
    const sawTooth = ((at % HOUR) / HOUR) * 8 * MIB;
    forecast.add(at, 100 * MIB + (bytesAnHour * at) / HOUR + sawTooth);
  }
  return forecast;
}

describe('the forecast', () => {
  it('tells when it is full, through the saw-tooth of the folds', () => {
    const left = grown(2 * MIB, 12).timeToFull(1_124 * MIB) ?? 0;
    assert.ok(Math.abs(left / HOUR - 500) < 60, `${left / HOUR} hours`);
  });

  it('says nothing in the first hour, without growth, and while it shrinks', () => {
    assert.equal(grown(2 * MIB, 0.9).timeToFull(1_000 * MIB), undefined);
    assert.equal(grown(0, 24).timeToFull(1_000 * MIB), undefined);
    assert.equal(grown(-1 * MIB, 24).timeToFull(1_000 * MIB), undefined);
    assert.equal(new Forecast().timeToFull(1), undefined);
  });

  it('says nothing where retention keeps up, though bytes come and go', () => {
    const forecast = new Forecast();
    for (let at = 0; at < 24 * HOUR; at += BUCKET_MS) forecast.add(at, 500 * MIB + ((at / BUCKET_MS) % 5) * MIB);
    assert.equal(forecast.timeToFull(1_000 * MIB), undefined);
  });

  it('is not moved by one burst, and is 0 at the limit', () => {
    const forecast = grown(2 * MIB, 12);
    const before = forecast.timeToFull(1_124 * MIB) ?? 0;
    forecast.add(12 * HOUR + BUCKET_MS, 180 * MIB);
    forecast.add(12 * HOUR + 2 * BUCKET_MS, 180 * MIB);
    const after = forecast.timeToFull(1_124 * MIB) ?? 0;
    assert.ok(Math.abs(after - before) < 0.15 * before);
    assert.equal(forecast.timeToFull(150 * MIB), 0);
  });

  it('takes the last day only', () => {
    const forecast = new Forecast();
    for (let at = 0; at < 72 * HOUR; at += BUCKET_MS) forecast.add(at, Math.min(at / HOUR, 24) * 10 * MIB);
    assert.equal(forecast.timeToFull(1_000 * MIB), undefined);
  });
});

const free = (bytes: number): RoomEvent => ({ kind: 'free', bytes });

describe('a full disk', () => {
  const BALLAST = 4 * MIB;
  const play = (...events: RoomEvent[]): RoomAction[] => {
    let room = roomAtStart(true);
    return events.map((event) => {
      const next = afterRoomEvent(room, event, BALLAST);
      room = next.room;
      return next.action;
    });
  };

  it('costs the ballast first, then what may go, and only then is anything refused', () => {
    assert.deepEqual(
      play({ kind: 'full' }, { kind: 'full' }, { kind: 'evicted' }, { kind: 'full' }, { kind: 'nothing-to-evict' }),
      ['release-ballast', 'evict', 'retry', 'evict', 'refuse'],
    );
  });

  it('gives the ballast back when there is ample room, and not before', () => {
    assert.deepEqual(play({ kind: 'full' }, free(2 * BALLAST), free(RESTORE_AT * BALLAST), { kind: 'full' }), [
      'release-ballast',
      'none',
      'restore-ballast',
      'release-ballast',
    ]);
  });

  it('never refuses while the ballast is there or before it was asked what may go, and takes in again by itself', () => {
    const event: fc.Arbitrary<RoomEvent> = fc.oneof(
      fc.constantFrom<RoomEvent>({ kind: 'full' }, { kind: 'evicted' }),
      fc.integer({ min: 0, max: 20 * BALLAST }).map((bytes): RoomEvent => ({ kind: 'free', bytes })),
    );
    fc.assert(
      fc.property(fc.array(event), fc.integer({ min: 0, max: BALLAST }), (events, ballast) => {
        let room = roomAtStart(ballast > 0);
        for (const happening of events) {
          const { room: next, action } = afterRoomEvent(room, happening, ballast);
          assert.notEqual(action, 'refuse');
          if (action === 'release-ballast') assert.ok(room.ballast && !next.ballast);
          if (action === 'restore-ballast') assert.ok(!room.ballast && next.ballast && ballast > 0);
          room = next;
          if (action !== 'evict') continue;
          assert.equal(room.ballast, false);
          room = afterRoomEvent(room, { kind: 'nothing-to-evict' }, ballast).room;
          assert.equal(room.refusing, true);
        }
        assert.equal(afterRoomEvent(room, { kind: 'free', bytes: 20 * BALLAST }, ballast).room.refusing, false);
      }),
    );
  });
});

describe('the options of the budget', () => {
  it('have defaults that follow the disk', () => {
    assert.equal(defaultQuota(100 * MIB, 20 * MIB), 96 * MIB);
    assert.equal(defaultQuota(0, 0), MIN_QUOTA);
    assert.deepEqual([100 * MIB, 1_000 * MIB, 100_000 * MIB].map(defaultBallast), [4 * MIB, 10 * MIB, 64 * MIB]);
  });

  it('are refused with what was found and what is allowed', () => {
    checkBudget({});
    checkBudget({ quotaBytes: MIN_QUOTA, retentionDays: 1, ballastBytes: 0 });
    for (const [bad, said] of [
      [{ quotaBytes: 1 }, /quota is 1; allowed are whole numbers from 67108864/],
      [{ retentionDays: 0.5 }, /retention is 0.5; allowed .* days/],
      [{ ballastBytes: -1 }, /ballast is -1/],
      [{ quotaBytes: MIN_QUOTA, ballastBytes: MIN_QUOTA }, /at most a quarter/],
    ] as const)
      assert.throws(() => checkBudget(bad), said);
  });
});
