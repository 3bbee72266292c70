import { z } from 'zod';
import { reasonOf, TideError } from '../node/errors.ts';
import { MAX_RULES, rulePattern } from '../reading/rule-pattern.ts';
import { decimalOf } from './decimal.ts';
import { parseResolutions } from './stream.ts';

/** E.g. `15m, 1h`; absent or empty: the lengths set for the node. */
const resolutions = z
  .string()
  .max(256)
  .optional()
  .transform((text, context) => {
    if (text === undefined || text.trim() === '') return undefined;
    const parsed = parseResolutions(text);
    if (typeof parsed !== 'string') return parsed;
    context.addIssue({ code: 'custom', message: parsed });
    return z.NEVER;
  });

/** Width of the buckets for quantiles, in the unit of the series; absent: buckets with a relative error of 1 %. */
const width = z
  .number()
  .positive()
  .optional()
  .superRefine((value, context) => {
    if (value === undefined) return;
    try {
      decimalOf(value);
    } catch (error) {
      context.addIssue({ code: 'custom', message: reasonOf(error) });
    }
  });

const rule = z.strictObject({ series: rulePattern, resolutions, width });

/** How the series that match a pattern are summarised. The first rule that matches counts. */
export type SummaryRule = z.infer<typeof rule>;

/** Reads the rules of a flow file; an error names the rule and all that is wrong with all of them. */
export function parseRules(candidate: unknown): SummaryRule[] {
  const result = z.array(rule).max(MAX_RULES).safeParse(candidate);
  if (result.success) return result.data;
  const problems = result.error.issues.map(({ path, message }) => {
    const [index, ...field] = path;
    const where = typeof index === 'number' ? `rule ${index + 1}` : 'rules';
    return field.length === 0 ? `${where}: ${message}` : `${where}: ${field.join('.')}: ${message}`;
  });
  throw new TideError('bad-rules', problems.join('; '));
}
