import type { Reading } from '../../reading/reading.ts';
import { CALM, type Detector, type Verdict } from '../detector.ts';
import { learnSlow } from './slow-measures.ts';
import { explain } from './explain.ts';
import { decadesOf, learn } from './rarity.ts';
import { IQR_GAUSS, MEASURES, scaleFloor, SHORT_SPAN, type Measure } from './scale.ts';
import { emptyState, SHORT_SIZE, type AutoState } from './state.ts';
import { insert, quantileOf } from './sorted-window.ts';

export interface AutoParameters {
  /** False alarms that are put up with, for one series in 30 days. */
  alarmsPerMonth: number;
}

/** Larger numbers are no measurements, and differences of them would overflow. */
const LARGEST = 1e100;
/** Blocks of the quick measures, seconds: longer than the disturbances that make readings resemble their neighbours. */
const QUICK_BLOCK = 60;
/** The quick measures speak after this time, seconds, and this many readings: by then median and scale are worth something. */
const QUICK_WARM_UP = 60;
const QUICK_READINGS = 30;
/** An alarm closes after this long without surprise, seconds, or after this many intervals: one event is one alert. */
const CALM_SECONDS = 600;
const CALM_INTERVALS = 12;
/** Once open it stays open down to half a decade under what opened it. */
const STAY_OPEN = -0.5;
/** After an alarm a new one must be rarer than it; this fades by so many decades in a second: what comes again after an hour is told again. */
const FADE = 4 / 3600;
/** A peak beyond this many decades is not remembered as higher: one enormous event must not hide the next. */
const HIGHEST_PEAK = 4;
/** What has come at least four times in three days is a habit of the series (a machine that starts twice a day) and no news. */
const HABIT_TIMES = 4;
const HABIT_SECONDS = 3 * 86_400;
/** News is what is rarer than the habit by so many decades. */
const HABIT_MARGIN = 1;
/** After a silence of so many intervals there is no step; when it also exceeds the short span, that window has to fill again. */
const GAP_INTERVALS = 10;
/** Readings in a row that go back in time before the clock is taken to have been set back. */
const CLOCK_SET_BACK = 10;

/**
 * Finds what is unusual for the series itself, without training and without limits to set. Four measures (far from the
 * moving median; a sudden step; another level than the last day's; another spread than the last days') are each turned into
 * a waiting time by their own past (rarity.ts); the rarest counts.
 */
export class AutoDetector implements Detector<AutoState> {
  readonly kind = 'auto';
  readonly version = 1;
  readonly inUnit = true;
  /** Decades that the threshold lies from one false alarm in a month. */
  private readonly threshold: number;

  constructor(parameters: AutoParameters) {
    this.threshold = -Math.log10(parameters.alarmsPerMonth);
  }

  create(): AutoState {
    return emptyState();
  }

  step(state: AutoState, reading: Reading): Verdict {
    const { value } = reading;
    if (typeof value !== 'number' || !(Math.abs(value) <= LARGEST)) return CALM;
    const time = reading.time / 1000;
    // Over a pause a series may go anywhere: what it did meanwhile is no step from one reading to the next.
    const paused = state.interval > 0 && time - state.last > GAP_INTERVALS * state.interval;
    if (!follow(state, value, time)) return this.verdict(state, -9, time);

    const block = Math.max(QUICK_BLOCK, state.interval);
    const distance = Math.abs(value - state.median);
    const step = Math.abs(value - state.value);
    const spike = Math.log(1 + distance / scaleFloor(state, state.scale));
    const jump = paused ? 0 : Math.log(1 + step / scaleFloor(state, state.change));
    let decades = -9;
    let measure: Measure = 'spike';
    const warm = state.short.count >= QUICK_READINGS && time - state.first >= QUICK_WARM_UP && state.settling === 0;
    if (warm) {
      decades = decadesOf(state.spike, spike, block, MEASURES);
      const jumped = decadesOf(state.jump, jump, block, MEASURES);
      if (jumped > decades) {
        decades = jumped;
        measure = 'jump';
      }
      // One event is learnt as one block, however long it lasts: its repetition is to be told again.
      if (time >= state.until || time - state.episodes[state.episode] < block || decades - this.threshold < STAY_OPEN) {
        learn(state.spike, spike, time, block);
        learn(state.jump, jump, time, block);
      }
    }
    const before = state.value;
    advance(state, value, step, time);
    if (learnSlow(state, time, this.threshold)) {
      if (state.levelDecades > decades) [decades, measure] = [state.levelDecades, 'level'];
      if (state.spreadDecades > decades) [decades, measure] = [state.spreadDecades, 'spread'];
    }
    if (decades - this.threshold >= STAY_OPEN)
      this.hold(state, reading, decades - this.threshold, measure, before, time);
    return this.verdict(state, decades - this.threshold, time);
  }

