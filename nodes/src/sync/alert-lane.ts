import type { QueuedAlert, Vault } from '../vault/vault.ts';
import type { Clock } from '../node/clock.ts';
import { encodeBody } from './body.ts';
import { FlowWindow } from './flow-window.ts';
import { alerts as alertsSchema } from './messages.ts';
import type { Outgoing } from './outgoing.ts';
import type { Settling } from './settling.ts';
import { alertGranted, type Complain } from './shredding.ts';
import type { LaneParts } from './lane-parts.ts';
import type { SendBody } from './transport.ts';

const ALERTS_PER_FRAME = 64;
const MAX_UNDER_WAY = 1_024;

/** Sends alerts the moment they are committed, and again until the cloud has them. */
export class AlertLane {
  private readonly clock: Clock;
  private readonly vault: Vault;
  private readonly outgoing: Outgoing;
  private readonly settling: Settling;
  private readonly send: SendBody;
  private readonly complain: Complain;
  private readonly window = new FlowWindow(Infinity);
  private readonly underWay = new Map<string, { sentAt: number; again: boolean }>();
  private readonly lost = new Set<string>();
  /** Without a grant now; they are not asked for again until the grants change. */
  private readonly withheld = new Set<string>();
  /** Whether the outbox may hold alerts that are not under way. */
  private more = true;

  constructor({ clock, vault, outgoing, settling, send, complain }: LaneParts) {
    this.clock = clock;
    this.vault = vault;
    this.outgoing = outgoing;
    this.settling = settling;
    this.send = send;
    this.complain = complain;
  }

  get unacknowledged(): number {
    return this.underWay.size;
  }

  /** An alert that has just been committed, sent without reading it back. */
  offer(alert: QueuedAlert): void {
    const key = keyOf(alert);
    if (this.underWay.has(key) || this.settling.hasAlert(key)) return;
    if (this.underWay.size >= MAX_UNDER_WAY) this.more = true;
    else this.ship([alert]);
  }

  /** Sends what waits in the outbox. True when alerts under way were lost. */
  async step(): Promise<boolean> {
    const now = this.clock.monotonic();
    const timeout = this.window.timeoutMs;
    let expired = false;
    for (const [key, { sentAt }] of this.underWay) {
      if (now - sentAt < timeout) continue;
      this.underWay.delete(key);
      this.lost.add(key);
      expired = true;
    }
    if (expired) {
      this.window.expired();
      this.more = true;
    }
    while (this.more && this.underWay.size < MAX_UNDER_WAY) {
      // Before the vault is asked: what is committed meanwhile takes it back.
      this.more = false;
      const skip = new Set([...this.underWay.keys(), ...this.settling.alertKeys(), ...this.withheld]);
      const read = await this.vault.outbox.alerts(ALERTS_PER_FRAME, skip);
      // An alert may have been offered, or acknowledged, while the vault was read.
      const fresh = read.filter((alert) => !this.underWay.has(keyOf(alert)) && !this.settling.hasAlert(keyOf(alert)));
      if (fresh.length > 0 && !this.ship(fresh)) return expired;
      if (read.length === ALERTS_PER_FRAME) this.more = true;
    }
    return expired;
  }

  acknowledged(alerts: readonly (readonly [id: string, revision: number])[]): void {
    const now = this.clock.monotonic();
    for (const [id, revision] of alerts) {
      const key = `${id}/${revision}`;
      const flight = this.underWay.get(key);
      if (flight !== undefined && !flight.again) this.window.acknowledged(now - flight.sentAt, 0, now);
      this.underWay.delete(key);
      this.lost.delete(key);
    }
    this.settling.alerts(alerts);
  }

  /** The outbox got something new that was not offered here. */
  wake(): void {
    this.more = true;
  }

  grantsChanged(): void {
    this.withheld.clear();
    this.more = true;
  }

  /** Everything unacknowledged is to be sent again. */
  reset(): void {
    for (const key of this.underWay.keys()) this.lost.add(key);
    this.underWay.clear();
    this.more = true;
  }

  /** When the next alert times out, monotonic. */
  nextWake(): number {
    let earliest = Infinity;
    for (const { sentAt } of this.underWay.values()) earliest = Math.min(earliest, sentAt);
    return earliest + this.window.timeoutMs;
  }

  private ship(alerts: readonly QueuedAlert[]): boolean {
    const granted = alerts.filter((alert) => {
      const allowed = alertGranted(this.outgoing.grants, alert, this.complain);
      if (!allowed) this.withheld.add(keyOf(alert));
      return allowed;
    });
    if (granted.length === 0) return true;
    const body = encodeBody(alertsSchema, {
      alerts: granted.map(({ id, revision, body }) => ({ id, revision, body })),
    });
    if (this.send('alert', 'alert', body) === undefined) {
      this.more = true;
      return false;
    }
    const sentAt = this.clock.monotonic();
    for (const alert of granted) this.underWay.set(keyOf(alert), { sentAt, again: this.lost.has(keyOf(alert)) });
    return true;
  }
}

function keyOf({ id, revision }: { id: string; revision: number }): string {
  return `${id}/${revision}`;
}
