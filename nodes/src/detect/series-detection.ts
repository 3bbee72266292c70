import type { Reading, Value } from '../reading/reading.ts';
import type { Alert } from './alert.ts';
import { closing, nextTurn, type OpenAlert } from './alert-life.ts';
import type { Verdict } from './detector.ts';
import type { PlannedDetector } from './rules.ts';

/** Readings in a row that go back in time before the device's clock is taken to have been set back. */
const CLOCK_SET_BACK = 10;

/** One detector on one series: its memory, and the alert it holds open. */
export interface Watch {
  readonly planned: PlannedDetector;
  /** Made with the first reading that concerns the detector. */
  state: unknown;
  open: OpenAlert | undefined;
}

/** Where alerts go, and the writer they belong to. */
export interface AlertSink {
  readonly incarnation: string;
  alert(alert: Alert): void;
}

/** All detectors of one series, as one state that is saved together. */
export class SeriesDetection {
  readonly series: string;
  readonly watches: Watch[];
  /** Open alerts of detectors that the plan no longer has; closed at the next occasion. */
  orphans: OpenAlert[] = [];
  /** Newest reading: time (epoch milliseconds; 0 before the first), position, value. */
  last = 0;
  position: number | undefined = undefined;
  value: Value = 0;
  unit: string | undefined = undefined;
  /** Readings in a row that were older than the newest. */
  late = 0;
  /** When the newest reading came, by the machine's monotonic clock; for ticks, never saved. */
  arrived = 0;

  constructor(series: string, plan: readonly PlannedDetector[]) {
    this.series = series;
    this.watches = plan.map((planned) => ({ planned, state: undefined, open: undefined }));
  }

  /**
   * Judges a reading by every detector; returns the highest score of those that are in alarm, 0 when none is. Without a
   * `sink` it only learns: alarms that are still on at the first reading with a sink open then. A reading that is older than
   * the newest is not judged: what came after it has been.
   */
  step(reading: Reading, sink: AlertSink | undefined): number {
    if (reading.stale === true) return 0;
    if (reading.time < this.last && ++this.late < CLOCK_SET_BACK) return this.held();
    const { unit } = this;
    this.late = 0;
    this.last = reading.time;
    this.position = reading.position;
    this.value = reading.value;
    this.unit = reading.unit;
    if (reading.unit !== undefined && unit !== undefined && reading.unit !== unit)
      this.forget(({ detector }) => detector.inUnit === true);
    if (sink !== undefined) this.settle(sink, reading.time);
    const bad = reading.quality === 'bad';
    let score = 0;
    for (const watch of this.watches) {
      const { detector, everyValue } = watch.planned;
      // A bad reading is a sign of life, and nothing else.
      if (bad && detector.tick === undefined) continue;
      if (!everyValue && typeof reading.value !== 'number') continue;
      const verdict = detector.step((watch.state ??= detector.create()), reading);
      if (verdict.alarm && verdict.score > score) score = verdict.score;
      if (sink !== undefined && (verdict.alarm || watch.open !== undefined)) this.turn(watch, verdict, reading, sink);
    }
    return score;
  }

  /** Begins anew, as with the first reading ever. Open alerts close with the next reading, or at `settle`. */
  renew(): void {
    this.forget(() => true);
    this.last = 0;
  }

  /** Closes alerts that no detector holds open any more. */
  settle(sink: AlertSink, time: number): void {
    if (this.orphans.length === 0) return;
    for (const open of this.orphans) sink.alert(closing(open, time));
    this.orphans = [];
  }

  /** Asks the detectors that notice silence; `now` as for `Detector.tick`. */
  tick(now: number, sink: AlertSink): void {
    this.settle(sink, now);
    if (this.last === 0) return;
    for (const watch of this.watches) {
      const { detector } = watch.planned;
      if (detector.tick === undefined || watch.state === undefined) continue;
      const verdict = detector.tick(watch.state, now);
      if (verdict.alarm || watch.open !== undefined)
        this.turn(watch, verdict, { time: now, value: this.value, unit: this.unit, position: this.position }, sink);
    }
  }

  /** Alerts that are open. */
  get open(): number {
    let open = this.orphans.length;
    for (const watch of this.watches) if (watch.open !== undefined) open++;
    return open;
  }

  private turn(
    watch: Watch,
    verdict: Verdict,
    { time, value, unit, position }: Pick<Reading, 'time' | 'value' | 'unit' | 'position'>,
    sink: AlertSink,
  ): void {
    const { key, detector } = watch.planned;
    const origin = { incarnation: sink.incarnation, kind: detector.kind, key };
    const turn = nextTurn(watch.open, verdict, { series: this.series, time, value, unit, position }, origin);
    watch.open = turn.open;
    if (turn.alert !== undefined) sink.alert(turn.alert);
  }

  private forget(concerned: (planned: PlannedDetector) => boolean): void {
    for (const watch of this.watches) {
      if (!concerned(watch.planned)) continue;
      if (watch.open !== undefined) this.orphans.push(watch.open);
      watch.state = undefined;
      watch.open = undefined;
    }
  }

  private held(): number {
    let score = 0;
    for (const { open } of this.watches) if (open !== undefined && open.score > score) score = open.score;
    return score;
  }
}
