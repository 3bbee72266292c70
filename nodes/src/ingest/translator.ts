import type { Clock } from '../node/clock.ts';
import { BoundedCache } from '../reading/bounded-cache.ts';
import type { Metric } from '../reading/metric.ts';
import { quickNumber } from '../reading/number-format.ts';
import { readPayload } from '../reading/payload.ts';
import type { Reading, Rejection } from '../reading/reading.ts';
import { SeriesTemplate } from '../reading/series-template.ts';
import type { BirthBook } from '../reading/sparkplug-births.ts';
import { SPARKPLUG } from '../reading/sparkplug-format.ts';
import { timeProblem } from '../reading/time-field.ts';
import type { DoorMessage, DoorRule } from './message.ts';
import { seedOf, type Seed } from './receipt.ts';

const MAX_TOPICS = 20_000;
/** Of longer topics, which may have 64 kB, everything is worked out each time. */
export const LONGEST_KNOWN_TOPIC = 1_024;
const MAX_METRICS_OF_TOPIC = 4_096;
const HEAD_BYTES = 1_024;
const MAX_REJECTED_TOPIC = 1_024;

/** What a rule makes of one topic, worked out once. */
export interface TopicPlan {
  readonly topic: string;
  readonly seed: Seed;
  /** Series of a bare value, where a bare number may be taken without a look at anything else. */
  readonly quick: string | undefined;
  readonly series: Map<string, string | undefined>;
}

/** Where readings and rejections of a message are put. */
export interface Takings {
  readonly readings: Reading[];
  readonly rejections: Rejection[];
}

/** Turns messages into readings by one rule. */
export class Translator {
  readonly rule: DoorRule;
  private readonly template: SeriesTemplate;
  private readonly births: BirthBook;
  private readonly clock: Clock;
  private readonly maxPayloadBytes: number;
  private readonly plans = new BoundedCache<string, TopicPlan>(MAX_TOPICS, LONGEST_KNOWN_TOPIC);

  constructor(rule: DoorRule, births: BirthBook, clock: Clock, maxPayloadBytes: number) {
    this.rule = rule;
    this.template = new SeriesTemplate(rule.series);
    this.births = births;
    this.clock = clock;
    this.maxPayloadBytes = maxPayloadBytes;
  }

  plan(topic: string): TopicPlan {
    let plan = this.plans.get(topic);
    if (plan === undefined) {
      const { format } = this.rule;
      const binary = format === 'cbor' || format === 'sparkplug' || format === 'senml';
      const sparkplug = format === 'auto' && topic.startsWith(SPARKPLUG);
      const quick = binary || sparkplug ? undefined : this.template.resolve(topic, '');
      plan = { topic, seed: seedOf(topic), quick, series: new Map() };
      this.plans.set(topic, plan);
    }
    return plan;
  }

  translate(message: DoorMessage, plan: TopicPlan, into: Takings): void {
    if (plan.quick !== undefined) {
      const value = quickNumber(message.payload);
      if (!Number.isNaN(value)) {
        const reading: Reading = {
          series: plan.quick,
          time: message.received,
          value,
          quality: 'good',
          clock: 'gateway',
        };
        if (message.stale) reading.stale = true;
        into.readings.push(reading);
        return;
      }
    }
    this.read(message, plan, into);
  }

  private read(message: DoorMessage, plan: TopicPlan, into: Takings): void {
    const { topic, payload, received } = message;
    const context = { topic, received, births: this.births, maxBytes: this.maxPayloadBytes };
    const found = readPayload(payload, this.rule.format, context);
    const now = this.clock.now();
    for (const metric of found.metrics) {
      const series = this.seriesOf(plan, found.topic ?? topic, metric.path);
      if (series === undefined)
        found.problem(
          'no-series',
          `no series of 1 to 512 characters can be made from topic and value by "${this.rule.series}"`,
        );
      else {
        const problem = metric.time === undefined ? undefined : timeProblem(metric.time, now);
        if (problem !== undefined)
          found.problem('absurd-time', `${metric.path === '' ? 'the value' : metric.path}: ${problem}`);
        else into.readings.push(readingOf(metric, series, message));
      }
    }
    for (const { code, reason } of found.problems) {
      into.rejections.push({
        code,
        reason,
        topic: topic.slice(0, MAX_REJECTED_TOPIC),
        head: new Uint8Array(payload.subarray(0, HEAD_BYTES)),
        size: payload.length,
        time: received,
      });
    }
  }

  private seriesOf(plan: TopicPlan, topic: string, path: string): string | undefined {
    const known = plan.series.get(path);
    if (known !== undefined || plan.series.has(path)) return known;
    if (plan.series.size >= MAX_METRICS_OF_TOPIC) plan.series.clear();
    const series = this.template.resolve(topic, path);
    plan.series.set(path, series);
    return series;
  }
}

function readingOf(metric: Metric, series: string, message: DoorMessage): Reading {
  const reading: Reading = {
    series,
    time: metric.time ?? message.received,
    value: metric.value,
    quality: metric.quality ?? 'good',
    clock: metric.time === undefined ? 'gateway' : 'device',
  };
  if (metric.unit !== undefined) reading.unit = metric.unit;
  if (message.stale) reading.stale = true;
  return reading;
}
