import assert from 'node:assert/strict';
import { type Alert, DetectionPlan, decodeAlert, encodeAlert, parseRules } from '@tidegate/nodes/detect';
import type { Reading, Value } from '@tidegate/nodes/reading';
import fc from 'fast-check';
import {
  insert,
  emptyWindow,
  medianOfNewest,
  quantileOf,
  valuesOf,
} from '../../nodes/src/detect/auto/sorted-window.ts';
import { decadesOf, emptyRarity, learn } from '../../nodes/src/detect/auto/rarity.ts';
import { detectionCodec } from '../../nodes/src/detect/state-codec.ts';

const PLAN = new DetectionPlan(
  'high',
  parseRules([
    { series: '#', kind: 'limits', low: -5, high: 5, criticalHigh: 20, hysteresis: 1, delaySeconds: 3 },
    { series: '#', kind: 'rate', change: 8, perSeconds: 30 },
    { series: '#', kind: 'flatline', seconds: 20 },
    { series: '#', kind: 'silence', seconds: 100 },
  ]),
);

/** Readings as bad as they come: jumps in time both ways, extreme values, other kinds of values, bad and stale ones. */
const readings: fc.Arbitrary<Reading[]> = fc
  .array(
    fc.record({
      step: fc.oneof(
        { weight: 20, arbitrary: fc.integer({ min: 1, max: 5000 }) },
        { weight: 1, arbitrary: fc.integer({ min: -100_000_000, max: 100_000_000 }) },
      ),
      value: fc.oneof<fc.Arbitrary<Value>[]>(
        fc.integer({ min: -4, max: 4 }),
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.constantFrom(1e17, -1e17, 1.7e308, -1.7e308, 5e-324, true, 'on', 6, 25),
      ),
      quality: fc.constantFrom('good', 'good', 'good', 'uncertain', 'bad'),
      stale: fc.constantFrom(undefined, undefined, undefined, true),
      unit: fc.constantFrom(undefined, 'a', 'a', 'a', 'b'),
    }),
    { minLength: 1, maxLength: 120 },
  )
  .map((steps) => {
    let time = 1_760_000_000_000;
    return steps.map(({ step, value, quality, stale, unit }, i): Reading => {
      time += step;
      const reading: Reading = { series: 's', time, value, quality, clock: 'device', position: i + 1 };
      if (stale === true) reading.stale = true;
      if (unit !== undefined) reading.unit = unit;
      return reading;
    });
  });

/** Judges readings, with a save and a restart after those whose index is in `restarts`. */
function judge(batch: readonly Reading[], restarts: ReadonlySet<number>): { scores: number[]; alerts: Alert[] } {
  const codec = detectionCodec(PLAN);
  const alerts: Alert[] = [];
  const sink = { incarnation: 'feed', alert: (alert: Alert) => void alerts.push(alert) };
  let detection = codec.create('s');
  const scores = batch.map((reading, i) => {
    const score = detection.step(reading, sink);
    if (i % 10 === 9) detection.tick(reading.time + 150_000, sink);
    if (restarts.has(i)) detection = codec.decode(codec.encode(detection), 's')!;
    return score;
  });
  return { scores, alerts };
}

describe('detection, whatever comes', () => {
  it('scores within 0..1, and every alert can be encoded', () => {
    fc.assert(
      fc.property(readings, (batch) => {
        const { scores, alerts } = judge(batch, new Set());
        for (const score of scores) assert.ok(score >= 0 && score <= 1, String(score));
        for (const alert of alerts) assert.deepEqual(decodeAlert(encodeAlert(alert)), alert);
      }),
      { numRuns: 150 },
    );
  });

  it('opens each alert once, counts its revisions, and closes it at most once, at the end', () => {
    fc.assert(
      fc.property(readings, (batch) => {
        const lives = new Map<string, Alert[]>();
        for (const alert of judge(batch, new Set()).alerts)
          lives.set(alert.id, [...(lives.get(alert.id) ?? []), alert]);
        for (const revisions of lives.values()) {
          assert.deepEqual(
            revisions.map(({ revision }) => revision),
            revisions.map((_, i) => i + 1),
          );
          assert.ok(revisions.slice(0, -1).every(({ state }) => state === 'open'));
          assert.equal(new Set(revisions.map(({ time }) => time)).size, 1);
        }
      }),
      { numRuns: 150 },
    );
  });

  it('is the same with restarts as without', () => {
    fc.assert(
      fc.property(readings, fc.uniqueArray(fc.nat(119), { maxLength: 10 }), (batch, restarts) => {
        assert.deepEqual(judge(batch, new Set(restarts)), judge(batch, new Set()));
      }),
      { numRuns: 100 },
    );
  });
});

describe('the sorted window', () => {
  const values = fc.array(
    fc.oneof(fc.integer({ min: -3, max: 3 }), fc.double({ noNaN: true, noDefaultInfinity: true })),
    {
      minLength: 1,
      maxLength: 60,
    },
  );

  it('holds the newest values and their order statistics', () => {
    fc.assert(
      fc.property(values, fc.integer({ min: 1, max: 20 }), (all, size) => {
        const window = emptyWindow(size);
        for (const value of all) insert(window, value);
        const newest = all.slice(-size);
        assert.deepEqual(Array.from(valuesOf(window)), newest);
        const sorted = ascending(newest);
        assert.deepEqual(Array.from(window.sorted.slice(0, window.count), plain), sorted);
        assert.equal(plain(quantileOf(window, 0)), sorted[0]);
        assert.equal(plain(quantileOf(window, 1)), sorted.at(-1));
        const few = ascending(newest.slice(-9));
        const half = few.length >> 1;
        const median = few.length % 2 === 1 ? few[half] : (few[half - 1] + few[half]) / 2;
        assert.equal(plain(medianOfNewest(window, 9)), plain(median));
      }),
      { numRuns: 300 },
    );
  });
});

describe('rarity', () => {
  it('is finite and grows with the surprise', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 40, noNaN: true }), { maxLength: 200 }), (surprises) => {
        const rarity = emptyRarity();
        for (const [i, surprise] of surprises.entries()) learn(rarity, surprise, i * 60, 60);
        let last = Number.NEGATIVE_INFINITY;
        for (let surprise = 0; surprise < 12; surprise += 0.25) {
          const decades = decadesOf(rarity, surprise, 60, 4);
          assert.ok(Number.isFinite(decades) && decades >= last, `${surprise}: ${decades} after ${last}`);
          last = decades;
        }
      }),
      { numRuns: 200 },
    );
  });
});

function ascending(values: readonly number[]): number[] {
  return values.map(plain).toSorted((a, b) => a - b);
}

/** 0 and -0 are one value here. */
function plain(value: number): number {
  return value + 0;
}
