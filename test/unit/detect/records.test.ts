import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { type Alert, DetectionPlan, parseRules } from '@tidegate/nodes/detect';
import { systemClock } from '@tidegate/nodes/node';
import type { Reading } from '@tidegate/nodes/reading';
import { openVault, readSeriesRecords, SeriesRegistry, type Vault } from '@tidegate/nodes/vault';
import { DetectionMemory } from '../../../nodes/src/detect/detection-memory.ts';
import { Detection } from '../../../nodes/src/detect/detection.ts';
import { temporaryDirectory } from '../../support/gateway.ts';
import { detectionCodec } from '../../../nodes/src/detect/state-codec.ts';
import { reading, START } from './signals.ts';

const RULES = [
  { series: '#', kind: 'limits', high: 100 },
  { series: '#', kind: 'rate', change: 5, perSeconds: 60 },
  { series: '#', kind: 'silence', seconds: 60 },
];

describe('detection on a series of which people say something', () => {
  let home: { path: string; remove: () => void };
  let vault: Vault;
  let registry: SeriesRegistry;
  let memory: DetectionMemory;
  let alerts: Alert[];
  let saves: Promise<unknown>[];
  /** Milliseconds that are added to the machine's clock. */
  let later = 0;
  let time = START;

  beforeEach(async () => {
    home = temporaryDirectory('told');
    const key = path.join(home.path, 'key');
    writeFileSync(key, 'ab'.repeat(32), { mode: 0o600 });
    vault = await openVault({ directory: path.join(home.path, 'vault'), key: { file: key } });
    registry = new SeriesRegistry(vault, systemClock);
    [alerts, saves, later, time] = [[], [], 0, START];
  });
  afterEach(async () => {
    await vault.close();
    home.remove();
  });

  /** As a tide-detect node that was just deployed, or started again. */
  async function start(): Promise<Detection> {
    const plan = new DetectionPlan(undefined, parseRules(RULES));
    const clock = { now: () => START + later, monotonic: () => systemClock.monotonic() + later };
    memory = await DetectionMemory.open(vault, 'node', plan, clock);
    const detection = new Detection({
      plan,
      incarnation: vault.incarnation,
      consumer: memory.consumer,
      raiseFrom: memory.raiseFrom,
      clock,
      raise: ({ alerts: some, save }) => {
        alerts.push(...some);
        saves.push(vault.commit(save?.changes ?? []).then(() => save?.committed()));
      },
    });
    detection.applyRecords(await readSeriesRecords(vault));
    return detection;
  }

  /** A second after the one before, through the journal. */
  async function measure(detection: Detection, value: number, unit?: string): Promise<Reading> {
    const one = reading((time += 1000), value, { series: 'a', ...(unit !== undefined && { unit }) });
    one.position = await vault.journal.append({ source: 'test', readings: [one] });
    detection.judge([one], 0, false);
    await Promise.all(saves);
    return one;
  }

  const shown = (): string[] => alerts.map(({ kind, state }) => `${kind} ${state}`);

  it('forgets what it knew of a sensor that was replaced, with the first reading of the other one', async () => {
    const detection = await start();
    await measure(detection, 20);
    await registry.replace('a', 'no. 2');
    detection.applyRecords(await readSeriesRecords(vault));
    await measure(detection, 50);
    assert.deepEqual(shown(), [], 'the other sensor shows something else, and that is no change of the plant');
    await measure(detection, 60);
    assert.deepEqual(shown(), ['rate open']);
  });

  it('does so too where the sensor was replaced while nothing ran', async () => {
    await measure(await start(), 20);
    await memory.saveAll(() => false);
    await registry.replace('a', 'no. 2');
    await measure(await start(), 50);
    assert.deepEqual(shown(), []);
  });

  it('closes the alerts of a series that is retired, and misses nothing of it', async () => {
    const detection = await start();
    await measure(detection, 150);
    assert.deepEqual(shown(), ['limits open']);
    await registry.retire('a');
    detection.applyRecords(await readSeriesRecords(vault));
    assert.deepEqual(shown(), ['limits open', 'limits closed']);
    assert.equal(detection.open, 0);
    later = 3_600_000;
    detection.tick();
    assert.equal(alerts.length, 2, 'its silence is no alarm');
    await measure(detection, 150);
    assert.equal(shown().at(-1), 'limits open', 'a reading that comes all the same is judged');
    detection.applyRecords(await readSeriesRecords(vault));
    assert.equal(alerts.length, 3, 'and the series is live again');
    later = 7_200_000;
    detection.tick();
    assert.equal(shown().at(-1), 'silence open');
  });

  it('closes them at the next start where it was retired while nothing ran', async () => {
    await measure(await start(), 150);
    await memory.saveAll(() => false);
    await registry.retire('a');
    const detection = await start();
    assert.deepEqual(shown(), ['limits open', 'limits closed']);
    await Promise.all(saves);
    await memory.saveAll(() => false);
    await start();
    assert.equal(alerts.length, 2, 'once');
    assert.equal(detection.open, 0);
  });

  it('begins anew in another unit, but for limits, which people have set', async () => {
    const detection = detectionCodec(new DetectionPlan('high', parseRules(RULES))).create('a');
    const sink = { incarnation: 'feed', alert: (alert: Alert): void => void alerts.push(alert) };
    detection.step(reading(START, 20, { unit: '°C', position: 1 }), sink);
    detection.step(reading(START + 1000, 120, { unit: '°C', position: 2 }), sink);
    assert.deepEqual(shown(), ['limits open', 'rate open']);
    detection.step(reading(START + 2000, 248, { unit: '°F', position: 3 }), sink);
    assert.deepEqual(shown().slice(2), ['rate closed'], 'no change is taken from one unit to another');
    detection.step(reading(START + 3000, 249, { position: 4 }), sink);
    assert.equal(alerts.length, 3);
    assert.equal(detection.open, 1);
  });
});
