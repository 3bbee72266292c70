import { TideError } from '../node/errors.ts';
import { companions } from '../node/shared.ts';
import type { Change, Vault } from '../vault/vault.ts';
import { Summarizer, type SummarizerEvents, type SummarizerOptions } from './summarizer.ts';

/** The document that says which node makes the parts of a vault. */
const OWNER = { namespace: 'summaries', key: 'owner' } as const;

interface Owner {
  /** Id of the node. */
  node: string;
  /** Set when that node was removed: from this position on nobody has counted the readings. */
  wakeAt?: number;
}

/** The running node that makes the parts, by vault: two nodes would split windows between them at random. */
const claims = companions<Vault, string>('summaries');

export interface OwnerOptions extends Omit<SummarizerOptions, 'wakeAt'> {
  /** Id of the node. */
  owner: string;
  /** Series that stay unsaved for this long are saved, milliseconds. */
  saveInterval: number;
}

/** Series saved in one commit, so that saving is spread out. */
const SAVES_PER_TICK = 200;

/** The summarizer of a vault in the hands of one node: kept going by `tick`, handed on by `stop`. */
export class OwnedSummarizer {
  private readonly options: OwnerOptions;
  private readonly summarizer: Summarizer;
  /** Set by a failed commit: windows are not pressed out again before the next tick. */
  private failed = false;
  /** Position up to which the vault wants to have everything saved; 0 when it does not. */
  private wanted = 0;

  private constructor(options: OwnerOptions, summarizer: Summarizer) {
    this.options = options;
    this.summarizer = summarizer;
  }

  static async open(options: OwnerOptions, events: SummarizerEvents): Promise<OwnedSummarizer> {
    const { vault, owner } = options;
    const other = claims.get(vault);
    if (other !== undefined)
      throw new TideError(
        'summaries-taken',
        `the readings of this vault are summarised by another tide-summarize node (${other}) already; ` +
          'wire all readings into that one, and give it a rule for series that are to have other windows',
      );
    claims.set(vault, owner);
    try {
      const before = await readOwner(vault);
      const summarizer = await Summarizer.open({ ...options, wakeAt: before?.wakeAt }, events);
      await vault.commit([ownerChange({ node: owner })]);
      return new OwnedSummarizer(options, summarizer);
    } catch (error) {
      claims.delete(vault);
      throw error;
    }
  }

  get openWindows(): number {
    return this.summarizer.openWindows;
  }

  /** Too many windows are open: `tick` before adding more. */
  get pressed(): boolean {
    return !this.failed && this.summarizer.pressed;
  }

  add(reading: Parameters<Summarizer['add']>[0]): void {
    this.summarizer.add(reading);
  }

  /** The vault wants everything below a position saved: the next tick does that. */
  want(below: number): void {
    this.wanted = Math.max(this.wanted, below);
  }

  /** Closes what is due and saves what waited long, or what the vault wants saved. What fails is tried again at the next tick; the first failure is thrown. */
  async tick(): Promise<void> {
    const { summarizer, wanted } = this;
    // One try: as long as the vault has to, it asks again.
    this.wanted = 0;
    const failures: unknown[] = [];
    const attempt = async (work: () => Promise<unknown>): Promise<void> => {
      try {
        await work();
      } catch (error) {
        failures.push(error);
      }
    };
    await attempt(async () => {
      await summarizer.close();
      await summarizer.saveDue(this.options.saveInterval, SAVES_PER_TICK);
    });
    if (wanted > 0) await attempt(() => summarizer.saveBelow(wanted, SAVES_PER_TICK));
    this.failed = failures.length > 0;
    if (this.failed) throw failures[0];
  }

  /** Saves the open windows, which go on after a restart; those of a removed node are closed, since nobody would. */
  async stop(removed: boolean): Promise<void> {
    const { vault, owner } = this.options;
    try {
      if (removed) await this.summarizer.retire((wakeAt) => [ownerChange({ node: owner, wakeAt })]);
      else await this.summarizer.save();
    } finally {
      claims.delete(vault);
    }
  }
}

function ownerChange(owner: Owner): Change {
  return { kind: 'document', ...OWNER, value: owner };
}

async function readOwner(vault: Vault): Promise<Owner | undefined> {
  const value = await vault.documents.get(OWNER.namespace, OWNER.key);
  if (typeof value !== 'object' || value === null || !('node' in value) || typeof value.node !== 'string')
    return undefined;
  const wakeAt = 'wakeAt' in value && typeof value.wakeAt === 'number' ? value.wakeAt : undefined;
  return { node: value.node, ...(wakeAt !== undefined && { wakeAt }) };
}
