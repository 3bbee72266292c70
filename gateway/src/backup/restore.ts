import { TideError } from '@tidegate/nodes/node';
import { blockTally } from '@tidegate/nodes/sync';
import type { Reading } from '@tidegate/nodes/reading';
import {
  type Change,
  decodeCbor,
  ORPHAN_SERIES,
  ORPHAN_WINDOWS,
  recordMoved,
  SERIES_RECORDS,
  orphanName,
  orphanOf,
  type Vault,
} from '@tidegate/nodes/vault';

import type { ArchiveEntry } from './archive-reader.ts';
import { type Line, type LineFolder, LINES, linesOf } from './lines.ts';
import type { Folder, Manifest } from './manifest.ts';
import { READING_HEAD, readingOf, RECENT_HEAD, recentOf, rowsOf } from './reading-row.ts';
import { markTarget, type TargetState } from './restore-target.ts';
import { unpacked, type Verified } from './verify.ts';

/** Door under which readings that every consumer has seen come back. */
const SOURCE = 'restore';
/** Consumers that make summary parts, whose windows belong to one incarnation. */
const MAKES_PARTS = /^summary\//;
const BATCH = 8_192;
const GROUP = 256;
const GROUP_BYTES = 1 << 20;

export interface Restored {
  readings: number;
  head: number;
  incarnation: string;
  /** What belongs to the old incarnation: blocks that go out under its id, windows that are declared as lost. */
  aside: { blocks: number; windows: number };
  /** Consumers without a name: they read everything again. */
  unnamed: number;
}

/**
 * Brings a verified backup into an empty vault, or goes on where that stopped. Readings that all consumers have seen
 * get new positions below those of the others; the others, and everything that is taken in from then on, go on with the
 * positions that checkpoints name. How far it is says the head of the vault itself, which each commit moves along;
 * everything else may be written twice without harm.
 */
export class Restore {
  private readonly vault: Vault;
  private readonly manifest: Manifest;
  private readonly archive: string;
  private readonly progress: (readings: number) => void;
  private readings = 0;
  private readonly perSeries: ReadonlyMap<string, number>;
  /** Readings of each series that some consumer has still to see: the last of its readings. */
  private readonly recentOf = new Map<string, number>();
  /** Added to positions from `replayFrom` on, where more readings lie before them than positions. */
  private shift = 0;
  private readonly aside = { blocks: 0, windows: 0 };
  /** Whose open windows were set aside; they lie in a state for each length. */
  private readonly openSeries = new Set<string>();
  private unnamed = 0;
  private changes: Change[] = [];
  private bytes = 0;

  constructor(
    vault: Vault,
    { manifest, archive, perSeries }: Verified,
    progress: (readings: number) => void = () => undefined,
  ) {
    this.vault = vault;
    this.manifest = manifest;
    this.archive = archive;
    this.perSeries = perSeries;
    this.progress = progress;
  }

  /** `open` starts at the archive's begin each time. */
  async run(open: () => AsyncIterable<ArchiveEntry>): Promise<Restored> {
    const { vault, manifest, aside } = this;
    await markTarget(vault, this.state(false));
    await this.history(open());
    for await (const entry of open()) {
      // What comes now has been taken in.
      if (entry.place.kind === 'part' && entry.place.folder === 'readings') break;
      if (entry.place.kind === 'part') await this.rest(entry.place.folder, entry);
    }
    await this.flush();
    await vault.commit([{ kind: 'advance', to: this.here(manifest.head) }]);
    await markTarget(vault, this.state(true));
    const { head } = vault.journal;
    return { readings: this.readings, head, incarnation: vault.incarnation, aside, unnamed: this.unnamed };
  }

  private state(done: boolean): TargetState {
    const { incarnation, created, head } = this.manifest;
    return { archive: this.archive, done, from: { incarnation, created, head }, aside: this.aside };
  }

