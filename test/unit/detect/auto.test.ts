import assert from 'node:assert/strict';
import type { Reading } from '@tidegate/nodes/reading';
import { AutoDetector } from '../../../nodes/src/detect/auto/auto.ts';
import { packAuto, unpackAuto } from '../../../nodes/src/detect/auto/pack.ts';
import { gaussian, reading, round, signal, START } from './signals.ts';

interface Alarm {
  at: number;
  until: number | undefined;
  text: string;
}

/** Row numbers at which alarms open and close. */
function alarms(readings: Iterable<Reading>, detector = new AutoDetector({ alarmsPerMonth: 1 })): Alarm[] {
  const state = detector.create();
  const found: Alarm[] = [];
  let open: Alarm | undefined;
  let row = 0;
  for (const one of readings) {
    const verdict = detector.step(state, one);
    assert.ok(verdict.score >= 0 && verdict.score <= 1, `score ${verdict.score}`);
    if (verdict.alarm && open === undefined) found.push((open = { at: row, until: undefined, text: verdict.text }));
    if (!verdict.alarm && open !== undefined) {
      open.until = row;
      open = undefined;
    }
    row++;
  }
  return found;
}

/** Alarms among bumps that grow. */
function count(alarmsPerMonth: number): number {
  const noise = gaussian(11);
  const values = signal(8 * 700, 300, (i) => 20 + noise() + (i % 700 === 699 ? 1.2 * (1 + Math.floor(i / 700)) : 0));
  return alarms(values, new AutoDetector({ alarmsPerMonth })).length;
}

