import { reasonOf } from '@tidegate/nodes/node';
import { FrameError, type FrameErrorCode } from '@tidegate/nodes/sync';

/** Why something was refused: of frames the code of the FrameError, else what became of it. */
export type RefusalKind = FrameErrorCode | 'bad-record' | 'poison' | 'conflict' | 'retry';

/** What was refused, by gateway, with the newest reason: shown to people, so that a fault has a name. */
export interface Refusal {
  count: number;
  reason: string;
  kinds: Partial<Record<RefusalKind, number>>;
}

/** Gateways that are told apart; frames of more go to the count of strangers. */
const MAX_GATEWAYS = 10_000;
const MAX_REASON = 300;

export class Refusals {
  /** Frames from nobody that this cloud knows. */
  readonly strangers: Refusal = { count: 0, reason: '', kinds: {} };
  private readonly known = new Map<string, Refusal>();
  private readonly fresh = new Set<string>();

  /** `gateway` is the label of an enrolled gateway, or undefined for a stranger. */
  count(gateway: string | undefined, kind: RefusalKind, reason: string): void {
    const refusal = gateway === undefined ? this.strangers : this.of(gateway);
    refusal.count++;
    refusal.kinds[kind] = (refusal.kinds[kind] ?? 0) + 1;
    refusal.reason = reason.slice(0, MAX_REASON);
    if (gateway !== undefined && refusal !== this.strangers) this.fresh.add(gateway);
  }

  /** The same of what was thrown about a frame. */
  failed(gateway: string | undefined, error: unknown): void {
    this.count(gateway, error instanceof FrameError ? error.code : 'bad-record', reasonOf(error));
  }

  /** Those that changed since the last call. */
  takeChanged(): Record<string, Refusal> {
    const changed = Object.fromEntries([...this.fresh].map((gateway) => [gateway, structuredClone(this.of(gateway))]));
    this.fresh.clear();
    return changed;
  }

  private of(gateway: string): Refusal {
    let refusal = this.known.get(gateway);
    if (refusal === undefined) {
      if (this.known.size >= MAX_GATEWAYS) return this.strangers;
      refusal = { count: 0, reason: '', kinds: {} };
      this.known.set(gateway, refusal);
    }
    return refusal;
  }
}
