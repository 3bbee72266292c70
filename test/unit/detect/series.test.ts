import assert from 'node:assert/strict';
import { type Alert, type DetectedValue, DetectionPlan, detectStream, parseRules } from '@tidegate/nodes/detect';
import type { Reading } from '@tidegate/nodes/reading';
import { isReplay, readingsOf } from '../../../nodes/src/detect/batch.ts';
import { Detection, type Raised } from '../../../nodes/src/detect/detection.ts';
import type { AlertSink, SeriesDetection } from '../../../nodes/src/detect/series-detection.ts';
import { detectionCodec } from '../../../nodes/src/detect/state-codec.ts';
import { gaussian, random, reading, round, signal, START } from './signals.ts';

const plan = (...rules: object[]): DetectionPlan => new DetectionPlan('normal', parseRules(rules));
const HIGH = { series: '#', kind: 'limits', high: 8 };

class Collected implements AlertSink {
  readonly incarnation = 'feed';
  readonly alerts: Alert[] = [];
  alert(alert: Alert): void {
    this.alerts.push(alert);
  }
}

const watched = (...rules: object[]): SeriesDetection => detectionCodec(plan(...rules)).create('a');

const packed = ({ watches }: SeriesDetection): unknown => watches.map(({ planned, state }) => planned.pack(state));

describe('detection on a series', () => {
  it('raises an alert for each detector that is in alarm, and scores the reading by the highest', () => {
    const detection = watched(HIGH, { series: '#', kind: 'limits', criticalHigh: 8.5 });
    const sink = new Collected();
    assert.equal(detection.step(reading(START, 7, { position: 1 }), sink), 0);
    assert.ok(detection.step(reading(START + 1000, 9, { position: 2 }), sink) > 0.5);
    assert.deepEqual(
      sink.alerts.map(({ kind, severity }) => [kind, severity]),
      [
        ['limits', 'warning'],
        ['limits', 'critical'],
      ],
    );
    assert.equal(new Set(sink.alerts.map(({ id }) => id)).size, 2);
    assert.equal(detection.open, 2);
  });

  it('learns without a sink, and opens what is still on at the first reading with one', () => {
    const detection = watched(HIGH);
    const sink = new Collected();
    assert.ok(detection.step(reading(START, 9, { position: 1 }), undefined) > 0);
    detection.step(reading(START + 1000, 9, { position: 2 }), sink);
    assert.deepEqual(
      sink.alerts.map(({ time }) => time),
      [START + 1000],
    );
  });

  it('leaves stale, bad and late readings unjudged', () => {
    const detection = watched(HIGH);
    const sink = new Collected();
    detection.step(reading(START, 1), sink);
    detection.step(reading(START + 1000, 9, { stale: true }), sink);
    detection.step(reading(START + 2000, 9, { quality: 'bad' }), sink);
    detection.step(reading(START - 5000, 9), sink);
    assert.deepEqual(sink.alerts, []);
    detection.step(reading(START + 3000, 9, { quality: 'uncertain' }), sink);
    assert.equal(sink.alerts.length, 1);
    assert.ok(detection.step(reading(START - 5000, 1), sink) > 0, 'a late reading does not close it');
    assert.equal(detection.open, 1);
  });

  it('takes a bad reading for a sign of life', () => {
    const detection = watched({ series: '#', kind: 'silence', seconds: 10 });
    const sink = new Collected();
    detection.step(reading(START, 1), sink);
    detection.tick(START + 15_000, sink);
    assert.deepEqual(
      sink.alerts.map(({ kind, state }) => `${kind} ${state}`),
      ['silence open'],
    );
    detection.step(reading(START + 16_000, 1, { quality: 'bad' }), sink);
    assert.deepEqual(
      sink.alerts.map(({ state }) => state),
      ['open', 'closed'],
    );
  });

  it('follows a clock that was set back', () => {
    const detection = watched(HIGH);
    const sink = new Collected();
    detection.step(reading(START, 1), sink);
    for (let i = 0; i < 12; i++) detection.step(reading(START - 3_600_000 + i * 1000, 9), sink);
    assert.equal(sink.alerts.length, 1);
  });

  it('goes on after a save as if there had been none, with the same alerts', () => {
    const codec = detectionCodec(
      plan(HIGH, { series: '#', kind: 'rate', change: 3 }, { series: '#', kind: 'flatline', seconds: 40 }),
    );
    const [kept, saved] = [new Collected(), new Collected()];
    const detection = codec.create('a');
    let restored = codec.create('a');
    const uniform = random(1);
    for (const one of signal(4000, 5, (i) => round(5 + (i % 97 < 20 ? 0 : uniform()) + (i % 400 > 350 ? 4 : 0), 1))) {
      assert.equal(restored.step(one, saved), detection.step(one, kept));
      if (one.position! % 37 === 0) restored = codec.decode(codec.encode(restored), 'a')!;
    }
    assert.ok(kept.alerts.length > 20);
    assert.deepEqual(saved.alerts, kept.alerts);
    assert.deepEqual(packed(restored), packed(detection));
  });

  it('keeps its state small', () => {
    const codec = detectionCodec(
      plan(HIGH, { series: '#', kind: 'rate', change: 3 }, { series: '#', kind: 'silence' }),
    );
    const detection = codec.create('a');
    const noise = gaussian(1);
    for (const one of signal(20_000, 60, () => round(20 + noise(), 2))) detection.step(one, undefined);
    assert.ok(codec.encode(detection).length < 4096, `${codec.encode(detection).length} bytes`);
  });

  it('closes the alert of a rule that was taken away, and forgets a detector of another version', () => {
    const before = detectionCodec(plan(HIGH)).create('a');
    const sink = new Collected();
    before.step(reading(START, 9), sink);
    const bytes = detectionCodec(plan(HIGH)).encode(before);
    const after = detectionCodec(plan({ ...HIGH, high: 20 })).decode(bytes, 'a')!;
    after.step(reading(START + 1000, 9), sink);
    assert.deepEqual(
      sink.alerts.map(({ revision, state }) => [revision, state]),
      [
        [1, 'open'],
        [2, 'closed'],
      ],
    );
    assert.equal(after.open, 0);
  });

  it('reads no state that has not the form', () => {
    const codec = detectionCodec(plan());
    const empty = Buffer.from('a10102', 'hex');
    assert.throws(() => codec.decode(empty, 'a'));
  });
});

