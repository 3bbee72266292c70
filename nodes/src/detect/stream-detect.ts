import type { Reading } from '../reading/reading.ts';
import { AutoDetector } from './auto/auto.ts';
import { type Sensitivity, alarmsPerMonth } from './sensitivity.ts';

/** One recorded value; `time` in epoch milliseconds. */
export interface RecordedValue {
  time: number;
  value: number;
}

export interface DetectedValue extends RecordedValue {
  /** 0..1, how unusual the value is for all that came before it; 0.5 is where alarms open. */
  score: number;
  /** 1 on the row that opens an alert, else 0. */
  alert: 0 | 1;
  /** The reason, on the row that opens an alert. */
  text?: string;
}

export interface StreamOptions {
  series?: string;
  unit?: string;
  sensitivity?: Sensitivity;
}

/** Runs `auto` over recorded values as they would have come, one at a time: constant memory, no look ahead. */
export async function* detectStream(
  values: AsyncIterable<RecordedValue> | Iterable<RecordedValue>,
  options: StreamOptions = {},
): AsyncGenerator<DetectedValue> {
  const detector = new AutoDetector({ alarmsPerMonth: alarmsPerMonth(options.sensitivity ?? 'normal') });
  const state = detector.create();
  const reading: Reading = { series: options.series ?? '', time: 0, value: 0, quality: 'good', clock: 'device' };
  if (options.unit !== undefined) reading.unit = options.unit;
  let alarm = false;
  for await (const { time, value } of values) {
    reading.time = time;
    reading.value = value;
    const verdict = detector.step(state, reading);
    const opens = verdict.alarm && !alarm;
    alarm = verdict.alarm;
    yield opens
      ? { time, value, score: verdict.score, alert: 1, text: verdict.text }
      : { time, value, score: verdict.score, alert: 0 };
  }
}
