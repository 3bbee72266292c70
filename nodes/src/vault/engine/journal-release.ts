import type { Clock } from '../../node/clock.ts';
import type { Parts } from './sqlite-parts.ts';

/** Of the journal that is kept for consumers that are behind, this share stays when it is more than there may be. */
const REPLAY_KEPT = 0.9;
/** From this share on consumers are asked to save. */
const ASKED_AT = 0.5;
/** Once they were asked, they have so long before they are left behind, milliseconds. */
const PATIENCE_MS = 15_000;
/** Unless the journal reaches this share: what comes in faster than it is saved. */
const NO_PATIENCE_AT = 1.1;
/** While the journal is kept for consumers it is looked at again that often, milliseconds. */
const LOOK_MS = 1_000;

export interface ReleaseOptions {
  clock: Clock;
  /** Journal that may be kept for consumers that are behind, bytes. */
  replayBytes: number;
  leaveBehind: (below: number) => void;
}

type ReleasedParts = Pick<Parts, 'log' | 'catalogue' | 'snapshotRecord' | 'folded' | 'pinned' | 'keys'>;

/** Lets go of the journal, and of the keys that only it needs, as far as folds and every consumer have come. */
export class JournalRelease {
  /** Consumers that have not saved up to this position keep the journal from being let go of; undefined when that does no harm. */
  savesWanted: number | undefined;
  private readonly parts: ReleasedParts;
  private readonly options: ReleaseOptions;
  /** Where consumers had saved up to, and since when they have not come further although they were asked. */
  private saved = 0;
  private stuckSince = 0;
  private lookedAt = -Infinity;

  constructor(parts: ReleasedParts, options: ReleaseOptions) {
    this.parts = parts;
    this.options = options;
  }

  /** Whether a key is kept that goes once nobody needs what lies under it, since a shred. */
  get holdsOldKey(): boolean {
    const { journalKeys, shredding } = this.parts.keys.list();
    return journalKeys > 1 && shredding === undefined;
  }

  run(): void {
    const { log, catalogue, keys, pinned } = this.parts;
    const { needed } = this;
    let wanted = log.find(catalogue.checkpoints.keptFrom(catalogue.head)) ?? log.last + 1;
    this.look(wanted, needed);
    if (wanted < needed && this.outOfPatience()) {
      const most = this.options.replayBytes;
      const kept = Math.ceil((REPLAY_KEPT * most * (log.last + 1 - log.oldest)) / log.bytes.held);
      wanted = Math.max(wanted, Math.min(needed, log.last + 1 - kept));
      this.options.leaveBehind(log.head(wanted)?.first ?? 0);
    }
    log.release(Math.min(needed, wanted, pinned));
    keys.dropJournalKeys(log.oldestKey);
  }

  /** Between folds: what consumers have saved since may be let go of now. */
  runIfWanted(): void {
    const now = this.options.clock.monotonic();
    if (this.savesWanted === undefined || now - this.lookedAt < LOOK_MS) return;
    this.lookedAt = now;
    this.run();
  }

  /** The first record that is not folded, or not in a snapshot or a catalogue that a power cut cannot take back. */
  private get needed(): number {
    const { snapshotRecord, catalogue, folded } = this.parts;
    return Math.min(snapshotRecord, catalogue.durable, folded) + 1;
  }

  private look(wanted: number, needed: number): void {
    const { log, catalogue } = this.parts;
    const asking = wanted < needed && (this.holdsOldKey || log.bytes.held > ASKED_AT * this.options.replayBytes);
    if (!asking) {
      this.savesWanted = undefined;
      return;
    }
    const saved = catalogue.checkpoints.replayFrom(catalogue.head);
    if (this.savesWanted === undefined || saved > this.saved) this.stuckSince = this.options.clock.monotonic();
    this.saved = saved;
    this.savesWanted = log.head(needed)?.first ?? catalogue.head;
  }

  private outOfPatience(): boolean {
    const { clock, replayBytes } = this.options;
    const { held } = this.parts.log.bytes;
    if (held <= replayBytes) return false;
    return held > NO_PATIENCE_AT * replayBytes || clock.monotonic() - this.stuckSince >= PATIENCE_MS;
  }
}