  /** Series in order of their numbers, then the readings that nobody has to see again. */
  private async history(entries: AsyncIterable<ArchiveEntry>): Promise<void> {
    const { vault } = this;
    let known = vault.journal.head - 1;
    let taken = 0;
    let series = '';
    let left = 0;
    let batch: Reading[] = [];
    const append = async (): Promise<void> => {
      if (batch.length > 0) await vault.journal.append({ source: SOURCE, readings: batch });
      batch = [];
      this.progress(this.readings);
    };
    for await (const entry of entries) {
      if (entry.place.kind !== 'part') continue;
      if (entry.place.folder === 'series') await this.numbers(entry);
      if (entry.place.folder === 'recent') await this.countRecent(entry);
      if (entry.place.folder !== 'readings') continue;
      for (const row of rowsOf(await unpacked(entry), READING_HEAD, entry.name)) {
        const reading = readingOf(row);
        if (reading.series !== series) {
          ({ series } = reading);
          left = (this.perSeries.get(series) ?? 0) - (this.recentOf.get(series) ?? 0);
        }
        if (left-- <= 0) continue;
        this.readings++;
        taken++;
        if (known > 0) known--;
        else batch.push(reading);
        if (batch.length >= BATCH) await append();
      }
    }
    await append();
    // The journal may have lost recent readings that the segments still hold.
    this.shift = Math.max(0, taken + 1 - this.manifest.replayFrom);
  }

  private async countRecent(entry: ArchiveEntry): Promise<void> {
    for (const row of rowsOf(await unpacked(entry), RECENT_HEAD, entry.name)) {
      const { series } = recentOf(row).reading;
      this.recentOf.set(series, (this.recentOf.get(series) ?? 0) + 1);
    }
  }

  private async numbers(entry: ArchiveEntry): Promise<void> {
    for (const { number, name } of linesOf('series', (await unpacked(entry)).toString('utf8'), entry.name)) {
      const now = this.vault.series.number(name);
      // Blocks of the old incarnation name series by their old numbers.
      if (now !== number)
        await this.put(
          { kind: 'document', namespace: ORPHAN_SERIES, key: `${this.manifest.incarnation}/${number}`, value: now },
          32,
        );
    }
  }

  private async rest(folder: Folder, entry: ArchiveEntry): Promise<void> {
    if (folder === 'receipts') return this.receipts(entry.body);
    if (folder === 'series') return;
    const bytes = await unpacked(entry);
    if (folder === 'recent') return this.recent(bytes, entry.name);
    const text = bytes.toString('utf8');
    if (folder === 'rejections') return this.rejections(text, entry.name);
    if (!isLines(folder)) return;
    const take = this.takers[folder];
    if (take === undefined) return;
    for (const line of linesOf(folder, text, entry.name)) await take(line as never);
  }

  private readonly takers: { [Of in LineFolder]?: (line: Line<Of>) => Promise<void> } = {
    documents: ({ namespace, key, cbor }) => {
      const value = decodeCbor(cbor);
      const here = namespace === SERIES_RECORDS ? recordMoved(value, (position) => this.here(position)) : value;
      return this.put({ kind: 'document', namespace, key, value: here }, cbor.length);
    },
    consumers: async ({ consumer, replayFrom }) => {
      if (consumer === undefined) this.unnamed++;
      else if (!MAKES_PARTS.test(consumer))
        await this.put({ kind: 'consumer', consumer, replayFrom: this.here(replayFrom) }, 64);
      else await this.orphanMaker(consumer, replayFrom);
    },
    checkpoints: async ({ consumer, series, position, state }) => {
      const number = this.vault.series.number(series);
      if (!MAKES_PARTS.test(consumer))
        return this.put(
          { kind: 'checkpoint', consumer, series: number, position: this.here(position), state },
          state.length,
        );
      this.openSeries.add(series);
      this.aside.windows = this.openSeries.size;
      await this.put(
        {
          kind: 'checkpoint',
          consumer: this.old(consumer),
          series: number,
          position: this.here(position),
          state,
        },
        state.length,
      );
    },
    causes: async ({ source, cause }) => {
      await this.vault.journal.append({ source, readings: [], cause: this.here(cause) });
    },
    blocks: async ({ stream, number, body }) => {
      this.aside.blocks++;
      const tally = readableTally(stream, body);
      await this.put(
        { kind: 'orphan-block', stream: this.old(stream), number, body, ...(tally && { tally }) },
        body.length,
      );
    },
    alerts: ({ id, revision, body }) => this.put({ kind: 'alert', id, revision, body }, body.length),
  };