  /** Opens an alarm, or keeps an open one open. */
  private hold(s: AutoState, reading: Reading, decades: number, measure: Measure, before: number, time: number): void {
    const fresh = time >= s.until;
    if (fresh) {
      if (decades < 0) return;
      s.shown = false;
      s.required = requiredOf(s, time);
      remember(s, time);
    }
    s.until = time + Math.max(CALM_SECONDS, CALM_INTERVALS * s.interval);
    if (decades > s.episodePeaks[s.episode]) s.episodePeaks[s.episode] = decades;
    const worse = fresh || decades > s.peak || !s.shown;
    if (!worse || decades < s.required) return;
    s.shown = true;
    s.peak = Math.min(decades, HIGHEST_PEAK);
    s.peakAt = time;
    explain(s, reading, measure, s.value, before);
  }

  private verdict(state: AutoState, decades: number, time: number): Verdict {
    const score = 1 / (1 + Math.exp(-decades));
    if (time >= state.until || !state.shown) return { score, alarm: false, severity: 'info', text: '' };
    return {
      score: Math.max(score, 0.5),
      alarm: true,
      severity: 'warning',
      expected: { low: state.low, high: state.high },
      text: state.text,
    };
  }
}

/** Takes the reading's time; false when the reading is not to be judged (late, repeated, or the first). */
function follow(state: AutoState, value: number, time: number): boolean {
  const passed = time - state.last;
  if (state.short.count === 0) {
    state.first = state.last = state.shortAt = state.longAt = time;
    state.value = state.median = value;
    insert(state.short, value);
    return false;
  }
  if (passed <= 0) {
    if (++state.late < CLOCK_SET_BACK) return false;
    // The series goes on under the new time; what it knows of its values stays.
    const back = time - state.last;
    for (const key of ['first', 'shortAt', 'longAt'] as const) state[key] += back;
    for (const rarity of [state.spike, state.jump, state.level, state.spread]) rarity.blockStart += back;
    state.until = 0;
    state.last = time;
    state.value = value;
    state.late = 0;
    return false;
  }
  state.late = 0;
  state.last = time;
  if (state.interval > 0 && passed > Math.max(SHORT_SPAN, GAP_INTERVALS * state.interval)) {
    state.settling = SHORT_SIZE / 2;
    state.value = value;
  }
  // Like a median: a step up or down by a part, so that pauses do not pull it.
  if (state.interval === 0) state.interval = passed;
  else state.interval *= passed > state.interval ? 1.05 : 1 / 1.05;
  return true;
}

/** Adds the value to what is known of the series. */
function advance(state: AutoState, value: number, step: number, time: number): void {
  if (step > 0 && (state.quantum === 0 || step < state.quantum)) state.quantum = step;
  // Mean change, single steps counted up to five times the usual; as long a memory as the short window, and no longer than the past.
  const counted = state.change === 0 ? step : Math.min(step, 5 * state.change);
  state.change += (counted - state.change) / (state.short.count + 1);
  state.value = value;
  // A young window takes every reading, so that it is full before its span has passed.
  const every = Math.min(SHORT_SPAN / SHORT_SIZE, (time - state.first) / 20);
  if (time - state.shortAt < every) return;
  state.shortAt = time;
  insert(state.short, value);
  if (state.settling > 0) state.settling--;
  state.median = quantileOf(state.short, 0.5);
  state.scale = (quantileOf(state.short, 0.75) - quantileOf(state.short, 0.25)) / IQR_GAUSS;
}

/** Decades that a new episode must reach to be shown. */
function requiredOf(s: AutoState, time: number): number {
  const remembered = Math.max(0, s.peak - FADE * (time - s.peakAt));
  const peaks: number[] = [];
  for (const [i, start] of s.episodes.entries())
    if (start > 0 && time - start < HABIT_SECONDS) peaks.push(s.episodePeaks[i]);
  if (peaks.length < HABIT_TIMES) return remembered;
  peaks.sort((a, b) => b - a);
  // The second highest: one enormous event among them makes no habit of enormous events.
  return Math.max(remembered, peaks[1] + HABIT_MARGIN);
}

/** Notes the start of an episode in the place of the oldest one. */
function remember(s: AutoState, time: number): void {
  s.episode = (s.episode + 1) % s.episodes.length;
  s.episodes[s.episode] = time;
  s.episodePeaks[s.episode] = 0;
}
