import assert from 'node:assert/strict';
import { FaultPlan, FAULTS } from '../../../gateway/src/simulate/faults.ts';
import { PLANT_LIMITS } from '../../../gateway/src/simulate/plant-limits.ts';
import { DEVICE_NAMES, Plant } from '../../../gateway/src/simulate/plant.ts';
import { uniform } from '../../../gateway/src/simulate/random.ts';
import { DetectionPlan, parseRules } from '@tidegate/nodes/detect';
import { BirthBook, DEFAULT_TEMPLATE, type Reading, readPayload, SeriesTemplate } from '@tidegate/nodes/reading';

const START = Date.UTC(2026, 10, 21, 6);

function run(seed: number, seconds: number): { payloads: string[]; faults: { at: number; text: string }[] } {
  const plant = new Plant(seed, START);
  const payloads: string[] = [];
  const faults: { at: number; text: string }[] = [];
  for (let second = 0; second < seconds; second++) {
    const now = START + second * 1000;
    const fault = plant.advance(now);
    if (fault !== undefined) faults.push({ at: second, text: fault.text });
    for (const device of DEVICE_NAMES.keys())
      payloads.push(`${plant.telegram(device, now).topic} ${plant.telegram(device, now).payload}`);
  }
  return { payloads, faults };
}

describe('the simulated plant', () => {
  it('has at least 20 sensors with topics below site/', () => {
    assert.ok(DEVICE_NAMES.length >= 20, `${DEVICE_NAMES.length}`);
    const plant = new Plant(1, START);
    const topics = DEVICE_NAMES.map((_, device) => plant.telegram(device, START).topic);
    assert.equal(new Set(topics).size, topics.length);
    for (const topic of topics) assert.match(topic, /^site\/[\w/-]+$/);
  });

  it('says the same for the same seed, and something else for another', () => {
    assert.deepEqual(run(7, 200), run(7, 200));
    assert.notDeepEqual(run(7, 5).payloads, run(8, 5).payloads);
  });

  it('speaks several dialects', () => {
    const payloads = run(1, 1).payloads.join('\n');
    for (const dialect of [
      / -?\d+\.\d+$/m,
      /"linkquality":/,
      /"Time":"2026-11-21T06:00:00","AM2301"/,
      /"apower":/,
      /\[\{"bt":/,
      /"timestamp":\d{13}/,
    ])
      assert.match(payloads, dialect);
  });

  it('breaks 60 to 90 seconds after the start, and again in its turn', () => {
    const { faults } = run(3, 3_600);
    assert.ok(faults[0].at >= 60 && faults[0].at <= 91, `${faults[0].at}`);
    assert.ok(faults.length >= 5);
    assert.equal(new Set(faults.slice(0, FAULTS.length).map(({ text }) => text)).size, FAULTS.length);
  });

  it('shows a fault in what it sends: vibration of pump 2 rises well above its noise and comes down again', () => {
    const plant = new Plant(5, START);
    const device = DEVICE_NAMES.indexOf('pump2-vibration');
    const at = (second: number): number => {
      plant.advance(START + second * 1000);
      return Number(plant.telegram(device, START + second * 1000).payload);
    };
    assert.ok(at(30) < 3.2);
    assert.ok(at(130) > 6);
    assert.ok(at(260) < 3.2);
  });
});

describe('the limits of the simulated plant', () => {
  const template = new SeriesTemplate(DEFAULT_TEMPLATE);
  const births = new BirthBook();

  /** What all sensors say at one moment, read as the gateway reads it. */
  function readingsAt(plant: Plant, now: number): Reading[] {
    return [...DEVICE_NAMES.keys()].flatMap((device) => {
      const { topic, payload } = plant.telegram(device, now);
      const { metrics } = readPayload(Buffer.from(payload), 'auto', { topic, received: now, births, maxBytes: 4_096 });
      return metrics.map(({ path, value }): Reading => {
        const series = template.resolve(topic, path) ?? '';
        return { series, time: now, value, quality: 'good', clock: 'gateway' };
      });
    });
  }

  it('are crossed by every kind of fault, each time it comes, and by nothing else over a day', () => {
    const plan = new DetectionPlan(undefined, parseRules(PLANT_LIMITS));
    const plant = new Plant(11, START);
    const watched = new Map<
      string,
      { detector: ReturnType<DetectionPlan['for']>[number]['detector']; state: unknown }[]
    >();
    const raised: { text: string; alarms: Set<string> }[] = [];
    let lastFault = 0;
    for (let second = 0; second < 86_400; second += 10) {
      const now = START + second * 1000;
      const fault = plant.advance(now);
      if (fault !== undefined) {
        raised.push({ text: fault.text, alarms: new Set() });
        lastFault = second + fault.seconds + 30;
      }
      for (const reading of readingsAt(plant, now)) {
        let watches = watched.get(reading.series);
        if (watches === undefined) {
          watches = plan.for(reading.series).map(({ detector }) => ({ detector, state: detector.create() }));
          watched.set(reading.series, watches);
        }
        for (const { detector, state } of watches) {
          const verdict = detector.step(state, reading);
          if (!verdict.alarm) continue;
          assert.ok(second <= lastFault, `${reading.series} at second ${second}: ${verdict.text}`);
          raised.at(-1)?.alarms.add(reading.series);
        }
      }
    }
    assert.ok(raised.length > 2 * FAULTS.length, `${raised.length}`);
    assert.deepEqual(
      raised.filter(({ alarms }) => alarms.size === 0),
      [],
    );
  });
});

describe('fault plan', () => {
  it('lets one fault at a time rise and fade', () => {
    const plan = new FaultPlan(uniform(1), 0);
    let strongest = 0;
    for (let now = 0; now < 3_600_000; now += 1000) {
      plan.step(now);
      const strengths = FAULTS.map(({ name }) => plan.strength(name, now)).filter((strength) => strength > 0);
      assert.ok(strengths.length <= 1);
      assert.ok(strengths.every((strength) => strength <= 1));
      strongest = Math.max(strongest, ...strengths);
    }
    assert.equal(strongest, 1);
  });
});
