import type { Clock } from '../node/clock.ts';
import { Consumer } from '../vault/consumer.ts';
import type { Vault } from '../vault/vault.ts';
import type { DetectionPlan } from './rules.ts';
import type { SeriesDetection } from './series-detection.ts';
import { detectionCodec } from './state-codec.ts';

/** Namespace of the documents that say from which position on a node watches. */
const NAMESPACE = 'detect';
/** Series saved in one commit: twenty states take about 2 ms to encode. */
const SAVES_AT_ONCE = 20;
/** Commits under way at once where the vault asks for saves: it waits for company with each. */
const COMMITS_AT_ONCE = 10;
/** After a save failed, the next one waits so long. */
const RETRY_MS = 10_000;

/** What a tide-detect node has learnt, in its vault: one saved state for each series, saved one after the other. */
export class DetectionMemory {
  readonly consumer: Consumer<SeriesDetection>;
  /** Head of the journal when the node first met this vault: readings below it are only learnt from. */
  readonly raiseFrom: number;
  private readonly vault: Vault;
  private readonly clock: Clock;
  private saving: Promise<void> | undefined;
  private notBefore = 0;
  /** Position up to which the vault wants to have everything saved; 0 when it does not. */
  private wanted = 0;

  private constructor(vault: Vault, clock: Clock, consumer: Consumer<SeriesDetection>, raiseFrom: number) {
    this.vault = vault;
    this.clock = clock;
    this.consumer = consumer;
    this.raiseFrom = raiseFrom;
  }

  static async open(vault: Vault, id: string, plan: DetectionPlan, clock: Clock): Promise<DetectionMemory> {
    const known = await vault.documents.get(NAMESPACE, id);
    const raiseFrom = typeof known === 'number' ? known : vault.journal.head;
    // Before the consumer is registered: one that is registered without it would later take unseen readings for old ones.
    if (raiseFrom !== known)
      await vault.commit([{ kind: 'document', namespace: NAMESPACE, key: id, value: raiseFrom }]);
    const consumer = await Consumer.open(vault, id, detectionCodec(plan));
    return new DetectionMemory(vault, clock, consumer, raiseFrom);
  }

  /** The vault wants everything below a position saved: `saveDue` does that next. */
  want(below: number): void {
    this.wanted = Math.max(this.wanted, below);
  }

  /**
   * Saves some of the series that were last saved `everyMs` ago, or all that the vault wants saved, without those in
   * `except`. One save at a time.
   */
  saveDue(everyMs: number, except: (series: string) => boolean, failed: (error: unknown) => void): void {
    if (this.saving !== undefined || this.clock.monotonic() < this.notBefore) return;
    const { wanted } = this;
    if (wanted > 0) {
      // One try: as long as the vault has to, it asks again.
      this.wanted = 0;
      this.saving = this.trySave(() => this.saveBelow(wanted, except), failed);
      return;
    }
    const names = this.consumer.due(this.clock.now(), everyMs, SAVES_AT_ONCE).filter((name) => !except(name));
    if (names.length === 0) return;
    this.saving = this.trySave(() => this.save(names), failed);
  }

  /** Saves what is not saved yet, without the series in `except`. */
  async saveAll(except: (series: string) => boolean): Promise<void> {
    await this.saving;
    const all = this.consumer.due(this.clock.now(), Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY);
    const names = all.filter((name) => !except(name));
    for (let i = 0; i < names.length; i += SAVES_AT_ONCE) await this.save(names.slice(i, i + SAVES_AT_ONCE));
  }

  /** Takes all of it out of the vault, so that its journal need not be kept for a node that is gone. */
  async forget(): Promise<void> {
    await this.saving;
    const { id } = this.consumer;
    await this.vault.commit([
      { kind: 'forget-consumer', consumer: id },
      { kind: 'document', namespace: NAMESPACE, key: id, value: undefined },
    ]);
  }

  private async saveBelow(below: number, except: (series: string) => boolean): Promise<void> {
    const names = this.consumer.unsavedBelow(below);
    for (let i = 0; i < names.length;) {
      const saves: Promise<unknown>[] = [];
      for (; i < names.length && saves.length < COMMITS_AT_ONCE; i += SAVES_AT_ONCE) {
        // Asked anew each time: an alert may have been raised meanwhile.
        const some = names.slice(i, i + SAVES_AT_ONCE).filter((name) => !except(name));
        if (some.length === 0) continue;
        saves.push(
          this.save(some).then(
            () => undefined,
            (error: unknown) => error,
          ),
        );
        await new Promise(setImmediate);
      }
      const failure = (await Promise.all(saves)).find((error) => error !== undefined);
      if (failure !== undefined) throw failure;
    }
    // Each of these has waited for those beside it.
    if (this.consumer.lagsBelow(below)) await this.save([]);
  }

  private async trySave(save: () => Promise<void>, failed: (error: unknown) => void): Promise<void> {
    try {
      await save();
    } catch (error) {
      this.notBefore = this.clock.monotonic() + RETRY_MS;
      failed(error);
    }
    this.saving = undefined;
  }

  private async save(names: readonly string[]): Promise<void> {
    const save = this.consumer.save(names, this.clock.now());
    try {
      await this.vault.commit(save.changes);
    } catch (error) {
      save.failed();
      throw error;
    }
    save.committed();
  }
}
