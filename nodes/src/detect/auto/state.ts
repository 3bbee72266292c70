import { emptyRarity, type Rarity } from './rarity.ts';
import { emptyWindow, type SortedWindow } from './sorted-window.ts';

/** Values in the short window: a quarter of them is ten, enough for a steady interquartile range. */
export const SHORT_SIZE = 40;
/** Medians in the long window: a day of quarter hours. */
export const LONG_SIZE = 96;

/** Episodes that are remembered: enough to see a habit. */
export const EPISODES = 8;

/** What `auto` remembers of a series; about 5 KB. Times are epoch seconds. */
export interface AutoState {
  first: number;
  last: number;
  value: number;
  /** Readings in a row that were not newer than the last one. */
  late: number;
  /** Usual interval, seconds. */
  interval: number;
  /** Smallest change ever seen: the step in which the sensor counts; 0 before the first change. */
  quantum: number;
  /** Usual size of a change from one reading to the next. */
  change: number;
  short: SortedWindow;
  shortAt: number;
  long: SortedWindow;
  longAt: number;
  /** Median and scale of the short window, and those of the long one. */
  median: number;
  scale: number;
  longMedian: number;
  longScale: number;
  /** Mean logarithm of `scale` over the last days, and how many hours it rests on. */
  usualScale: number;
  /** Values that still have to come into the short window after a gap before it is trusted again. */
  settling: number;
  spike: Rarity;
  jump: Rarity;
  level: Rarity;
  spread: Rarity;
  /** Decades of the slow measures at the last look, and whether they have spoken and wait for calm. */
  levelDecades: number;
  spreadDecades: number;
  levelSpoken: boolean;
  spreadSpoken: boolean;
  /** An episode lasts until this time; it is an alarm when it is shown, and that when it reaches `required` decades. */
  until: number;
  shown: boolean;
  required: number;
  /** Starts of the newest episodes, shown or not, and the decades they reached; `episode` is the newest one. */
  episodes: Float64Array;
  episodePeaks: Float64Array;
  episode: number;
  /** Decades that the alarm reached, and until it has faded what a new one has to exceed. */
  peak: number;
  peakAt: number;
  low: number;
  high: number;
  text: string;
}

export function emptyState(): AutoState {
  return {
    first: 0,
    last: 0,
    value: 0,
    late: 0,
    interval: 0,
    quantum: 0,
    change: 0,
    short: emptyWindow(SHORT_SIZE),
    shortAt: 0,
    long: emptyWindow(LONG_SIZE),
    longAt: 0,
    median: 0,
    scale: 0,
    longMedian: 0,
    longScale: 0,
    usualScale: 0,
    settling: 0,
    spike: emptyRarity(),
    jump: emptyRarity(),
    level: emptyRarity(),
    spread: emptyRarity(),
    levelDecades: -9,
    spreadDecades: -9,
    levelSpoken: false,
    spreadSpoken: false,
    until: 0,
    shown: false,
    required: 0,
    episodes: new Float64Array(EPISODES),
    episodePeaks: new Float64Array(EPISODES),
    episode: 0,
    peak: 0,
    peakAt: 0,
    low: 0,
    high: 0,
    text: '',
  };
}
