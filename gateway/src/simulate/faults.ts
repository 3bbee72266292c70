/** One thing that can go wrong at the site. */
export interface FaultKind {
  name: string;
  /** What a person at the site would say when it begins. */
  text: string;
  /** Seconds from beginning to repair. */
  seconds: number;
}

export const FAULTS = [
  { name: 'bearing', text: 'the bearing of pump 2 begins to fail: vibration rises', seconds: 120 },
  { name: 'leak', text: 'tank north leaks: its level falls', seconds: 150 },
  { name: 'stuck', text: 'the thermometer of the control room is stuck at 85 °C', seconds: 90 },
  { name: 'overload', text: 'pump 3 draws too much power: something blocks its impeller', seconds: 100 },
  { name: 'surge', text: 'the outlet pressure surges', seconds: 80 },
] as const satisfies readonly FaultKind[];

export type FaultName = (typeof FAULTS)[number]['name'];

/** Seconds over which a fault sets in, and over which its effect fades after the repair. */
const RISE = 15;

/**
 * Which fault is at work when. The first sets in 60 to 90 s after the start, the next ones two to five minutes after
 * the last repair, each kind in its turn.
 */
export class FaultPlan {
  private readonly random: () => number;
  private begin: number;
  private index = 0;
  private announced = false;

  /** @param start Epoch milliseconds of the first step. */
  constructor(random: () => number, start: number) {
    this.random = random;
    this.begin = start + 1000 * (60 + 30 * random());
  }

  private get current(): (typeof FAULTS)[number] {
    return FAULTS[this.index % FAULTS.length];
  }

  /** Moves on to `now`; returns the fault that has just set in, if one has. */
  step(now: number): FaultKind | undefined {
    const end = this.begin + 1000 * (this.current.seconds + RISE);
    if (now >= end) {
      this.index++;
      this.begin = end + 1000 * (120 + 180 * this.random());
      this.announced = false;
    }
    if (this.announced || now < this.begin) return undefined;
    this.announced = true;
    return this.current;
  }

  /** How strongly a fault is felt at `now`, 0..1. */
  strength(name: FaultName, now: number): number {
    if (this.current.name !== name || now < this.begin) return 0;
    const seconds = (now - this.begin) / 1000;
    const rising = Math.min(1, seconds / RISE);
    const falling = Math.min(1, Math.max(0, (this.current.seconds + RISE - seconds) / RISE));
    return Math.min(rising, falling);
  }
}
