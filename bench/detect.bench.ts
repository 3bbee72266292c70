/**
 * What `auto` costs and how often it is wrong on clean signals: microseconds for a reading with 4,000 series interleaved,
 * bytes of a series' saved state, false alarms for a series in 30 days after three days of warm-up.
 */
import { DetectionPlan } from '@tidegate/nodes/detect';
import type { Reading } from '@tidegate/nodes/reading';
import { AutoDetector } from '../nodes/src/detect/auto/auto.ts';
import { Detection } from '../nodes/src/detect/detection.ts';
import { SeriesDetection } from '../nodes/src/detect/series-detection.ts';
import { detectionCodec } from '../nodes/src/detect/state-codec.ts';
import type { Report } from './support/report.ts';
import { gaussian, jitter, signal, uniform } from './support/signal.ts';

const SERIES = 4000;
const ROUNDS = 700;
/** Rounds before the clock runs: by then windows are full and code is compiled. */
const WARM_UP = 200;
const DAY = 86_400;
const START = Date.UTC(2026, 0, 5);

export async function run(progress: (text: string) => void): Promise<Report> {
  const figures: Record<string, number> = {};
  for (const noise of [0.2, 1]) {
    progress(`cost at noise ${noise}`);
    figures[`us_per_reading_noise_${String(noise).replace('.', '_')}`] = cost(noise);
  }
  figures['state_bytes'] = stateBytes();
  for (const [name, interval, days, seeds] of [
    ['1s', 1, 13, 1],
    ['300s', 300, 123, 3],
  ] as const) {
    for (const [kind, make] of Object.entries(CLEAN)) {
      progress(`false alarms: ${kind}, a reading every ${interval} s`);
      let alarms = 0;
      for (let seed = 1; seed <= seeds; seed++) alarms += falseAlarms(make(seed, interval), interval, days);
      figures[`alarms_per_month_${kind}_${name}`] = alarms / ((seeds * (days - 3)) / 30);
    }
  }
  const goals: Report['goals'] = { us_per_reading_noise_0_2: { max: 3 }, state_bytes: { max: 10_000 } };
  for (const name of Object.keys(figures)) if (name.startsWith('alarms_per_month')) goals[name] = { max: 1 };
  return {
    figures,
    goals,
    notes: [
      `${SERIES.toLocaleString('en-US')} series interleaved, a reading a second each, one core; the lookup of the series is in it, a vault is not`,
      'at one second only 10 days are watched: one alarm there is a rate of 3 a month',
    ],
  };
}

function cost(noise: number): number {
  let at = 0;
  const clock = { now: () => at, monotonic: () => at };
  const plan = new DetectionPlan('normal', []);
  const detection = new Detection({
    plan,
    incarnation: '',
    consumer: undefined,
    raiseFrom: 0,
    clock,
    raise: () => undefined,
  });
  const random = uniform(7);
  const signals = Array.from({ length: SERIES }, (_, i) => signal({ noise, seed: i + 1 }));
  let spent = 0;
  for (let round = 0; round < ROUNDS; round++) {
    at = round * 1000;
    const batch = signals.map((next, i): Reading => ({
      series: `site/line${i % 20}/sensor${i}/temperature`,
      time: START + at + jitter(random),
      value: next(),
      quality: 'good',
      clock: 'device',
    }));
    const start = performance.now();
    detection.judge(batch, 0, false);
    if (round >= WARM_UP) spent += performance.now() - start;
  }
  return (1000 * spent) / ((ROUNDS - WARM_UP) * SERIES);
}

function stateBytes(): number {
  const plan = new DetectionPlan('normal', []);
  const detection = new SeriesDetection('s', plan.for('s'));
  const next = signal({ noise: 1, seed: 1, interval: 60 });
  for (let i = 0; i < 14 * 1440; i++)
    detection.step(
      { series: 's', time: START + i * 60_000, value: next(), quality: 'good', clock: 'device' },
      undefined,
    );
  return detectionCodec(plan).encode(detection).length;
}

type Signal = (second: number) => number;

/** Signals in which nothing happens. */
const CLEAN: Record<string, (seed: number, interval: number) => Signal> = {
  white: (seed) => {
    const normal = gaussian(uniform(seed));
    return () => 20 + 0.2 * normal();
  },
  walk: (seed) => {
    const normal = gaussian(uniform(seed));
    let x = 0;
    return () => (x += 0.05 * normal());
  },
  daily: (seed, interval) => signal({ noise: 0.2, seed, interval }),
  integer: (seed) => {
    const normal = gaussian(uniform(seed));
    return () => Math.round(50 + 0.6 * normal());
  },
  bursts: (seed, interval) => {
    const random = uniform(seed);
    const normal = gaussian(random);
    let load = 0;
    return () => {
      if (random() < interval / 3600) load = 10 + 30 * random();
      else if (random() < interval / 300) load = 0;
      return 5 + load + 0.5 * normal();
    };
  },
  office: (seed) => {
    const normal = gaussian(uniform(seed));
    return (second) => (second % DAY > 8 * 3600 && second % DAY < 18 * 3600 ? 40 : 10) + normal();
  },
};

function falseAlarms(value: Signal, interval: number, days: number): number {
  const detector = new AutoDetector({ alarmsPerMonth: 1 });
  const state = detector.create();
  const reading: Reading = { series: 's', time: 0, value: 0, quality: 'good', clock: 'device' };
  let open = false;
  let alarms = 0;
  for (let second = 0; second < days * DAY; second += interval) {
    reading.time = START + 1000 * second;
    reading.value = value(second);
    const { alarm } = detector.step(state, reading);
    if (alarm && !open && second >= 3 * DAY) alarms++;
    open = alarm;
  }
  return alarms;
}
