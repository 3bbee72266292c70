import { z } from 'zod';
import { TideError } from '../node/errors.ts';
import { MAX_RULES, rulePattern } from '../reading/rule-pattern.ts';
import { matchSeries } from '../reading/series-pattern.ts';
import { AutoDetector } from './auto/auto.ts';
import { packAuto, unpackAuto } from './auto/pack.ts';
import type { Detector } from './detector.ts';
import { FlatlineDetector } from './flatline.ts';
import { LimitsDetector } from './limits.ts';
import { RateDetector } from './rate.ts';
import { SilenceDetector } from './silence.ts';
import { type Sensitivity, alarmsPerMonth } from './sensitivity.ts';

const seconds = z
  .number()
  .positive()
  .max(366 * 86_400);

const limits = z
  .strictObject({
    series: rulePattern,
    kind: z.literal('limits'),
    low: z.number().optional(),
    high: z.number().optional(),
    criticalLow: z.number().optional(),
    criticalHigh: z.number().optional(),
    hysteresis: z.number().min(0).default(0),
    delaySeconds: z.number().min(0).max(86_400).default(0),
  })
  .superRefine((rule, context) => {
    const ends = [rule.criticalLow, rule.low, rule.high, rule.criticalHigh].filter((end) => end !== undefined);
    if (ends.length === 0)
      context.addIssue({ code: 'custom', message: 'needs at least one of low, high, criticalLow, criticalHigh' });
    if (ends.some((end, i) => i > 0 && end < ends[i - 1]))
      context.addIssue({ code: 'custom', message: 'needs criticalLow <= low <= high <= criticalHigh' });
  });
const rate = z.strictObject({
  series: rulePattern,
  kind: z.literal('rate'),
  change: z.number().positive(),
  perSeconds: seconds.default(60),
});
const flatline = z.strictObject({
  series: rulePattern,
  kind: z.literal('flatline'),
  seconds,
  tolerance: z.number().min(0).default(0),
});
const silence = z.strictObject({ series: rulePattern, kind: z.literal('silence'), seconds: seconds.optional() });

export const rule = z.discriminatedUnion('kind', [limits, rate, flatline, silence]);
/** A detector with fixed parameters for the series that match a pattern. */
export type Rule = z.infer<typeof rule>;

/** Reads the rules of a flow file; an error names the rule and all that is wrong with all of them. */
export function parseRules(candidate: unknown): Rule[] {
  const result = z.array(rule).max(MAX_RULES).safeParse(candidate);
  if (result.success) return result.data;
  const problems = result.error.issues.map(({ path, message }) => {
    const [index, ...field] = path;
    const where = typeof index === 'number' ? `rule ${index + 1}` : 'rules';
    return field.length === 0 ? `${where}: ${message}` : `${where}: ${field.join('.')}: ${message}`;
  });
  throw new TideError('bad-rules', problems.join('; '));
}

/** A detector as a plan applies it to a series. */
export interface PlannedDetector {
  /** Kind and parameters: a detector with other parameters is another one and starts with an empty memory. */
  readonly key: string;
  readonly detector: Detector<unknown>;
  /** Whether readings that are no numbers concern it. */
  readonly everyValue: boolean;
  /** State in the form in which it is saved, where that differs from the one in use. */
  pack(state: unknown): unknown;
  unpack(saved: unknown): unknown;
}

/** Which detectors apply to which series. */
export class DetectionPlan {
  private readonly auto: PlannedDetector | undefined;
  private readonly rules: readonly { series: string; planned: PlannedDetector }[];
  /** True when some detector notices silence, so that somebody has to tick. */
  readonly ticks: boolean;

  /** `sensitivity` undefined: only the rules, no `auto`. */
  constructor(sensitivity: Sensitivity | undefined, rules: readonly Rule[]) {
    this.auto =
      sensitivity === undefined
        ? undefined
        : {
            key: 'auto',
            detector: new AutoDetector({ alarmsPerMonth: alarmsPerMonth(sensitivity) }),
            everyValue: false,
            pack: packAuto,
            unpack: unpackAuto,
          };
    this.rules = rules.map((one) => ({ series: one.series, planned: plannedOf(one) }));
    this.ticks = rules.some(({ kind }) => kind === 'silence');
  }

  for(name: string): PlannedDetector[] {
    const found = new Map<string, PlannedDetector>();
    if (this.auto !== undefined) found.set(this.auto.key, this.auto);
    for (const { series, planned } of this.rules) if (matchSeries(series, name)) found.set(planned.key, planned);
    return [...found.values()];
  }
}

function plannedOf(one: Rule): PlannedDetector {
  const { series: _, kind, ...parameters } = one;
  const sorted = Object.entries(parameters).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return {
    key: `${kind}:${sorted.map(([name, value]) => `${name}=${value}`).join(',')}`,
    detector: detectorOf(one),
    everyValue: kind === 'flatline' || kind === 'silence',
    pack: (state) => state,
    unpack: (saved) => saved,
  };
}

function detectorOf(one: Rule): Detector<unknown> {
  if (one.kind === 'limits') return new LimitsDetector(one);
  if (one.kind === 'rate') return new RateDetector(one);
  if (one.kind === 'flatline') return new FlatlineDetector(one);
  return new SilenceDetector(one);
}
