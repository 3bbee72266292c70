import assert from 'node:assert/strict';
import { DetectionPlan, parseRules } from '@tidegate/nodes/detect';
import type { Value } from '@tidegate/nodes/reading';
import type { Verdict } from '../../../nodes/src/detect/detector.ts';
import { FlatlineDetector } from '../../../nodes/src/detect/flatline.ts';
import { LimitsDetector, type LimitsParameters } from '../../../nodes/src/detect/limits.ts';
import { RateDetector } from '../../../nodes/src/detect/rate.ts';
import { SilenceDetector } from '../../../nodes/src/detect/silence.ts';
import { reading, START } from './signals.ts';

const runLimits = (parameters: Partial<LimitsParameters>, values: Value[], seconds = 1): Verdict[] => {
  const detector = new LimitsDetector({ hysteresis: 0, delaySeconds: 0, ...parameters });
  const state = detector.create();
  return values.map((value, i) => detector.step(state, reading(START + i * seconds * 1000, value, { unit: 'bar' })));
};
const alarm = (verdicts: Verdict[]): boolean[] => verdicts.map(({ alarm }) => alarm);

const runRate = (values: number[], seconds: number): Verdict[] => {
  const detector = new RateDetector({ change: 5, perSeconds: 60 });
  const state = detector.create();
  return values.map((value, i) => detector.step(state, reading(START + i * seconds * 1000, value)));
};

describe('limits', () => {
  it('opens at the limit and closes inside the hysteresis', () => {
    assert.deepEqual(alarm(runLimits({ high: 8, hysteresis: 0.5 }, [7, 7.9, 8, 7.8, 7.5, 7.9])), [
      false,
      false,
      true,
      true,
      false,
      false,
    ]);
    assert.deepEqual(alarm(runLimits({ low: 2, hysteresis: 1 }, [2.1, 1.9, 2.5, 3, 2.5])), [
      false,
      true,
      true,
      false,
      false,
    ]);
  });

  it('waits for the delay, which starts again inside', () => {
    assert.deepEqual(alarm(runLimits({ high: 8, delaySeconds: 2 }, [9, 9, 7, 9, 9, 9, 9])), [
      false,
      false,
      false,
      false,
      false,
      true,
      true,
    ]);
  });

  it('knows warning and critical, and steps down only by the hysteresis', () => {
    const verdicts = runLimits({ high: 8, criticalHigh: 10, hysteresis: 1 }, [8.5, 10, 9.5, 9, 6.9]);
    assert.deepEqual(
      verdicts.map(({ severity }) => severity),
      ['warning', 'critical', 'critical', 'warning', 'info'],
    );
    assert.ok(verdicts[1].score > verdicts[0].score);
  });

  it('works with critical limits alone and goes from one side to the other', () => {
    const verdicts = runLimits({ criticalLow: 0, criticalHigh: 10 }, [5, -1, 11]);
    assert.deepEqual(alarm(verdicts), [false, true, true]);
    assert.match(verdicts[1].text, /^-1 bar is below the critical limit 0 bar/);
    assert.match(verdicts[2].text, /^11 bar is above the critical limit 10 bar/);
    assert.deepEqual(verdicts[2].expected, { low: 0, high: 10 });
  });

  it('shows the digits that the limit has', () => {
    assert.match(
      runLimits({ high: 1013.25 }, [1013.26])[0].text,
      /^1013\.26 bar is above the warning limit 1013\.25 bar$/,
    );
  });

  it('ignores words and switches', () => {
    assert.deepEqual(alarm(runLimits({ high: 0 }, ['on', true])), [false, false]);
  });
});

describe('rate', () => {
  it('sees a rise in one step and in many', () => {
    assert.equal(runRate([20, 26], 10)[1].alarm, true);
    const many = runRate([20, 21, 22, 23, 24, 25, 26], 10);
    assert.deepEqual(
      many.map(({ alarm }) => alarm),
      [false, false, false, false, false, false, true],
    );
    assert.match(many[6].text, /^rose by 6 within 1 minute to 26; at most 5 in 1 minute is allowed$/);
  });

  it('sees a fall', () => assert.match(runRate([20, 14], 10)[1].text, /^fell by 6 within 10 seconds to 14/));

  it('sees a change that is larger than any number', () => {
    const { score, alarm, expected, text } = runRate([1.7e308, -1.7e308], 10)[1];
    assert.deepEqual({ score, alarm, expected }, { score: 1, alarm: true, expected: { low: 1.7e308 } });
    assert.match(text, /^fell by 1\.80e308 within 10 seconds to -1\.70e308/);
  });

  it('allows the same change over a longer time', () => {
    assert.ok(runRate([20, 21, 22, 23, 24, 25, 26, 27], 30).every(({ alarm }) => !alarm));
  });

  it('closes once the change is older than the span', () => {
    assert.deepEqual(
      runRate([20, 26, 26, 26, 26, 26, 26, 26, 26], 10).map(({ alarm }) => alarm),
      [false, true, true, true, true, true, true, false, false],
    );
  });

  it('keeps a bounded memory', () => {
    const detector = new RateDetector({ change: 5, perSeconds: 86_400 });
    const state = detector.create();
    for (let i = 0; i < 100_000; i++) detector.step(state, reading(START + i * 1000, i % 3));
    assert.ok(state.slots.length <= 10);
  });
});

