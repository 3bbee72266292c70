import type { Address } from '@tidegate/nodes/sync';

export interface Arrival {
  address: Address;
  bytes: Uint8Array;
}

/** Gateways whose frames did not fit that are remembered. */
const MAX_TURNED_AWAY = 64;
/** What an arrival costs in memory beside its payload, roughly. Bytes. */
const OVERHEAD = 256;

/**
 * Frames between the broker and the database. Alerts go first, then what governs a session, then bulk in order of
 * arrival, live before fill. Each of the two halves has its own bound in bytes, so that bulk can never crowd out an
 * alert; what does not fit is dropped, and the gateway, which keeps it until it is acknowledged, sends it again.
 */
export class Intake {
  /** Frames that did not fit, since the start. */
  dropped = 0;
  private turnedAway = new Map<string, Pick<Address, 'tenant' | 'gateway'>>();
  private readonly alerts = new Queue();
  private readonly control = new Queue();
  private readonly live = new Queue();
  private readonly fill = new Queue();
  private readonly urgentLimit: number;
  private readonly bulkLimit: number;

  constructor(limits: { urgentBytes?: number; bulkBytes?: number } = {}) {
    this.urgentLimit = limits.urgentBytes ?? 8 << 20;
    this.bulkLimit = limits.bulkBytes ?? 32 << 20;
  }

  /** False when the frame was dropped. */
  offer(arrival: Arrival): boolean {
    const { type, tenant, gateway } = arrival.address;
    const urgent = type !== 'live' && type !== 'fill';
    const used = urgent ? this.alerts.bytes + this.control.bytes : this.live.bytes + this.fill.bytes;
    if (used + arrival.bytes.length + OVERHEAD > (urgent ? this.urgentLimit : this.bulkLimit)) {
      this.dropped++;
      if (this.turnedAway.size < MAX_TURNED_AWAY) this.turnedAway.set(`${tenant}/${gateway}`, { tenant, gateway });
      return false;
    }
    const queue = type === 'alert' ? this.alerts : urgent ? this.control : type === 'live' ? this.live : this.fill;
    queue.put(arrival);
    return true;
  }

  get isTurningAway(): boolean {
    return this.turnedAway.size > 0;
  }

  /** Whose frames did not fit since the last call, as their topics say, as far as they are remembered. */
  takeTurnedAway(): Iterable<Pick<Address, 'tenant' | 'gateway'>> {
    const turnedAway = this.turnedAway;
    this.turnedAway = new Map();
    return turnedAway.values();
  }

  /** Alerts as long as there are any, else what governs a session; at most `limit`. */
  takeUrgent(limit: number): Arrival[] {
    const queue = this.alerts.length > 0 ? this.alerts : this.control;
    const taken: Arrival[] = [];
    for (let next = queue.take(); next !== undefined; next = queue.take()) {
      taken.push(next);
      if (taken.length >= limit) break;
    }
    return taken;
  }

  takeBulk(): Arrival | undefined {
    return this.live.take() ?? this.fill.take();
  }

  get waiting(): number {
    return this.alerts.length + this.control.length + this.live.length + this.fill.length;
  }
}

/** First in, first out, in constant time. */
class Queue {
  bytes = 0;
  private items: Arrival[] = [];
  private head = 0;

  get length(): number {
    return this.items.length - this.head;
  }

  put(arrival: Arrival): void {
    this.items.push(arrival);
    this.bytes += arrival.bytes.length + OVERHEAD;
  }

  take(): Arrival | undefined {
    if (this.length === 0) return undefined;
    const next = this.items[this.head++];
    this.bytes -= next.bytes.length + OVERHEAD;
    if (this.head > 1024 && this.head * 2 > this.items.length) {
      this.items = this.items.slice(this.head);
      this.head = 0;
    } else if (this.length === 0) {
      this.items = [];
      this.head = 0;
    }
    return next;
  }
}
