/**
 * How rare a surprise is, judged by the series' own past. Time is cut into blocks; of each block the largest surprise is
 * kept in a histogram; beyond its 90 % quantile the tail is taken as exponential (peaks over threshold; Pickands 1975,
 * with Hill's estimator, since surprises are logarithms of ratios). The answer is a waiting time, so it means the same
 * at one reading a second as at one in five minutes.
 */
export interface Rarity {
  /** Number of past blocks by their largest surprise, in bins of `BIN`; weights shrink as blocks age. */
  bins: Float32Array;
  total: number;
  /** Start of the block under way, seconds; its largest surprise so far. */
  blockStart: number;
  blockMax: number;
  /** The tail: beyond `quantile`, which the part `part` of the blocks exceed, by `excess` on average. */
  quantile: number;
  part: number;
  excess: number;
}

/** Width of a bin: 10 % of a ratio, finer than the tail needs. */
const BIN = 0.1;
/** Up to a ratio of e^9.6 = 15,000; what lies beyond goes into the last bin. */
export const BINS = 96;
/** The tail begins where 10 % of the blocks lie beyond: enough of them to measure, few enough to be a tail. */
const TAIL = 0.1;
/** Before the series has a past it is taken to be wild: blocks that this many are worth, so that ten days of hours outweigh them. */
const PRIOR_BLOCKS = 20;
/** ... whose 90 % quantile is a surprise of ln(1 + 3.5): the largest of 60 well-behaved readings. */
const PRIOR_QUANTILE = Math.log(4.5);
/** ... and whose mean excess is between that of Gaussian noise (0.06..0.14) and of Student's t with 3 degrees (0.33). */
const PRIOR_EXCESS = 0.18;
/** A tail is never thinner than this: a signal that has been perfectly regular so far may still wobble. */
const LEAST_EXCESS = 0.08;
/** A tail never begins under this ratio (three times the scale), whatever was seen. */
const LEAST_QUANTILE = Math.log(3);
/**
 * A surprise is learnt as at most the quantile plus this many excesses: of an exponential tail only 0.25 % lie beyond, so
 * what does is an event, and one event must not blind the measure. A tail that has grown is still followed.
 */
const LEARN_EXCESSES = 6;
/** One false alarm in this time, seconds (30 days), over all measures of a series together. */
export const FALSE_ALARM_SECONDS = 30 * 86_400;
/** The past fades over this time, seconds (30 days): a season's change is learnt, a week's holiday not forgotten. */
const MEMORY_SECONDS = 30 * 86_400;

export function emptyRarity(): Rarity {
  const rarity: Rarity = {
    bins: new Float32Array(BINS),
    total: 0,
    blockStart: 0,
    blockMax: -1,
    quantile: 0,
    part: 0,
    excess: 0,
  };
  const first = Math.round(PRIOR_QUANTILE / BIN);
  let left = PRIOR_BLOCKS * TAIL;
  add(rarity, first - 1, PRIOR_BLOCKS - left);
  for (let bin = first; bin < BINS; bin++) {
    const share = left * (1 - Math.exp(-BIN / PRIOR_EXCESS));
    add(rarity, bin, share);
    left -= share;
  }
  fit(rarity);
  return rarity;
}

/**
 * Decades by which a surprise is rarer than one in `FALSE_ALARM_SECONDS`: 0 is as rare as that, 1 ten times rarer, and
 * negative what comes more often. `perSeconds` is the length of a block, `measures` how many share the false alarms.
 */
export function decadesOf(rarity: Rarity, surprise: number, perSeconds: number, measures: number): number {
  const { quantile, part, excess } = rarity;
  const atQuantile = Math.log10(perSeconds / (part * measures * FALSE_ALARM_SECONDS));
  if (surprise < quantile) return atQuantile - (1 - surprise / quantile);
  return atQuantile + ((surprise - quantile) / excess) * Math.LOG10E;
}

/** Learns a surprise at `time` (seconds); it counts once the block of `perSeconds` is over. */
export function learn(rarity: Rarity, surprise: number, time: number, perSeconds: number): void {
  if (time - rarity.blockStart >= perSeconds) {
    if (rarity.blockMax >= 0) {
      add(rarity, Math.floor(rarity.blockMax / BIN), 1);
      const most = Math.max(4 * PRIOR_BLOCKS, MEMORY_SECONDS / perSeconds);
      if (rarity.total > 1.1 * most) fade(rarity, most / rarity.total);
      fit(rarity);
    }
    rarity.blockStart = time;
    rarity.blockMax = -1;
  }
  const most = rarity.quantile + LEARN_EXCESSES * rarity.excess;
  const learnt = surprise < most ? surprise : most;
  if (learnt > rarity.blockMax) rarity.blockMax = learnt;
}

function add(rarity: Rarity, bin: number, weight: number): void {
  const at = Math.max(0, Math.min(BINS - 1, bin));
  rarity.bins[at] += weight;
  rarity.total += weight;
}

function fade(rarity: Rarity, factor: number): void {
  let total = 0;
  for (let bin = 0; bin < BINS; bin++) {
    rarity.bins[bin] *= factor;
    total += rarity.bins[bin];
  }
  rarity.total = total;
}

function fit(rarity: Rarity): void {
  const { bins } = rarity;
  const wanted = TAIL * rarity.total;
  const least = Math.ceil(LEAST_QUANTILE / BIN);
  let beyond = 0;
  let sum = 0;
  let bin = BINS;
  while (bin > least && beyond < wanted) {
    bin--;
    beyond += bins[bin];
    sum += bins[bin] * (bin + 0.5);
  }
  rarity.quantile = bin * BIN;
  // One block more than were seen: a tail that nobody has reached is not impossible (Laplace's rule of succession).
  rarity.part = Math.min(1, (beyond + 1) / (rarity.total + 1));
  rarity.excess = Math.max(LEAST_EXCESS, beyond > 0 ? (sum / beyond - bin) * BIN : 0);
}
