import type { Clock } from '@tidegate/nodes/node';

/** A count turned into a rate over the last `windowMs`, from samples taken now and then. */
export class Rate {
  private readonly clock: Clock;
  private readonly windowMs: number;
  private samples: { at: number; count: number }[] = [];

  constructor(clock: Clock, windowMs = 10_000) {
    this.clock = clock;
    this.windowMs = windowMs;
  }

  sample(count: number): void {
    const at = this.clock.monotonic();
    this.samples.push({ at, count });
    while (this.samples.length > 2 && at - this.samples[1].at >= this.windowMs) this.samples.shift();
  }

  /** Counted a second, 0 before there are two samples. */
  perSecond(): number {
    const first = this.samples[0];
    const last = this.samples.at(-1);
    if (first === undefined || last === undefined || last.at === first.at) return 0;
    return ((last.count - first.count) * 1000) / (last.at - first.at);
  }
}
