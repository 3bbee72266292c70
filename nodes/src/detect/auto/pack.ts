import { z } from 'zod';
import { BINS, type Rarity } from './rarity.ts';
import { type AutoState, EPISODES, emptyState, LONG_SIZE, SHORT_SIZE } from './state.ts';
import { valuesOf, windowOf } from './sorted-window.ts';

const amount = z.number();
const exactly = (length: number) => z.instanceof(Float64Array).refine((values) => values.length === length);
const atMost = (length: number) => z.instanceof(Float64Array).refine((values) => values.length <= length);

const rarity: z.ZodType<Rarity> = z.object({
  bins: z.instanceof(Float32Array).refine((bins) => bins.length === BINS),
  total: amount,
  blockStart: amount,
  blockMax: amount,
  quantile: amount,
  part: amount,
  excess: amount,
});

const packed = z.object({
  first: amount,
  last: amount,
  value: amount,
  late: amount,
  interval: amount,
  quantum: amount,
  change: amount,
  short: atMost(SHORT_SIZE),
  shortAt: amount,
  long: atMost(LONG_SIZE),
  longAt: amount,
  median: amount,
  scale: amount,
  longMedian: amount,
  longScale: amount,
  usualScale: amount,
  settling: amount,
  spike: rarity,
  jump: rarity,
  level: rarity,
  spread: rarity,
  levelDecades: amount,
  spreadDecades: amount,
  levelSpoken: z.boolean(),
  spreadSpoken: z.boolean(),
  until: amount,
  shown: z.boolean(),
  required: amount,
  episodes: exactly(EPISODES),
  episodePeaks: exactly(EPISODES),
  episode: z
    .number()
    .int()
    .min(0)
    .max(EPISODES - 1),
  peak: amount,
  peakAt: amount,
  low: amount,
  high: amount,
  text: z.string().max(500),
});
type Packed = Omit<AutoState, 'short' | 'long'> & { short: Float64Array; long: Float64Array };

/** The state as it is saved: windows as values oldest first (their order is made anew). */
export function packAuto(state: AutoState): Packed {
  return { ...state, short: valuesOf(state.short), long: valuesOf(state.long) };
}

/** The state that `packAuto` packed; an empty one where it does not have the form. */
export function unpackAuto(saved: unknown): AutoState {
  const result = packed.safeParse(saved);
  if (!result.success) return emptyState();
  const short = windowOf(result.data.short, SHORT_SIZE);
  const long = windowOf(result.data.long, LONG_SIZE);
  // Into a fresh object: objects of one shape keep the hot path fast.
  return Object.assign(emptyState(), result.data, { short, long });
}
