/** Frames that were refused, by gateway, with the newest reason: shown to people, so that a fault has a name. */
export interface Refusal {
  count: number;
  reason: string;
}

/** Gateways that are told apart; frames of more go to the count of strangers. */
const MAX_GATEWAYS = 10_000;
const MAX_REASON = 300;

export class Refusals {
  /** Frames from nobody that this cloud knows. */
  readonly strangers: Refusal = { count: 0, reason: '' };
  private readonly known = new Map<string, Refusal>();
  private readonly fresh = new Set<string>();

  /** `gateway` is the label of an enrolled gateway, or undefined for a stranger. */
  count(gateway: string | undefined, reason: string): void {
    const refusal = gateway === undefined ? this.strangers : this.of(gateway);
    refusal.count++;
    refusal.reason = reason.slice(0, MAX_REASON);
    if (gateway !== undefined && refusal !== this.strangers) this.fresh.add(gateway);
  }

  /** Those that changed since the last call. */
  takeChanged(): Record<string, Refusal> {
    const changed = Object.fromEntries([...this.fresh].map((gateway) => [gateway, { ...this.of(gateway) }]));
    this.fresh.clear();
    return changed;
  }

  private of(gateway: string): Refusal {
    let refusal = this.known.get(gateway);
    if (refusal === undefined) {
      if (this.known.size >= MAX_GATEWAYS) return this.strangers;
      refusal = { count: 0, reason: '' };
      this.known.set(gateway, refusal);
    }
    return refusal;
  }
}
