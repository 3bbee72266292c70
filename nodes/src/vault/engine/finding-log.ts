import type { Finding } from '../disk.ts';
import type { LostReadings } from './lost-readings.ts';

/** Where damage is counted, once, across restarts. */
export interface DamageCount {
  note(kind: 'journal', place: readonly [Buffer], body: Uint8Array, setAside: () => void): void;
}

/** What was found damaged while the vault is open: told once, counted once, and what readings it costs. */
export class FindingLog {
  /** For a person, in the order in which they turned up. */
  readonly problems: string[];
  /** Readings that were found broken and are not declared yet. */
  readonly lost: LostReadings[] = [];
  private readonly damage: DamageCount;

  constructor(problems: string[], damage: DamageCount) {
    this.problems = problems;
    this.damage = damage;
  }

  note({ kind, place, text }: Finding, lost?: LostReadings): void {
    if (lost !== undefined) this.lost.push(lost);
    const words = `${place}: ${kind}; ${text}`;
    if (kind === 'torn' || this.problems.includes(words)) return;
    this.problems.push(words);
    this.damage.note('journal', [Buffer.from(`${kind} ${place}`)], new Uint8Array(0), () => undefined);
  }
}
