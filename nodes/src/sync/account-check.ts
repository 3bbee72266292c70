import { z } from 'zod';
import { MAX_DIFFERING } from './messages.ts';

/** Namespace of what the cloud said to claims; the key names stream and first series of one. */
export const ACCOUNT_CHECKS = 'account-check';

const whole = z.number().int().min(0);

/** The cloud's answer to the newest claim about some series of a stream. */
export const checkSchema = z.object({
  stream: z.string(),
  from: whole,
  /** Epoch milliseconds, by the cloud's clock. */
  time: z.number(),
  differing: whole,
  /** Some of those that differ: number of the series, and readings that the cloud holds. */
  series: z.array(z.tuple([whole, whole])).max(MAX_DIFFERING),
});
export type AccountCheck = z.infer<typeof checkSchema>;

export const checkKey = (stream: string, from: number): string => `${stream}@${from}`;
