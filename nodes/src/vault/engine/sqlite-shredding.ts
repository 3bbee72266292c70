import { doomedRows } from '../catalogue/sqlite-shred.ts';
import type { EngineKeys } from '../keys/file-engine-keys.ts';
import { isMonthBefore } from '../keys/key-numbers.ts';
import type { ShredReport } from '../keys/vault-keys.ts';
import { shredLosses } from './shred-losses.ts';
import type { Parts } from './sqlite-parts.ts';

/** Completes a shred with the fold that takes all that there was when it began, also after a crash in between. */
export class Shredding {
  /** Of the shred that was completed last. */
  report: ShredReport | undefined;
  private readonly keys: EngineKeys;
  private fold = 0;

  constructor(keys: EngineKeys) {
    this.keys = keys;
  }

  completeWith(fold: number): void {
    this.fold = fold;
  }

  folded(fold: number): void {
    // A fold that was under way when the shred began did not take what came since it began itself.
    if (fold < this.fold) return;
    this.report = this.keys.completeShred() ?? this.report;
  }
}

/** The part of a shred that lies outside the keys: `before` counts months since January 1970. */
export function shredBefore(parts: Parts, before: number): void {
  const { catalogue, readings, ledger, log } = parts;
  const doomed = readings.entries().flatMap(({ months }) => months.filter((id) => isMonthBefore(id, before)));
  const keys = new Set(doomed);
  const { segments } = catalogue;
  const { effects, losses } = shredLosses({
    before,
    now: parts.now().wall,
    keys,
    entries: readings.entries(),
    under: (entry) => readings.readingsUnder(entry, keys),
    lostOf: (number) => segments.lostOf(number),
    isLost: (place) => segments.isLost(place),
    ...doomedRows(catalogue, before),
  });
  // What a consumer has still to see stays in the journal for a while: it must not come back from there.
  ledger.commit([...effects, { kind: 'shredded', before, recordTo: parts.folded }], losses);
  const { removed, changed } = readings.dropMonths(keys);
  for (const number of removed) segments.gone(number);
  for (const entry of changed) segments.put(entry);
  catalogue.begin();
  catalogue.dropMeta('keys');
  catalogue.flush(log.last);
  catalogue.rewrite();
}
