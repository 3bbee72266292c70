import { type FaultKind, type FaultName, FaultPlan } from './faults.ts';
import { bare, type Measured, senml, type Shape, shelly, stamped, tasmota, zigbee2mqtt } from './payloads.ts';
import { colouredNoise, uniform } from './random.ts';

/** A message that a sensor sends. */
export interface Telegram {
  device: string;
  topic: string;
  payload: string;
}

interface Moment {
  /** Epoch milliseconds. */
  time: number;
  /** -1..1 over the day, highest at 15:00 UTC. */
  day: number;
  /** Strength of a fault, 0..1. */
  fault: (name: FaultName) => number;
}

interface Metric {
  at(moment: Moment): number | boolean;
  /** Standard deviation of the noise; absent for what has none. */
  noise?: number;
  decimals?: number;
}

interface Device {
  name: string;
  topic: string;
  shape: Shape;
  metrics: Readonly<Record<string, Metric>>;
}

const HOUR = 3_600_000;
const wave = (time: number, periodMs: number, phase = 0): number => Math.sin(2 * Math.PI * (time / periodMs + phase));

const climate = (temperature: (moment: Moment) => number, humidity: number): Device['metrics'] => ({
  temperature: { at: temperature, noise: 0.04, decimals: 2 },
  humidity: { at: ({ day }) => humidity - 6 * day, noise: 0.2, decimals: 1 },
});

const contact = (openMinute: number): Device['metrics'] => ({
  // Someone goes through once in an hour; the door stands open for some seconds.
  contact: { at: ({ time }) => time % HOUR < openMinute * 60_000 || time % HOUR > openMinute * 60_000 + 12_000 },
});

function pump(number: number): Device[] {
  const topic = `site/pump${number}`;
  const bearing = ({ fault }: Moment): number => (number === 2 ? fault('bearing') : 0);
  const overload = ({ fault }: Moment): number => (number === 3 ? fault('overload') : 0);
  return [
    {
      name: `pump${number}-vibration`,
      topic: `${topic}/vibration`,
      shape: bare,
      metrics: {
        vibration: { at: (m) => 2 + 0.2 * number + 6.5 * bearing(m) + 1.5 * overload(m), noise: 0.12, decimals: 2 },
      },
    },
    {
      name: `pump${number}-bearing`,
      topic: `${topic}/bearing-temperature`,
      shape: bare,
      metrics: { temperature: { at: (m) => 46 + 2 * number + 2 * m.day + 9 * bearing(m), noise: 0.1, decimals: 1 } },
    },
    {
      name: `pump${number}-power`,
      topic: `${topic}/power`,
      shape: shelly,
      metrics: {
        apower: {
          at: (m) => 1450 + 40 * number + 60 * wave(m.time, HOUR, number / 3) + 620 * overload(m),
          noise: 7,
          decimals: 1,
        },
        voltage: { at: (m) => 231 + 2 * wave(m.time, 6 * HOUR), noise: 0.3, decimals: 1 },
      },
    },
  ];
}

function tank(name: string, phase: number): Device[] {
  const leak = ({ fault }: Moment): number => (name === 'north' ? fault('leak') : 0);
  return [
    {
      name: `tank-${name}-level`,
      topic: `site/tank-${name}/level`,
      shape: stamped,
      metrics: {
        level: { at: (m) => 3.2 + 0.6 * wave(m.time, 4 * HOUR, phase) - 1.4 * leak(m), noise: 0.004, decimals: 3 },
      },
    },
    {
      name: `tank-${name}-temperature`,
      topic: `site/tank-${name}/temperature`,
      shape: bare,
      metrics: { temperature: { at: ({ day }) => 11.5 + 0.8 * day, noise: 0.02, decimals: 2 } },
    },
  ];
}

