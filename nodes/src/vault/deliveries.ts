import { systemClock, type Clock } from '../node/clock.ts';
import { companions } from '../node/shared.ts';
import type { Vault } from './vault.ts';

/** So long a batch may be on its way through the flow after a door has handed it over, milliseconds. */
const ON_ITS_WAY_MS = 10_000;
/** Batches handed over within this time count as one, milliseconds. */
const GRAIN_MS = 250;

/**
 * What the doors of a vault have not brought to its consumers yet. Each source brings its readings in journal order, but
 * two sources do not wait for each other: a consumer that has seen position 900 of one may still have 800 of the other
 * before it. Its low-watermark must not pass what is still to come, or a crash would leave it out of every summary.
 */
export class Deliveries {
  private readonly clock: Clock;
  private readonly sources = new Map<string, () => number | undefined>();
  /** Sources that have handed something over. */
  private readonly active = new Set<string>();
  private handedOver: { position: number; at: number }[] = [];

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** `undelivered` says the first position that the source has not handed over, undefined when there is none. */
  watch(source: string, undelivered: () => number | undefined): void {
    this.sources.set(source, undelivered);
  }

  /** A source hands over a batch that begins with this position. */
  handOver(source: string, position: number): void {
    this.active.add(source);
    const at = this.clock.monotonic();
    const newest = this.handedOver.at(-1);
    if (newest !== undefined && at - newest.at < GRAIN_MS) newest.position = Math.min(newest.position, position);
    else {
      this.forget(at);
      this.handedOver.push({ position, at });
    }
  }

  /** No consumer may leave out readings from this position on; Infinity when all that is committed has been brought. */
  floor(): number {
    let floor = Number.POSITIVE_INFINITY;
    for (const undelivered of this.sources.values()) floor = Math.min(floor, undelivered() ?? floor);
    // What comes through one source alone stays in order all the way, as Node-RED's wires keep it.
    if (this.active.size > 1) {
      this.forget(this.clock.monotonic());
      for (const { position } of this.handedOver) floor = Math.min(floor, position);
    }
    return floor;
  }

  private forget(now: number): void {
    if (this.handedOver.length > 0 && now - this.handedOver[0].at > ON_ITS_WAY_MS + GRAIN_MS)
      this.handedOver = this.handedOver.filter(({ at }) => now - at <= ON_ITS_WAY_MS + GRAIN_MS);
  }
}

const made = companions<Vault, Deliveries>('deliveries');

/** The one of a vault. */
export function deliveriesOf(vault: Vault, clock: Clock = systemClock): Deliveries {
  let deliveries = made.get(vault);
  if (deliveries === undefined) {
    deliveries = new Deliveries(clock);
    made.set(vault, deliveries);
  }
  return deliveries;
}
