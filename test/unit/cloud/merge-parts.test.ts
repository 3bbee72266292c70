import assert from 'node:assert/strict';

import { FrameError } from '@tidegate/nodes/sync';
import fc from 'fast-check';

import { ChangeThrottle } from '../../../cloud-bridge/src/api/change-throttle.ts';
import { parseLabel, labelOf } from '../../../cloud-bridge/src/gateway-label.ts';
import { Intake } from '../../../cloud-bridge/src/merge/intake.ts';
import { rangesOf } from '../../../cloud-bridge/src/merge/receipts.ts';
import { Refusals } from '../../../cloud-bridge/src/merge/refusals.ts';
import { TransactionSizer } from '../../../cloud-bridge/src/merge/transaction-sizer.ts';

type Type = 'hello' | 'alert' | 'live' | 'fill' | 'state';

const arrival = (type: Type, size = 100) => ({
  address: { tenant: 'default', gateway: 'site', direction: 'up' as const, type },
  bytes: new Uint8Array(size),
});

describe('the intake', () => {
  it('hands out alerts before what governs a session, and live before fill', () => {
    const intake = new Intake();
    for (const type of ['fill', 'live', 'state', 'hello', 'alert', 'alert'] as const) intake.offer(arrival(type));
    const urgent: string[][] = [];
    for (let taken = intake.takeUrgent(9); taken.length > 0; taken = intake.takeUrgent(9))
      urgent.push(taken.map(({ address }) => address.type));
    assert.deepEqual(urgent, [
      ['alert', 'alert'],
      ['state', 'hello'],
    ]);
    assert.deepEqual([intake.takeBulk()?.address.type, intake.takeBulk()?.address.type], ['live', 'fill']);
    assert.equal(intake.takeBulk(), undefined);
  });

  it('drops bulk beyond its bytes, and has room for alerts all the same', () => {
    const intake = new Intake({ bulkBytes: 10_000, urgentBytes: 2000 });
    const taken = Array.from({ length: 20 }, () => intake.offer(arrival('live', 1000)));
    assert.equal(taken.filter(Boolean).length, 7);
    assert.equal(intake.dropped, 13);
    assert.equal(intake.offer(arrival('alert')), true);
    for (let i = 0; i < 7; i++) intake.takeBulk();
    assert.equal(intake.offer(arrival('fill', 1000)), true, 'there is room again');
    assert.equal(intake.offer(arrival('hello', 3000)), false);
  });

  it('keeps the order of a long queue', () => {
    const intake = new Intake({ bulkBytes: Number.POSITIVE_INFINITY });
    let next = 0;
    for (let i = 0; i < 10_000; i++) {
      intake.offer(arrival('live', i));
      if (i % 3 === 0) assert.equal(intake.takeBulk()?.bytes.length, next++);
    }
    for (; next < 10_000; next++) assert.equal(intake.takeBulk()?.bytes.length, next);
    assert.equal(intake.waiting, 0);
  });
});

describe('the size of a transaction', () => {
  it('settles where one takes the time it may', () => {
    for (const usPerRecord of [5, 50, 300]) {
      const sizer = new TransactionSizer(10);
      for (let i = 0; i < 60; i++) sizer.measured(sizer.records, (sizer.records * usPerRecord) / 1000);
      const ms = (sizer.records * usPerRecord) / 1000;
      assert.ok(ms > 5 && ms <= 12.5, `${sizer.records} records of ${usPerRecord} us take ${ms} ms`);
    }
  });

  it('stays between its bounds on the slowest disk and in the fastest memory', () => {
    const sizer = new TransactionSizer(10);
    for (let i = 0; i < 60; i++) sizer.measured(sizer.records, 5000);
    assert.equal(sizer.records, 16);
    for (let i = 0; i < 99; i++) sizer.measured(sizer.records, 0);
    assert.equal(sizer.records, 4096);
    sizer.measured(16, 0);
    assert.equal(sizer.records, 4096, 'a small one says nothing about the pace');
  });
});

describe('ranges', () => {
  it('hold exactly the numbers they were made of, ascending and apart', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 60 })), (numbers) => {
        const ranges = rangesOf(numbers);
        const held = ranges.flatMap(([from, to]) => Array.from({ length: to - from + 1 }, (_, i) => from + i));
        assert.deepEqual(
          held,
          [...new Set(numbers)].toSorted((a, b) => a - b),
        );
        for (const [i, [from]] of ranges.entries()) assert.ok(i === 0 || from > ranges[i - 1][1] + 1);
      }),
    );
  });
});

describe('the throttle of changes', () => {
  const change = { kind: 'parts', gateway: 'site' } as const;

  it('lets the first pass at once and the last of a second at its end', () => {
    const throttle = new ChangeThrottle();
    assert.deepEqual(throttle.offer(change, 0), [change]);
    assert.deepEqual(throttle.offer(change, 10), []);
    assert.deepEqual(throttle.offer(change, 900), []);
    assert.deepEqual(throttle.offer({ ...change, gateway: 'other' }, 900).length, 1);
    assert.deepEqual(throttle.due(999), []);
    assert.deepEqual(throttle.due(1000), [change]);
    assert.deepEqual(throttle.due(1500), []);
    assert.deepEqual(throttle.offer(change, 1999), [], 'what was told late counts from then');
    assert.deepEqual(throttle.due(2000), [change]);
    assert.deepEqual(throttle.due(3000), []);
    assert.deepEqual(throttle.offer(change, 3001), [change]);
  });

  it('lets one stand for all when there are too many to tell apart', () => {
    const throttle = new ChangeThrottle();
    for (let i = 0; i < 5000; i++) throttle.offer({ kind: 'parts', gateway: `g${i}` }, 0);
    assert.deepEqual(throttle.due(1000), [{ kind: 'parts', gateway: null }]);
  });
});

describe('refusals', () => {
  it('are counted by gateway with their newest reason', () => {
    const refusals = new Refusals();
    refusals.count('site', 'retry', 'first');
    refusals.failed('site', new FrameError('fenced', 'x'.repeat(9999)));
    refusals.count(undefined, 'unknown', 'who is that');
    const site = { count: 2, reason: 'x'.repeat(300), kinds: { retry: 1, fenced: 1 } };
    assert.deepEqual(refusals.takeChanged(), { site });
    assert.deepEqual(refusals.takeChanged(), {});
    assert.deepEqual(refusals.strangers, { count: 1, reason: 'who is that', kinds: { unknown: 1 } });
  });
});

describe('the label of a gateway', () => {
  it('names the tenant only when it is not the default one', () => {
    for (const [label, place] of [
      ['site', { tenant: 'default', name: 'site' }],
      ['acme/site-1.b', { tenant: 'acme', name: 'site-1.b' }],
    ] as const) {
      assert.deepEqual(parseLabel(label), place);
      assert.equal(labelOf(place), label);
    }
    for (const wrong of ['', '/', 'a/', '/a', 'a/b/c', 'a b', '../x']) assert.equal(parseLabel(wrong), undefined);
  });
});
