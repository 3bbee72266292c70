import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { Backoff } from '../../../nodes/src/sync/backoff.ts';
import { statusText, timeText, type BridgeStatus } from '../../../nodes/src/sync/bridge-status.ts';
import { FlowWindow } from '../../../nodes/src/sync/flow-window.ts';
import { Lru } from '../../../nodes/src/sync/lru.ts';
import { contains, normalise, rangesOf, without } from '../../../nodes/src/sync/ranges.ts';
import { SOFTWARE } from '../../../nodes/src/sync/version.ts';
import { seeded } from './rig.ts';

const numbers = fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 30 });

describe('ranges of block numbers', () => {
  it('hold exactly the numbers that went in, ascending and not touching', () => {
    fc.assert(
      fc.property(numbers, (list) => {
        const ranges = rangesOf(list);
        for (let number = 0; number <= 41; number++) assert.equal(contains(ranges, number), list.includes(number));
        for (const [i, [from, to]] of ranges.entries()) {
          assert.ok(from <= to);
          if (i > 0) assert.ok(from > ranges[i - 1][1] + 1);
        }
      }),
    );
  });

  it('join and subtract as sets do', () => {
    fc.assert(
      fc.property(numbers, numbers, (left, right) => {
        const joined = normalise([...rangesOf(left), ...rangesOf(right)]);
        const less = without(rangesOf(left), rangesOf(right));
        for (let number = 0; number <= 41; number++) {
          assert.equal(contains(joined, number), left.includes(number) || right.includes(number));
          assert.equal(contains(less, number), left.includes(number) && !right.includes(number));
        }
      }),
    );
  });
});

describe('backoff', () => {
  const options = { floorMs: 250, firstMs: 5_000, capMs: 60_000 };

  it('waits at most five seconds at first, then up to twice as long, never more than the cap', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const backoff = new Backoff(seeded(seed), options);
        for (const most of [5_000, 10_000, 20_000, 40_000, 60_000, 60_000]) {
          const wait = backoff.next();
          assert.ok(wait >= 250 && wait <= most, `${wait} of ${most}`);
        }
        backoff.reset();
        assert.ok(backoff.next() <= 5_000);
      }),
    );
  });

  it('spreads a fleet over the whole time', () => {
    const random = seeded(7);
    const waits = Array.from({ length: 400 }, () => new Backoff(random, options).next());
    for (let from = 250; from < 5_000; from += 950) {
      const within = waits.filter((wait) => wait >= from && wait < from + 950).length;
      assert.ok(within > 40, `${within} of 400 gateways in ${from}..${from + 950} ms`);
    }
  });
});

describe('flow window', () => {
  it('grows while nothing queues, and shrinks when acknowledgements come late', () => {
    const window = new FlowWindow(262_144);
    for (let i = 0; i < 50; i++) window.acknowledged(20, 16_384, i * 20);
    assert.equal(window.bytes, 262_144);
    for (let i = 0; i < 50; i++) window.acknowledged(400, 16_384, 1000 + i * 20);
    assert.equal(window.bytes, 32_768, 'two frames, so that the link is never idle');
  });

  it('keeps to the ceiling, also when that comes down', () => {
    const window = new FlowWindow(20_000);
    assert.equal(window.bytes, 20_000);
    window.ceiling = 5_000;
    assert.equal(window.bytes, 5_000);
  });

  it('waits at least two seconds for an acknowledgement, longer on a slow link, twice as long after each loss', () => {
    const window = new FlowWindow(262_144);
    assert.equal(window.timeoutMs, 2_000);
    for (let i = 0; i < 20; i++) window.acknowledged(3_000, 1, i * 3_000);
    assert.ok(window.timeoutMs > 3_000 && window.timeoutMs < 5_000, `${window.timeoutMs}`);
    const before = window.timeoutMs;
    window.expired();
    assert.equal(window.timeoutMs, before * 2);
    for (let i = 0; i < 20; i++) window.expired();
    assert.equal(window.timeoutMs, 60_000);
    window.acknowledged(3_000, 1, 100_000);
    assert.ok(window.timeoutMs < 10_000);
  });

  it('learns a new way after a minute or two, be it slower', () => {
    const window = new FlowWindow(262_144);
    for (let i = 0; i < 20; i++) window.acknowledged(20, 16_384, i * 100);
    for (let i = 0; i < 300; i++) window.acknowledged(600, 16_384, 10_000 + i * 1000);
    assert.ok(window.bytes > 100_000, `${window.bytes}`);
  });

  it('keeps a link busy and its queue short, though all it hears is late and the far end halts now and then', () => {
    const [bytesPerMs, frame, there, back] = [1250, 16_384, 50, 50];
    const window = new FlowWindow(1 << 20);
    let [underWay, freeAt, carried] = [0, 0, 0];
    const waits: number[] = [];
    const acknowledgements: { at: number; sentAt: number }[] = [];
    const end = 120_000;
    for (let now = 0; now < end; now++) {
      for (; acknowledgements[0]?.at <= now; underWay -= frame)
        window.acknowledged(now - acknowledgements.shift()!.sentAt, frame, now);
      for (; underWay < window.bytes; underWay += frame) {
        freeAt = Math.max(now, freeAt) + frame / bytesPerMs;
        // For 150 ms of every two seconds nothing is acknowledged.
        const arrives = freeAt + there;
        const halted = arrives % 2_000 < 150 ? 150 - (arrives % 2_000) : 0;
        acknowledgements.push({ at: arrives + halted + back, sentAt: now });
        carried += frame;
      }
      waits.push(Math.max(0, freeAt - now));
    }
    const share = carried / (bytesPerMs * end);
    assert.ok(share > 0.9, `${share} of the link`);
    const queue = waits.slice(5_000).toSorted((a, b) => a - b)[Math.floor(0.99 * (end - 5_000))];
    assert.ok(queue < 150, `a queue of ${queue} ms`);
  });

  it('lets the queue that it keeps run empty once a minute, so that it never takes it for the way itself', () => {
    const window = new FlowWindow(1 << 20);
    // A link of 1,250 bytes a millisecond and 100 ms there and back: what is under way beyond 125,000 bytes queues.
    let now = 0;
    let lowest = Infinity;
    let highest = 0;
    for (let i = 0; i < 40_000; i++) {
      now += 16_384 / 1250;
      const under = window.bytes;
      window.acknowledged(Math.max(100, under / 1250), 16_384, now);
      if (i < 2000) continue;
      lowest = Math.min(lowest, under);
      highest = Math.max(highest, under);
    }
    assert.equal(lowest, 32_768);
    assert.ok(highest > 150_000 && highest < 260_000, `${highest} after nine minutes`);
  });
});

