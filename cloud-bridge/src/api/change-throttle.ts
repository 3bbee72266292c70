import type { ChangeEvent } from './contract.ts';

/** One of a kind and gateway in this time, ms. */
const INTERVAL_MS = 1000;
/** Kinds and gateways that are held apart; when there are more, one of a kind stands for all gateways. */
const MOST = 4096;

/** Lets the first change of a kind and gateway pass at once and gathers what follows within the second. */
export class ChangeThrottle {
  private readonly last = new Map<string, number>();
  private readonly held = new Map<string, ChangeEvent>();

  /** What may go out now. `now` is monotonic, ms. */
  offer(change: ChangeEvent, now: number): ChangeEvent[] {
    const wide = this.last.size >= MOST ? { kind: change.kind, gateway: null } : change;
    const name = `${wide.kind} ${wide.gateway ?? ''}`;
    const last = this.last.get(name);
    if (last !== undefined && now - last < INTERVAL_MS) {
      this.held.set(name, wide);
      return [];
    }
    this.last.set(name, now);
    this.held.delete(name);
    return [wide];
  }

  /** What was held back and may go out now; to be asked several times a second. */
  due(now: number): ChangeEvent[] {
    const due: ChangeEvent[] = [];
    for (const [name, last] of this.last) {
      if (now - last < INTERVAL_MS) continue;
      const change = this.held.get(name);
      if (change === undefined) this.last.delete(name);
      else {
        this.held.delete(name);
        this.last.set(name, now);
        due.push(change);
      }
    }
    return due;
  }
}
