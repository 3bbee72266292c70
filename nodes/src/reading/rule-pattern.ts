import { z } from 'zod';
import { patternProblem } from './series-pattern.ts';

/** Most rules by series pattern that a node takes: each series is matched against all of them once. */
export const MAX_RULES = 500;

/** The series pattern of a rule, at most 1,024 characters. */
export const rulePattern = z
  .string()
  .max(1024)
  .superRefine((pattern, context) => {
    const problem = patternProblem(pattern);
    if (problem !== undefined) context.addIssue({ code: 'custom', message: `series pattern ${problem}` });
  });
