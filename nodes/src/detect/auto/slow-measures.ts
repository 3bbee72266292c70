import { decadesOf, learn } from './rarity.ts';
import { IQR_GAUSS, MEASURES, scaleFloor, SHORT_SPAN } from './scale.ts';
import { SHORT_SIZE, type AutoState } from './state.ts';
import { insert, medianOfNewest, quantileOf } from './sorted-window.ts';

/** The long window takes a median every quarter hour. */
const LONG_STEP = 900;
/** Newest values whose median is the level: outlasts four outliers. */
const LEVEL_VALUES = 9;
/** Level and spread forget themselves over about this time, seconds; so long are their blocks. */
const LEVEL_BLOCK = 3 * 3600;
const SPREAD_BLOCK = 3600;
/** They speak after two days: a series with a daily course has shown it twice. */
const SLOW_WARM_UP = 2 * 86_400;
/** Medians that the long window must hold before levels are learnt: six hours. */
const LONG_ENOUGH = 24;
/** Values that have to lie in the short window before its spread is looked at. */
const SHORT_ENOUGH = 30;
/** The usual spread is a mean over this time, seconds: a day's course weighs evenly in it. */
const SPREAD_MEMORY = 86_400;
/** The level is never measured finer than half the scatter of single readings. */
const LEVEL_FLOOR = 0.5;
/** A slow measure that has spoken speaks again after it was this many decades below the threshold. */
const REARM = -1;

/** A level or spread that changes within this time after an alarm, seconds, is what that alarm was about. */
const AFTERMATH = 6 * 3600;

/**
 * Looks at level and spread whenever the short window has changed. True when one of them has just become surprising; a
 * level that stays where it went is one event, so each speaks once until it has been calm again.
 */
export function learnSlow(s: AutoState, time: number, threshold: number): boolean {
  if (s.shortAt !== time || s.settling > 0 || s.short.count < SHORT_ENOUGH) return false;
  const judged = time - s.first >= SLOW_WARM_UP;
  s.levelDecades = level(s, time, judged);
  s.spreadDecades = spread(s, time, judged);
  const aftermath = time - s.peakAt < AFTERMATH;
  let spoke = false;
  if (s.levelDecades < threshold + REARM) s.levelSpoken = false;
  else if (s.levelDecades >= threshold && !s.levelSpoken) {
    s.levelSpoken = true;
    spoke = !aftermath;
  } else s.levelDecades = Math.min(s.levelDecades, threshold + REARM);
  if (s.spreadDecades < threshold + REARM) s.spreadSpoken = false;
  else if (s.spreadDecades >= threshold && !s.spreadSpoken) {
    s.spreadSpoken = true;
    spoke = !aftermath;
  } else s.spreadDecades = Math.min(s.spreadDecades, threshold + REARM);
  return spoke;
}

function level(s: AutoState, time: number, judged: boolean): number {
  const now = medianOfNewest(s.short, LEVEL_VALUES);
  let decades = -9;
  if (s.long.count >= LONG_ENOUGH) {
    const scale = Math.max(s.longScale, LEVEL_FLOOR * scaleFloor(s, s.scale));
    const surprise = Math.log(1 + Math.abs(now - s.longMedian) / scale);
    if (judged) decades = decadesOf(s.level, surprise, LEVEL_BLOCK, MEASURES);
    learn(s.level, surprise, time, LEVEL_BLOCK);
  }
  if (time - s.longAt >= LONG_STEP) {
    s.longAt = time;
    insert(s.long, now);
    s.longMedian = quantileOf(s.long, 0.5);
    s.longScale = (quantileOf(s.long, 0.75) - quantileOf(s.long, 0.25)) / IQR_GAUSS;
  }
  return decades;
}

function spread(s: AutoState, time: number, judged: boolean): number {
  const floored = scaleFloor(s, s.scale);
  if (!Number.isFinite(floored)) return -9;
  const logarithm = Math.log(floored);
  if (s.usualScale === 0) s.usualScale = logarithm;
  const surprise = Math.abs(logarithm - s.usualScale);
  const block = Math.max(SPREAD_BLOCK, SHORT_SIZE * s.interval);
  const decades = judged ? decadesOf(s.spread, surprise, block, MEASURES) : -9;
  learn(s.spread, surprise, time, block);
  const every = Math.max(SHORT_SPAN / SHORT_SIZE, s.interval);
  const memory = Math.min(SPREAD_MEMORY, Math.max(time - s.first, 10 * every));
  s.usualScale += (logarithm - s.usualScale) * Math.min(1, every / memory);
  return decades;
}
