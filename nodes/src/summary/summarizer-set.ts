import type { Clock } from '../node/clock.ts';
import { TideError } from '../node/errors.ts';
import { companions } from '../node/shared.ts';
import type { Reading } from '../reading/reading.ts';
import type { Outgoing } from '../sync/outgoing.ts';
import type { Change, Vault } from '../vault/vault.ts';
import { resolutionText } from './stream.ts';
import { Summarizer, type ClosedPart, type SummarizerEvents } from './summarizer.ts';
import type { Resolution } from './summary.ts';

/** Namespace of the documents that say who makes the parts of a resolution; the key is the resolution. */
const OWNERS = 'summaries';

interface Owner {
  /** Id of the node. */
  node: string;
  /** Set when that node was removed: from this position on nobody has counted the readings. */
  wakeAt?: number;
}

/** Resolutions that a running node makes, by vault: two nodes would split windows between them at random. */
const claims = companions<Vault, Map<Resolution, string>>('summaries');

export interface SetOptions {
  vault: Vault;
  outgoing: Pick<Outgoing, 'commitParts'>;
  /** Id of the node. */
  owner: string;
  resolutions: readonly Resolution[];
  /** Milliseconds. */
  grace: number;
  clock: Clock;
  /** Series that stay unsaved for this long are saved, milliseconds. */
  saveInterval: number;
}

export interface SetEvents {
  closed(resolution: Resolution, parts: readonly ClosedPart[], withheld: number): void;
  refused: SummarizerEvents['refused'];
}

/** Series saved in one commit, so that saving is spread out. */
const SAVES_PER_TICK = 200;

/** The summarizers of one tide-summarize node: the rungs of the ladder, each fed with the same readings. */
export class SummarizerSet {
  private readonly options: SetOptions;
  private readonly summarizers: readonly Summarizer[];
  /** Set by a failed commit: windows are not pressed out again before the next tick. */
  private failed = false;
  /** Position up to which the vault wants to have everything saved; 0 when it does not. */
  private wanted = 0;

  private constructor(options: SetOptions, summarizers: readonly Summarizer[]) {
    this.options = options;
    this.summarizers = summarizers;
  }

  static async open(options: SetOptions, events: SetEvents): Promise<SummarizerSet> {
    claim(options);
    try {
      const owners = await readOwners(options.vault);
      const open = (resolution: Resolution): Promise<Summarizer> =>
        Summarizer.open(
          { ...options, resolution, wakeAt: owners.get(resolution)?.wakeAt },
          {
            closed: (parts, withheld) => events.closed(resolution, parts, withheld),
            refused: (reading, error) => events.refused(reading, error),
          },
        );
      // What this node made before its window lengths were changed.
      for (const [resolution, { node, wakeAt }] of owners) {
        const taken = claims.get(options.vault)?.has(resolution) ?? false;
        if (node === options.owner && wakeAt === undefined && !taken) await retire(await open(resolution), node);
      }
      const summarizers: Summarizer[] = [];
      for (const resolution of options.resolutions) {
        summarizers.push(await open(resolution));
        await options.vault.commit([ownerChange(resolution, { node: options.owner })]);
      }
      return new SummarizerSet(options, summarizers);
    } catch (error) {
      release(options);
      throw error;
    }
  }

  get openWindows(): number {
    return this.summarizers.reduce((sum, { openWindows }) => sum + openWindows, 0);
  }

  /** Too many windows are open: `tick` before adding more. */
  get pressed(): boolean {
    return !this.failed && this.summarizers.some(({ pressed }) => pressed);
  }

  add(reading: Reading): void {
    for (const summarizer of this.summarizers) summarizer.add(reading);
  }

  /** The vault wants everything below a position saved: the next tick does that. */
  want(below: number): void {
    this.wanted = Math.max(this.wanted, below);
  }

  /** Closes what is due and saves what waited long, or what the vault wants saved. What fails is tried again at the next tick; the first failure is thrown. */
  async tick(): Promise<void> {
    const failures: unknown[] = [];
    const { wanted } = this;
    // One try: as long as the vault has to, it asks again.
    this.wanted = 0;
    for (const summarizer of this.summarizers) {
      try {
        await summarizer.close();
        await summarizer.saveDue(this.options.saveInterval, SAVES_PER_TICK);
      } catch (error) {
        failures.push(error);
      }
    }
    if (wanted > 0) failures.push(...(await this.saveBelow(wanted)));
    this.failed = failures.length > 0;
    if (this.failed) throw failures[0];
  }

  /** The rungs at once, since each waits for its commits. What failed. */
  private async saveBelow(below: number): Promise<unknown[]> {
    const saves = this.summarizers.map((summarizer) => summarizer.saveBelow(below, SAVES_PER_TICK));
    const outcomes = await Promise.allSettled(saves);
    return outcomes.flatMap((outcome): unknown[] => (outcome.status === 'rejected' ? [outcome.reason] : []));
  }

  /** Saves the open windows, which go on after a restart; those of a removed node are closed, since nobody would. */
  async stop(removed: boolean): Promise<void> {
    try {
      for (const summarizer of this.summarizers)
        if (removed) await retire(summarizer, this.options.owner);
        else await summarizer.save();
    } finally {
      release(this.options);
    }
  }
}

function claim({ vault, owner, resolutions }: SetOptions): void {
  const claimed = claims.get(vault) ?? new Map<Resolution, string>();
  claims.set(vault, claimed);
  for (const resolution of resolutions)
    if (claimed.has(resolution))
      throw new TideError(
        'resolution-taken',
        `windows of ${resolutionText(resolution)} are made by another tide-summarize node (${claimed.get(resolution)}) ` +
          'with the same vault; wire these readings into that one, or choose another window length',
      );
  for (const resolution of resolutions) claimed.set(resolution, owner);
}

function release({ vault, resolutions }: SetOptions): void {
  for (const resolution of resolutions) claims.get(vault)?.delete(resolution);
}

function retire(summarizer: Summarizer, node: string): Promise<void> {
  return summarizer.retire((wakeAt) => [ownerChange(summarizer.resolution, { node, wakeAt })]);
}

function ownerChange(resolution: Resolution, owner: Owner): Change {
  return { kind: 'document', namespace: OWNERS, key: String(resolution), value: owner };
}

async function readOwners(vault: Vault): Promise<Map<Resolution, Owner>> {
  const owners = new Map<Resolution, Owner>();
  for (const { key, value } of await vault.documents.list(OWNERS)) {
    if (typeof value !== 'object' || value === null || !('node' in value) || typeof value.node !== 'string') continue;
    const wakeAt = 'wakeAt' in value && typeof value.wakeAt === 'number' ? value.wakeAt : undefined;
    owners.set(Number(key), { node: value.node, ...(wakeAt !== undefined && { wakeAt }) });
  }
  return owners;
}