describe('flatline', () => {
  it('opens when the value stands still, whatever its kind, and closes on a change', () => {
    for (const [still, other] of [
      [5, 6],
      [true, false],
      ['idle', 'busy'],
    ] as const) {
      const detector = new FlatlineDetector({ seconds: 30, tolerance: 0 });
      const state = detector.create();
      const verdicts = [still, still, still, still, other].map((value, i) =>
        detector.step(state, reading(START + i * 10_000, value)),
      );
      assert.deepEqual(
        verdicts.map(({ alarm }) => alarm),
        [false, false, false, true, false],
      );
      assert.match(verdicts[3].text, new RegExp(`^has stood at ${still} for 30 seconds`));
    }
  });

  it('takes small changes for none, but not a slow drift', () => {
    const detector = new FlatlineDetector({ seconds: 30, tolerance: 0.5 });
    const state = detector.create();
    const step = (i: number, value: number): boolean => detector.step(state, reading(START + i * 10_000, value)).alarm;
    assert.deepEqual(
      [10, 10.4, 9.6, 10.2].map((value, i) => step(i, value)),
      [false, false, false, true],
    );
    assert.deepEqual(
      [10.4, 10.6, 10.9, 11.2].map((value, i) => step(i + 4, value)),
      [true, false, false, false],
    );
  });
});

describe('silence', () => {
  it('opens at a tick after the set time, and the next reading closes it', () => {
    const detector = new SilenceDetector({ seconds: 60 });
    const state = detector.create();
    assert.equal(detector.tick(state, START).alarm, false);
    assert.equal(detector.step(state, reading(START, 1)).alarm, false);
    assert.equal(detector.tick(state, START + 59_000).alarm, false);
    const verdict = detector.tick(state, START + 90_000);
    assert.equal(verdict.alarm, true);
    assert.equal(verdict.text, 'no reading for 1.5 minutes');
    assert.equal(detector.step(state, reading(START + 91_000, 1)).alarm, false);
  });

  it('learns the usual interval, and says nothing before', () => {
    const detector = new SilenceDetector({});
    const state = detector.create();
    let time = START;
    for (let i = 0; i < 15; i++) detector.step(state, reading((time += 60_000), 1));
    assert.equal(detector.tick(state, time + 86_400_000).alarm, false);
    for (let i = 0; i < 200; i++) detector.step(state, reading((time += 60_000), 1));
    assert.equal(detector.tick(state, time + 9 * 60_000).alarm, false);
    const verdict = detector.tick(state, time + 11 * 60_000);
    assert.equal(verdict.alarm, true);
    assert.match(
      verdict.text,
      /^no reading for 11 minutes; one usually comes every (1 minute|5\d seconds|6\d seconds)$/,
    );
  });

  it('lets a sensor pause as long as it has paused before, but learns little from one outage', () => {
    const detector = new SilenceDetector({});
    const state = detector.create();
    let time = START;
    const some = (): void => {
      for (let i = 0; i < 100; i++) detector.step(state, reading((time += 1000), 1));
    };
    some();
    time += 50_000;
    some();
    assert.equal(detector.tick(state, time + 90_000).alarm, false, 'twice the pause that came before');
    time += 10 * 86_400_000;
    some();
    assert.equal(detector.tick(state, time + 600_000).alarm, true, 'ten days of outage are not the new usual');
  });
});

describe('rules', () => {
  it('are read with their defaults', () => {
    assert.deepEqual(parseRules([{ series: 'a/#', kind: 'rate', change: 3 }]), [
      { series: 'a/#', kind: 'rate', change: 3, perSeconds: 60 },
    ]);
  });

  it('are refused with everything that is wrong with them', () => {
    assert.throws(
      () =>
        parseRules([
          { series: 'a/#/b', kind: 'limits', low: 1 },
          { series: 'a', kind: 'limits', low: 5, high: 1 },
          { series: 'a', kind: 'flatline' },
          { series: 'a', kind: 'guess' },
          { series: 'a', kind: 'limits', hihg: 5 },
        ]),
      (error: Error) => {
        assert.match(error.message, /rule 1: series: series pattern has # before its end/);
        assert.match(error.message, /rule 2: needs criticalLow <= low <= high <= criticalHigh/);
        assert.match(error.message, /rule 3: seconds/);
        assert.match(error.message, /rule 4: kind/);
        assert.match(error.message, /rule 5: .*hihg/);
        return true;
      },
    );
    assert.throws(() => parseRules('none'), /rules: /);
  });

  it('apply to the series of their pattern, the same rule once', () => {
    const plan = new DetectionPlan(
      'normal',
      parseRules([
        { series: 'a/#', kind: 'limits', high: 5 },
        { series: '+/x', kind: 'limits', high: 5 },
        { series: 'a/x', kind: 'limits', high: 6 },
        { series: 'b/#', kind: 'silence' },
      ]),
    );
    const kinds = (name: string): string[] => plan.for(name).map(({ detector }) => detector.kind);
    assert.deepEqual(kinds('a/x'), ['auto', 'limits', 'limits']);
    assert.deepEqual(kinds('b/x'), ['auto', 'limits', 'silence']);
    assert.deepEqual(kinds('c'), ['auto']);
    assert.equal(plan.ticks, true);
    assert.deepEqual(new DetectionPlan(undefined, []).for('a'), []);
  });
});