describe('least recently used', () => {
  it('forgets the entry that was not used for longest', () => {
    const lru = new Lru<string, number>(2);
    lru.set('a', 1);
    lru.set('b', 2);
    lru.get('a');
    lru.set('c', 3);
    assert.deepEqual([lru.get('a'), lru.get('b'), lru.get('c'), lru.size], [1, undefined, 3, 2]);
  });
});

describe('status line', () => {
  const status: BridgeStatus = {
    state: 'offline',
    since: 0,
    blocksWaiting: 0,
    bytesWaiting: 0,
    alertsWaiting: 0,
    orphansWaiting: 0,
    refused: 0,
    refusedKinds: {},
    rejected: {},
    framesSent: 0,
    bytesSent: 0,
    latencyMs: 0,
    framesAgain: 0,
  };
  const line = (change: Partial<BridgeStatus>): string => statusText({ ...status, ...change }, () => '12:04');

  it('says what a person wants to know', () => {
    assert.equal(line({}), 'offline since 12:04');
    assert.equal(line({ blocksWaiting: 18 }), 'offline since 12:04, 18 blocks wait');
    assert.equal(line({ blocksWaiting: 1 }), 'offline since 12:04, 1 block waits');
    assert.equal(line({ blocksWaiting: 1, alertsWaiting: 1234 }), 'offline since 12:04, 1,234 alerts and 1 block wait');
    assert.equal(line({ state: 'connecting', alertsWaiting: 1 }), 'connecting since 12:04, 1 alert waits');
    assert.equal(line({ state: 'syncing', progress: { done: 3, total: 1200 } }), 'syncing 0 %');
    const shares = { coarse: { done: 20, total: 20 }, fine: { done: 37, total: 100 } };
    const progress = { done: 57, total: 120, ...shares, leftMs: 230_000 };
    assert.equal(line({ state: 'syncing', progress }), 'syncing coarse 100 %, fine 37 %, 4 min left');
    assert.equal(
      line({ state: 'conflict', reason: 'the cloud holds something else' }),
      'conflict: the cloud holds something else',
    );
    assert.equal(line({ state: 'up-to-date' }), 'up to date');
    assert.equal(line({ state: 'error', reason: 'no such gateway' }), 'no such gateway');
  });

  it('names the date once it is another day', () => {
    const then = new Date(2026, 10, 21, 12, 4).getTime();
    assert.equal(timeText(then, then + 3_600_000), '12:04');
    assert.equal(timeText(then, then + 86_400_000), '2026-11-21 12:04');
  });
});

describe('version', () => {
  it('is the one of the package', () => {
    const manifest: unknown = JSON.parse(
      readFileSync(path.join(import.meta.dirname, '../../../nodes/package.json'), 'utf8'),
    );
    assert.ok(typeof manifest === 'object' && manifest !== null && 'version' in manifest);
    assert.equal(SOFTWARE, `tidegate/${String(manifest.version)}`);
  });
});