describe('detection over many series', () => {
  class Turning {
    monotonicMs = 0;
    now = (): number => START;
    monotonic = (): number => (this.monotonicMs += this.step);
    readonly step: number;
    constructor(step: number) {
      this.step = step;
    }
  }
  const make = (clock: Turning, raised: Raised[], ...rules: object[]): Detection =>
    new Detection({
      plan: plan(...rules),
      incarnation: 'feed',
      consumer: undefined,
      raiseFrom: 0,
      clock,
      raise: (one) => void raised.push(one),
    });

  it('pauses after five milliseconds and goes on where it was', () => {
    const detection = make(new Turning(2), []);
    const batch = [...signal(1000, 1, (i) => i % 7)];
    let from = 0;
    let slices = 0;
    while (from < batch.length) {
      const next = detection.judge(batch, from, false);
      assert.ok(next > from && next - from < 300);
      from = next;
      slices++;
    }
    assert.ok(slices > 3);
    assert.equal(detection.judged, 1000);
  });

  it('marks the readings in alarm and counts what is open', () => {
    const raised: Raised[] = [];
    const detection = make(new Turning(0), raised, HIGH);
    const batch = [5, 9, 5, 9].map((value, i) => reading(START + i * 1000, value, { series: i < 3 ? 'a' : 'b' }));
    assert.equal(detection.judge(batch, 0, false), 4);
    assert.deepEqual(
      batch.map(({ anomaly }) => anomaly !== undefined),
      [false, true, false, true],
    );
    assert.deepEqual(
      raised.map(({ series, alerts }) => [series, alerts[0].state]),
      [
        ['a', 'open'],
        ['a', 'closed'],
        ['b', 'open'],
      ],
    );
    assert.equal(detection.open, 1);
  });

  it('hears silence only while it listens', () => {
    const raised: Raised[] = [];
    const clock = new Turning(0);
    const detection = make(clock, raised, { series: '#', kind: 'silence', seconds: 60 });
    detection.judge([reading(START, 1)], 0, false);
    clock.monotonicMs += 59_000;
    detection.tick();
    detection.judge([reading(START - 90_000, 1, { series: 'other' })], 0, true);
    clock.monotonicMs += 30_000;
    detection.tick();
    assert.deepEqual(raised, [], 'a replay went on: nobody could have sent');
    clock.monotonicMs += 31_000;
    detection.tick();
    assert.deepEqual(
      raised.map(({ series }) => series),
      ['plant/sensor', 'other'],
    );
  });
});

describe('messages', () => {
  it('carry a batch or one reading', () => {
    const one = reading(START, 1);
    assert.deepEqual(readingsOf({ payload: one }), [one]);
    const batch: Reading[] = [one];
    assert.equal(readingsOf({ payload: batch }), batch);
    assert.equal(isReplay({ payload: batch, tide: { kind: 'readings', replay: true } }), true);
    assert.equal(isReplay({ payload: batch }), false);
  });

  it('are refused with what was found', () => {
    const cases: [payload: unknown, message: RegExp][] = [
      [undefined, /payload is undefined/],
      ['21.5', /payload is a string; a reading is/],
      [[reading(START, 1), null], /payload\[1\] is null/],
      [{ time: 1, value: 1 }, /has series missing/],
      [reading(Number.NaN, 1), /has time NaN/],
      [reading(START, Number.POSITIVE_INFINITY), /has value Infinity/],
      [{ ...reading(START, 1), value: {} }, /has value of type object/],
      [reading(START, 1, { position: 0 }), /has position 0/],
      [Array.from({ length: 100_001 }, () => 1), /has 100001 readings; at most 100000/],
    ];
    for (const [payload, message] of cases) assert.throws(() => readingsOf({ payload }), message);
  });
});

describe('detectStream', () => {
  it('gives a score for each row, and 1 on the row that opens an alert', async () => {
    const noise = gaussian(1);
    const rows = [...signal(2000, 300, (i) => 20 + 0.2 * noise() + (i >= 1500 && i < 1506 ? 5 : 0))];
    const detected: DetectedValue[] = [];
    for await (const one of detectStream(rows.map(({ time, value }) => ({ time, value: Number(value) }))))
      detected.push(one);
    assert.equal(detected.length, 2000);
    assert.ok(detected.every(({ score }) => score >= 0 && score <= 1));
    const alerts = detected.flatMap(({ alert, text }, row) => (alert === 1 ? [{ row, text }] : []));
    assert.deepEqual(
      alerts.map(({ row }) => row),
      [1500],
    );
    assert.match(alerts[0].text!, /far above|jumped/);
    const ranked = detected.map(({ score }, row) => ({ score, row })).toSorted((a, b) => b.score - a.score);
    assert.ok(ranked[0]!.row >= 1500 && ranked[0]!.row < 1506);
  });
});