describe('auto', () => {
  for (const [name, seconds] of [
    ['at one reading a second', 1],
    ['at one in five minutes', 300],
  ] as const) {
    describe(name, () => {
      const rows = seconds === 1 ? 30_000 : 3000;

      it('finds a spike at once and closes when it is over', () => {
        const noise = gaussian(1);
        const found = alarms(signal(rows, seconds, (i) => 20 + 0.2 * noise() + (i === rows - 500 ? 5 : 0)));
        assert.deepEqual(
          found.map(({ at }) => at),
          [rows - 500],
        );
        assert.match(found[0].text, /^(2\d\.\d+ is far above 20\.?\d* ± 0\.\d+, usual for the last|jumped from)/);
      });

      it('opens one alert for a shift to another level and takes the new level as usual', () => {
        const noise = gaussian(2);
        const shift = rows - 1500;
        const found = alarms(signal(rows, seconds, (i) => (i < shift ? 20 : 26) + 0.2 * noise()));
        assert.equal(found.length, 1, JSON.stringify(found));
        assert.equal(found[0].at, shift);
        assert.ok(found[0].until !== undefined, 'closes');
      });
    });
  }

  it('says how far above and for how long', () => {
    const noise = gaussian(3);
    const slow = function* (): Generator<Reading> {
      // Rises over two minutes, so that no single step stands out.
      for (const one of signal(
        40_000,
        1,
        (i) => 20 + 0.2 * noise() + (i > 38_000 ? Math.min(8, (i - 38_000) / 15) : 0),
      ))
        yield { ...one, unit: '°C' };
    };
    const found = alarms(slow());
    assert.equal(found.length, 1);
    assert.match(found[0].text, /^2\d\.\d+ °C is (far )?above (19|20)\.?\d* ± 0\.\d+, usual for the last 10 minutes$/);
  });

  it('finds a signal that goes quiet', () => {
    const noise = gaussian(4);
    const found = alarms(signal(5 * 288, 300, (i) => (i < 4 * 288 ? round(20 + noise(), 2) : 20.01)));
    assert.equal(found.length, 1);
    assert.match(found[0].text, /^moves unusually little: ± .* over .*, usually ± /);
  });

  it('finds a level that settles elsewhere, below what a single reading would show', () => {
    const noise = gaussian(5);
    const days = 288;
    const found = alarms(signal(6 * days, 300, (i) => 20 + noise() + (i < 5 * days ? 0 : 3)));
    assert.equal(found.length, 1);
    assert.match(found[0].text, /^settled at 2\d[.\d]*, above (19|20)[.\d]* ± .*, usual for the last day$/);
  });

  const clean: Record<string, (noise: () => number) => (i: number, seconds: number) => number> = {
    'a constant': () => () => 20.5,
    'a constant that flickers by one step': (noise) => () => (noise() > 2 ? 20.6 : 20.5),
    'whole numbers': (noise) => () => Math.round(50 + 0.6 * noise()),
    'white noise': (noise) => () => 20 + 0.2 * noise(),
    'a random walk': (noise) => {
      let x = 0;
      return () => (x += noise());
    },
    'a daily course': (noise) => (i, s) => round(20 + 5 * Math.sin((2 * Math.PI * i * s) / 86_400) + 0.2 * noise(), 2),
  };
  for (const [name, make] of Object.entries(clean)) {
    it(`leaves ${name} alone`, () => {
      // 40 days at five minutes and 18 hours at one second: at one false alarm a month two are more than is likely.
      const slow = make(gaussian(6));
      const quick = make(gaussian(7));
      const found = [
        ...alarms(signal(40 * 288, 300, (i) => slow(i, 300))),
        ...alarms(signal(64_800, 1, (i) => quick(i, 1))),
      ];
      assert.ok(found.length <= 1, found.map(({ at, text }) => `${at}: ${text}`).join('\n'));
    });
  }

  it('is silent for a machine that starts and stops every day once it has seen it', () => {
    const noise = gaussian(8);
    const found = alarms(signal(20 * 1440, 60, (i) => (i % 1440 > 480 && i % 1440 < 1080 ? 40 : 10) + noise()));
    assert.deepEqual(
      found.filter(({ at }) => at > 10 * 1440),
      [],
    );
  });

  it('does not judge late and repeated readings, and follows a clock that was set back', () => {
    const noise = gaussian(9);
    const detector = new AutoDetector({ alarmsPerMonth: 1 });
    const state = detector.create();
    for (const one of signal(5000, 1, () => 20 + 0.2 * noise())) detector.step(state, one);
    const before = JSON.stringify(packAuto(state).spike);
    assert.equal(detector.step(state, reading(START + 100_000, 1000)).alarm, false);
    assert.equal(detector.step(state, reading(START + 4_999_000, 1000)).alarm, false);
    assert.equal(JSON.stringify(packAuto(state).spike), before);
    // Two hours back for good: a spike after the change is found again.
    const back = START - 7_200_000;
    for (let i = 0; i < 3000; i++) assert.ok(!detector.step(state, reading(back + i * 1000, 20 + 0.2 * noise())).alarm);
    assert.ok(detector.step(state, reading(back + 3_000_000, 30)).alarm);
  });

  it('lets a series come back elsewhere after a gap', () => {
    const noise = gaussian(10);
    const detector = new AutoDetector({ alarmsPerMonth: 1 });
    const state = detector.create();
    for (const one of signal(5000, 1, () => 20 + 0.2 * noise())) detector.step(state, one);
    const later = START + 12 * 3_600_000;
    for (let i = 0; i < 2000; i++)
      assert.equal(detector.step(state, reading(later + i * 1000, 12 + 0.2 * noise())).alarm, false, `row ${i}`);
  });

  it('takes what a series did during a pause of minutes for no step', () => {
    const noise = gaussian(12);
    const detector = new AutoDetector({ alarmsPerMonth: 1 });
    const state = detector.create();
    const level = (seconds: number): number => 3 + seconds / 2000 + 0.003 * noise();
    for (let i = 0; i < 1200; i++) detector.step(state, reading(START + i * 1000, level(i)));
    for (let i = 1400; i < 2400; i++) {
      const verdict = detector.step(state, reading(START + i * 1000, level(i)));
      assert.ok(!verdict.alarm, `second ${i}: ${verdict.text}`);
    }
  });

  it('ignores what is no number', () => {
    const detector = new AutoDetector({ alarmsPerMonth: 1 });
    const state = detector.create();
    assert.equal(detector.step(state, reading(START, 'open')).score, 0);
    assert.equal(detector.step(state, reading(START, true)).score, 0);
    assert.equal(state.short.count, 0);
  });

  it('finds more the more sensitive it is set', () => {
    assert.ok(count(1 / 3) <= count(1) && count(1) <= count(30 / 7));
    assert.ok(count(1 / 3) < count(30));
  });

  it('goes on from a saved state as if it had never stopped', () => {
    const noise = gaussian(12);
    const detector = new AutoDetector({ alarmsPerMonth: 1 });
    let restored = detector.create();
    const state = detector.create();
    for (const one of signal(3000, 60, (i) => round(20 + noise() + (i > 2000 ? 4 : 0), 2))) {
      assert.deepEqual(detector.step(restored, one), detector.step(state, one));
      if (one.position! % 250 === 0) restored = unpackAuto(structuredClone(packAuto(restored)));
    }
  });

  it('starts afresh from a saved state that has not the form', () => {
    assert.equal(unpackAuto({ first: 'x' }).short.count, 0);
    assert.equal(unpackAuto(undefined).short.count, 0);
  });
});
