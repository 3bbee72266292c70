import type { Clock } from '../node/clock.ts';
import type { Reading } from '../reading/reading.ts';
import type { Consumer, Save } from '../vault/consumer.ts';
import type { SeriesRecords } from '../vault/series-records.ts';
import type { Alert } from './alert.ts';

import type { DetectionPlan } from './rules.ts';
import { type AlertSink, SeriesDetection } from './series-detection.ts';

/** Longest that readings are judged without a pause, milliseconds: other nodes and MQTT share the event loop. */
const SLICE_MS = 2;
/** Readings between two looks at the clock. */
const LOOK_EVERY = 64;
/** Most series without a journal position whose state is kept in memory. */
const MAX_LOOSE = 10_000;

/** Alerts of one reading (or tick) of one series, and the state that includes them, to be committed together. */
export interface Raised {
  series: string;
  alerts: readonly Alert[];
  /** Absent for readings that are in no journal. */
  save: Save | undefined;
}

export interface DetectionOptions {
  plan: DetectionPlan;
  /** Identity of the writer, part of each alert's id. */
  incarnation: string;
  /** State of series whose readings have positions; absent without a vault. */
  consumer: Consumer<SeriesDetection> | undefined;
  /** Readings below this position are learnt from without raising alerts: they were there before this node was. */
  raiseFrom: number;
  clock: Clock;
  raise(raised: Raised): void;
}

/** Detection over all series of a node: batches in, marks on the readings, alerts out. Does no I/O itself. */
export class Detection {
  private readonly options: DetectionOptions;
  /** What people say of series: a sensor that was replaced, a series that was retired. */
  private records: SeriesRecords = new Map();
  private readonly loose = new Map<string, SeriesDetection>();
  private readonly sink: AlertSink;
  private alerts: Alert[] = [];
  private arrived = 0;
  /** From then on silence counts (monotonic milliseconds): before it, nobody was listening. */
  private listening = 0;
  /** Readings that were judged. */
  judged = 0;
  /** Alerts that are open. */
  open = 0;

  constructor(options: DetectionOptions) {
    this.options = options;
    this.sink = { incarnation: options.incarnation, alert: (alert) => this.collect(alert) };
    this.listening = options.clock.monotonic();
    for (const [, detection] of options.consumer?.states() ?? []) this.open += detection.open;
  }

  /** Judges readings from index `from` for at most 5 ms; returns the index to go on at. Marks readings in alarm with `anomaly`. */
  judge(readings: readonly Reading[], from: number, replay: boolean): number {
    const { clock } = this.options;
    const start = clock.monotonic();
    this.arrived = start;
    if (replay) this.listening = start;
    for (let i = from; i < readings.length; i++) {
      if ((i - from) % LOOK_EVERY === LOOK_EVERY - 1 && clock.monotonic() - start > SLICE_MS) return i;
      this.take(readings[i]);
    }
    return readings.length;
  }

  /** Takes what people say of series now. Of those that were retired since their last reading the alerts close at once. */
  applyRecords(records: SeriesRecords): void {
    this.records = records;
    const { consumer, clock } = this.options;
    for (const [series, { retired }] of records) {
      const detection = consumer?.state(series);
      if (retired === undefined || detection === undefined || detection.last === 0) continue;
      if (retired.position <= (detection.position ?? 0)) continue;
      detection.renew();
      detection.settle(this.sink, clock.now());
      consumer?.touch(series);
      if (this.alerts.length > 0) this.raise(series, consumer);
    }
  }

  /** Lets the detectors of silence look at every series. */
  tick(): void {
    const { plan, consumer, clock } = this.options;
    if (!plan.ticks) return;
    const now = clock.monotonic();
    for (const [, detection] of consumer?.states() ?? []) this.tickOne(detection, now, consumer);
    for (const detection of this.loose.values()) this.tickOne(detection, now, undefined);
  }

  private collect(alert: Alert): void {
    this.alerts.push(alert);
    if (alert.state === 'closed') this.open--;
    else if (alert.revision === 1) this.open++;
  }

  private take(reading: Reading): void {
    const { consumer, raiseFrom } = this.options;
    const { position } = reading;
    const kept = consumer !== undefined && position !== undefined;
    const detection = kept ? consumer.take(reading) : this.looseOf(reading.series);
    if (detection === undefined) return;
    if (kept && this.records.size > 0) this.renewWhereReplaced(detection, position);
    this.judged++;
    detection.arrived = this.arrived;
    const score = detection.step(reading, kept && position < raiseFrom ? undefined : this.sink);
    if (score > 0) reading.anomaly = score;
    if (this.alerts.length > 0) this.raise(detection.series, kept ? consumer : undefined);
  }

  /** The first reading of another sensor is one of a series that nothing is known of. */
  private renewWhereReplaced(detection: SeriesDetection, position: number): void {
    const since = this.records.get(detection.series)?.sensor?.since.position;
    if (since !== undefined && detection.position !== undefined && detection.position < since && position >= since)
      detection.renew();
  }

  private tickOne(detection: SeriesDetection, now: number, consumer: Consumer<SeriesDetection> | undefined): void {
    const silent = now - Math.max(detection.arrived, this.listening);
    detection.tick(detection.last + silent, this.sink);
    if (this.alerts.length === 0) return;
    consumer?.touch(detection.series);
    this.raise(detection.series, consumer);
  }

  /** The state is encoded at once, before another reading is added to it: it must include these alerts and none after them. */
  private raise(series: string, consumer: Consumer<SeriesDetection> | undefined): void {
    const { alerts } = this;
    this.alerts = [];
    const save = consumer?.save([series], this.options.clock.now());
    this.options.raise({ series, alerts, save });
  }

  private looseOf(series: string): SeriesDetection {
    let detection = this.loose.get(series);
    if (detection === undefined) {
      // Names come from outside: without a bound they would fill the memory. The oldest makes room.
      if (this.loose.size >= MAX_LOOSE) this.loose.delete(this.loose.keys().next().value!);
      detection = new SeriesDetection(series, this.options.plan.for(series));
      this.loose.set(series, detection);
    }
    return detection;
  }
}
