import assert from 'node:assert/strict';
import fc from 'fast-check';
import { TideError } from '@tidegate/nodes/node';
import { HybridClock, MAX_DRIFT_MS, compareStamps, wins, type SharedDocument } from '@tidegate/nodes/state';
import type { Stamp } from '@tidegate/nodes/sync';

/** A clock that says what it is told, also earlier than before. */
class SetClock {
  time: number;

  constructor(time: number) {
    this.time = time;
  }

  now = (): number => this.time;
  monotonic = (): number => 0;
}

const stamps = fc.record({
  wall: fc.integer({ min: 0, max: 5 }),
  counter: fc.integer({ min: 0, max: 3 }),
  writer: fc.constantFrom('cloud', 'north', 'south'),
});
const versions: fc.Arbitrary<SharedDocument> = fc.record({
  key: fc.constant('pump/speed'),
  value: fc.oneof(fc.integer({ min: 0, max: 3 }), fc.constantFrom('on', 'off', null, true)),
  stamp: stamps,
});

const same = (x: SharedDocument, y: SharedDocument): boolean =>
  compareStamps(x.stamp, y.stamp) === 0 && x.value === y.value;

const join = (local: SharedDocument, remote: SharedDocument): SharedDocument => (wins(remote, local) ? remote : local);

const naive = (local: SharedDocument, remote: SharedDocument): SharedDocument =>
  compareStamps(remote.stamp, local.stamp) > 0 ? remote : local;

describe('hybrid logical clock', () => {
  it('never goes back, however the wall clock jumps, and comes after everything it saw', () => {
    const step = fc.oneof(
      fc.integer({ min: 0, max: 1_000_000 }).map((to) => ({ kind: 'jump', to }) as const),
      fc
        .record({ wall: fc.integer({ min: 0, max: 1_000_000 }), counter: fc.nat(5), writer: fc.constant('cloud') })
        .map((seen) => ({ kind: 'see', seen }) as const),
      fc.constant({ kind: 'write' } as const),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const wall = new SetClock(0);
        const clock = new HybridClock(wall, 'north');
        const known: Stamp[] = [];
        for (const action of steps) {
          if (action.kind === 'jump') wall.time = action.to;
          else if (action.kind === 'see') {
            clock.observe(action.seen);
            known.push(action.seen);
          } else {
            const stamp = clock.next();
            for (const earlier of known) assert.ok(compareStamps(earlier, stamp) < 0, 'later than what is known');
            known.push(stamp);
          }
        }
      }),
    );
  });

  it('carries over a full counter', () => {
    const clock = new HybridClock(new SetClock(1000), 'north');
    clock.observe({ wall: 2000, counter: 0xffff_ffff, writer: 'cloud' });
    assert.deepEqual(clock.next(), { wall: 2001, counter: 0, writer: 'north' });
  });

  it('refuses a stamp from more than a day ahead and is not moved by it', () => {
    const clock = new HybridClock(new SetClock(1000), 'north');
    const ahead = { wall: 1001 + MAX_DRIFT_MS, counter: 0, writer: 'cloud' };
    assert.throws(
      () => clock.observe(ahead),
      (error: unknown) => error instanceof TideError && error.code === 'stamp-ahead',
    );
    assert.deepEqual(clock.next(), { wall: 1000, counter: 0, writer: 'north' });
    clock.observe({ ...ahead, wall: 1000 + MAX_DRIFT_MS });
  });
});

describe('which version of a shared document wins', () => {
  it('is decided by a total order', () => {
    fc.assert(
      fc.property(versions, versions, versions, (a, b, c) => {
        assert.equal(wins(a, b) || wins(b, a), !same(a, b), 'of two different versions exactly one wins');
        assert.ok(!(wins(a, b) && wins(b, a)));
        if (wins(a, b) && wins(b, c)) assert.ok(wins(a, c), 'transitive');
      }),
      { numRuns: 500 },
    );
  });

  it('is the same at both ends for equal stamps with different values (keeping the local one differs for ever)', () => {
    const stamp = { wall: 1, counter: 0, writer: 'north' };
    const here: SharedDocument = { key: 'k', value: 1, stamp };
    const there: SharedDocument = { key: 'k', value: 2, stamp };
    assert.deepEqual(join(here, there), join(there, here));
    assert.notDeepEqual(naive(here, there), naive(there, here));
  });

  it('does not depend on the order of fields', () => {
    const stamp = { wall: 1, counter: 0, writer: 'north' };
    const a = { key: 'k', value: { x: 1, y: [{ p: 1, q: 2 }] }, stamp };
    const b = { key: 'k', value: { y: [{ q: 2, p: 1 }], x: 1 }, stamp };
    assert.ok(!wins(a, b) && !wins(b, a));
  });
});
