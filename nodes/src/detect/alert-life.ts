import { createHash } from 'node:crypto';
import type { Alert, Severity } from './alert.ts';
import type { Verdict } from './detector.ts';
import type { Value } from '../reading/reading.ts';

/** An open alert never sends an update sooner than this after the last one, unless it becomes more severe. */
const UPDATE_MS = 60_000;
/** Nor for less than this much more of a score. */
const UPDATE_SCORE = 0.1;
const MAX_TEXT = 500;
const MAX_UNIT = 64;
const MAX_VALUE = 1024;

/** What is kept of an alert while it is open. Plain data. */
export interface OpenAlert {
  alert: Alert;
  /** Score at the last revision, and the time of the reading that made it. */
  score: number;
  revisedAt: number;
}

/** What an alert is about: the reading that a verdict is on. */
export interface Occasion {
  series: string;
  time: number;
  value: Value;
  unit?: string | undefined;
  /** Position of the reading in the journal; without one its time stands in. */
  position?: number | undefined;
}

/** The names that make an alert's id unique to its writer and its detector. */
export interface Origin {
  /** Of the vault. */
  incarnation: string;
  /** Of the detector, e.g. `limits`. */
  kind: string;
  /** Kind and parameters: two `limits` rules on one series raise two alerts. */
  key: string;
}

/** What became of an alert: what is open now, and the revision to send, if there is one. */
export interface Turn {
  open: OpenAlert | undefined;
  alert?: Alert;
}

/** The next turn in an alert's life. Opens when a verdict is an alarm, closes when it no longer is, and says when it got worse. */
export function nextTurn(open: OpenAlert | undefined, verdict: Verdict, occasion: Occasion, origin: Origin): Turn {
  if (open === undefined) {
    if (!verdict.alarm) return { open };
    const alert = opening(verdict, occasion, origin);
    return { open: { alert, score: verdict.score, revisedAt: occasion.time }, alert };
  }
  if (!verdict.alarm) return { open: undefined, alert: closing(open, occasion.time) };
  const severer = rank(verdict.severity) > rank(open.alert.severity);
  const worse = verdict.score >= open.score + UPDATE_SCORE && occasion.time - open.revisedAt >= UPDATE_MS;
  if (!severer && !worse) return { open };
  const alert: Alert = {
    ...open.alert,
    revision: open.alert.revision + 1,
    severity: severer ? verdict.severity : open.alert.severity,
    value: bounded(occasion.value),
    text: verdict.text.slice(0, MAX_TEXT),
  };
  if (verdict.expected !== undefined) alert.expected = finiteEnds(verdict.expected);
  return { open: { alert, score: Math.max(open.score, verdict.score), revisedAt: occasion.time }, alert };
}

/** The last revision: closed at `time` (epoch milliseconds), the reason is that of its worst moment. */
export function closing(open: OpenAlert, time: number): Alert {
  const { alert } = open;
  return { ...alert, revision: alert.revision + 1, state: 'closed', closed: Math.max(Math.round(time), alert.time) };
}

function opening(verdict: Verdict, occasion: Occasion, origin: Origin): Alert {
  const { series, time, value, unit } = occasion;
  const alert: Alert = {
    id: alertId(occasion, origin),
    revision: 1,
    series,
    time: Math.round(time),
    state: 'open',
    severity: verdict.severity,
    kind: origin.kind,
    value: bounded(value),
    text: verdict.text.slice(0, MAX_TEXT),
  };
  if (verdict.expected !== undefined) alert.expected = finiteEnds(verdict.expected);
  if (unit !== undefined) alert.unit = unit.slice(0, MAX_UNIT);
  return alert;
}

/** An end at which a detector's arithmetic ran over is an open one: an alert that cannot be encoded would be none. */
function finiteEnds({ low, high }: { low?: number; high?: number }): { low?: number; high?: number } {
  const ends: { low?: number; high?: number } = {};
  if (Number.isFinite(low)) ends.low = low;
  if (Number.isFinite(high)) ends.high = high;
  return ends;
}

/** First 16 bytes of SHA-256 over what makes the alert what it is, so that a replay makes the same id. */
function alertId({ series, position, time }: Occasion, { incarnation, key }: Origin): string {
  const identity = JSON.stringify([incarnation, series, key, position ?? `at ${time}`]);
  return createHash('sha256').update(identity).digest('hex').slice(0, 32);
}

function rank(severity: Severity): number {
  return { info: 0, warning: 1, critical: 2 }[severity];
}

function bounded(value: Value): Value {
  if (typeof value === 'number') return value + 0; // -0 is 0 once it is encoded
  return typeof value === 'string' ? value.slice(0, MAX_VALUE) : value;
}