/** A small waterworks: three pumps, two tanks, and what surrounds them. 24 sensors. */
const DEVICES: readonly Device[] = [
  ...[1, 2, 3].flatMap(pump),
  ...tank('north', 0),
  ...tank('south', 0.35),
  { name: 'outside', topic: 'site/outside', shape: zigbee2mqtt, metrics: climate(({ day }) => 9 + 5 * day, 71) },
  { name: 'hall', topic: 'site/hall', shape: zigbee2mqtt, metrics: climate(({ day }) => 17 + 2 * day, 55) },
  {
    name: 'control-room',
    topic: 'site/control-room',
    shape: zigbee2mqtt,
    metrics: climate((m) => (m.fault('stuck') > 0 ? 85 : 21 + 0.8 * m.day), 44),
  },
  {
    name: 'cabinet',
    topic: 'site/cabinet/SENSOR',
    shape: tasmota('AM2301'),
    metrics: {
      Temperature: { at: ({ day }) => 31 + 1.5 * day, noise: 0.08, decimals: 1 },
      Humidity: { at: ({ day }) => 33 - 2 * day, noise: 0.2, decimals: 1 },
    },
  },
  {
    name: 'mains',
    topic: 'site/mains/SENSOR',
    shape: tasmota('ENERGY'),
    metrics: {
      Power: { at: (m) => 5120 + 240 * m.day + 620 * m.fault('overload'), noise: 18, decimals: 0 },
      Voltage: { at: (m) => 231 + 2 * wave(m.time, 6 * HOUR), noise: 0.3, decimals: 1 },
      Current: { at: (m) => 7.6 + 0.35 * m.day + 0.9 * m.fault('overload'), noise: 0.03, decimals: 2 },
    },
  },
  {
    name: 'flow',
    topic: 'site/outlet/flow',
    shape: stamped,
    metrics: { flow: { at: (m) => 42 + 9 * m.day + 3 * wave(m.time, HOUR), noise: 0.35, decimals: 2 } },
  },
  {
    name: 'inlet-pressure',
    topic: 'site/inlet/pressure',
    shape: bare,
    metrics: { pressure: { at: (m) => 1.8 + 0.1 * wave(m.time, 2 * HOUR), noise: 0.008, decimals: 3 } },
  },
  {
    name: 'outlet-pressure',
    topic: 'site/outlet/pressure',
    shape: bare,
    metrics: { pressure: { at: (m) => 5.4 + 0.15 * m.day + 1.9 * m.fault('surge'), noise: 0.02, decimals: 3 } },
  },
  {
    name: 'water-quality',
    topic: 'site/quality',
    shape: senml({ ph: 'pH', turbidity: 'NTU', chlorine: 'mg/l' }),
    metrics: {
      ph: { at: ({ day }) => 7.3 + 0.05 * day, noise: 0.01, decimals: 2 },
      turbidity: { at: (m) => 0.42 + 0.05 * wave(m.time, 5 * HOUR), noise: 0.01, decimals: 3 },
      chlorine: { at: (m) => 0.31 + 0.02 * wave(m.time, 3 * HOUR), noise: 0.004, decimals: 3 },
    },
  },
  { name: 'gate', topic: 'site/gate', shape: zigbee2mqtt, metrics: contact(20) },
  { name: 'hall-door', topic: 'site/hall-door', shape: zigbee2mqtt, metrics: contact(35) },
];

export const DEVICE_NAMES: readonly string[] = DEVICES.map(({ name }) => name);

/**
 * The simulated site as a pure step: the same seed, start and times give the same messages. Courses hang on the time of
 * day alone, so that a plant that is started again goes on where it would have been.
 */
export class Plant {
  private readonly faults: FaultPlan;
  private readonly noises = new Map<Metric, () => number>();

  constructor(seed: number, start: number) {
    const random = uniform(seed);
    this.faults = new FaultPlan(random, start);
    for (const { metrics } of DEVICES)
      for (const metric of Object.values(metrics)) this.noises.set(metric, colouredNoise(random, 0.7));
  }

  /** The fault that has set in by `now`, once for each. */
  advance(now: number): FaultKind | undefined {
    return this.faults.step(now);
  }

  /** What the device of this number says at `now`, epoch milliseconds. */
  telegram(device: number, now: number): Telegram {
    const { name, topic, shape, metrics } = DEVICES[device];
    const moment: Moment = {
      time: now,
      day: wave(now, 24 * HOUR, -9 / 24),
      fault: (fault) => this.faults.strength(fault, now),
    };
    const measured: Measured = Object.fromEntries(
      Object.entries(metrics).map(([key, metric]) => [key, this.measure(metric, moment)]),
    );
    return { device: name, topic, payload: shape(measured, now) };
  }

  private measure(metric: Metric, moment: Moment): number | boolean {
    const value = metric.at(moment);
    if (typeof value === 'boolean') return value;
    const noisy = value + (metric.noise ?? 0) * this.noises.get(metric)!();
    return Number(noisy.toFixed(metric.decimals ?? 2));
  }
}