  /**
   * A consumer that makes parts starts afresh with what is taken in from now on: the old incarnation may have sent the
   * parts of its windows after this copy was made, and whatever is in two parts would be counted twice.
   */
  private async orphanMaker(consumer: string, replayFrom: number): Promise<void> {
    const head = this.here(this.manifest.head);
    const from = this.here(Math.max(replayFrom, this.manifest.head));
    await this.put({ kind: 'consumer', consumer, replayFrom: from }, 64);
    const orphan = this.old(consumer);
    await this.put({ kind: 'consumer', consumer: orphan, replayFrom: this.here(replayFrom) }, 64);
    await this.put({ kind: 'document', namespace: ORPHAN_WINDOWS, key: orphan, value: { head } }, 64);
  }

  /** Readings that some consumer has still to see: in their order, at their positions, through their doors. */
  private async recent(bytes: Uint8Array, name: string): Promise<void> {
    const { vault } = this;
    let run: { source: string; first: number; readings: Reading[] } | undefined;
    const append = async (): Promise<void> => {
      if (run === undefined) return;
      const { source, first, readings } = run;
      run = undefined;
      if (first > vault.journal.head) await vault.commit([{ kind: 'advance', to: first }]);
      const at = await vault.journal.append({ source, readings });
      if (at !== first) throw new TideError('has-data', `a reading of position ${first} came to lie at ${at}`);
      this.progress(this.readings);
    };
    for (const row of rowsOf(bytes, RECENT_HEAD, name)) {
      const { reading, source } = recentOf(row);
      const position = this.here(reading.position!);
      this.readings++;
      if (position < vault.journal.head) continue;
      const fits =
        run !== undefined &&
        run.source === source &&
        run.first + run.readings.length === position &&
        run.readings.length < BATCH;
      if (!fits) {
        await append();
        run = { source, first: position, readings: [] };
      }
      run!.readings.push(reading);
    }
    await append();
  }

  private async receipts(body: Uint8Array): Promise<void> {
    const digests = new BigUint64Array(Uint8Array.from(body).buffer);
    await this.vault.journal.append({ source: SOURCE, readings: [], receipts: Array.from(digests) });
  }

  /** All at once, so that they are there or not. */
  private async rejections(text: string, name: string): Promise<void> {
    if ((await this.vault.stats()).quarantined > 0) return;
    const rejections = [...linesOf('rejections', text, name)].map(({ cbor }) => decodeCbor(cbor) as never);
    await this.vault.journal.append({ source: SOURCE, readings: [], rejections });
  }

  private async put(change: Change, bytes: number): Promise<void> {
    this.changes.push(change);
    this.bytes += bytes;
    if (this.changes.length >= GROUP || this.bytes >= GROUP_BYTES) await this.flush();
  }

  private async flush(): Promise<void> {
    const { changes } = this;
    this.changes = [];
    this.bytes = 0;
    await this.vault.commit(changes);
  }

  /** A position of the archive in this vault. */
  private here(position: number): number {
    return position < this.manifest.replayFrom ? position : position + this.shift;
  }

  /** Name of a stream or consumer of the vault that was copied, which may be an orphan there already. */
  private old(name: string): string {
    return orphanOf(name) === undefined ? orphanName({ incarnation: this.manifest.incarnation, name }) : name;
  }
}

/** Undefined for a block that carries no parts, or cannot be read: what is in it is then not accounted for. */
function readableTally(stream: string, body: Uint8Array): Uint8Array | undefined {
  try {
    return blockTally(stream, body);
  } catch (error) {
    if (error instanceof TideError) return undefined;
    throw error;
  }
}

const isLines = (folder: Folder): folder is LineFolder => Object.hasOwn(LINES, folder);
