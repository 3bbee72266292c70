import type { Reading } from '../reading/reading.ts';
import { decodeBatch } from './batch-codec.ts';
import { isDestroyed } from './destroyed.ts';
import type { EngineChannel, JournalPart } from './engine.ts';
import type { CutReport, InventoryKind, InventoryPage } from './inventory.ts';

/** About what one page of an inventory holds, bytes. */
const PAGE_BYTES = 512 * 1024;
const JOURNAL_PAGE = 8_192;

/** Readings that came through one door together. */
export interface SourcedReadings {
  source: string;
  /** With `position` set, in order. */
  readings: Reading[];
}

/**
 * A vault as it stood at one commit, for whoever copies it: everything but the readings page by page, and the readings
 * that some consumer has still to see. Others go on reading and writing meanwhile. Has to be closed.
 */
export class VaultCut {
  /** Readings from here on are not part of the cut. */
  readonly head: number;
  /** Readings from here on are in no saved state of at least one consumer. */
  readonly replayFrom: number;
  private readonly channel: EngineChannel;
  private readonly nameOf: (series: number) => string | undefined;

  private constructor(
    { head, replayFrom }: CutReport,
    channel: EngineChannel,
    nameOf: (series: number) => string | undefined,
  ) {
    this.head = head;
    this.replayFrom = replayFrom;
    this.channel = channel;
    this.nameOf = nameOf;
  }

  /** One stands at a time: beginning another one ends the first. */
  static async begin(channel: EngineChannel, nameOf: (series: number) => string | undefined): Promise<VaultCut> {
    return new VaultCut(await channel.call('beginCut', []), channel, nameOf);
  }

  async *pages<Kind extends InventoryKind>(kind: Kind): AsyncIterableIterator<InventoryPage<Kind>> {
    for (let at: number | undefined = 0; at !== undefined;) {
      const page: InventoryPage<InventoryKind> = await this.channel.call('inventory', [kind, at, PAGE_BYTES]);
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the engine answers with items of this kind
      yield page as InventoryPage<Kind>;
      at = page.next;
    }
  }

  /** Readings at or after `from` in the order in which they came, with the doors they came through. */
  async *journal(from: number): AsyncIterableIterator<readonly SourcedReadings[]> {
    for (let at: number | undefined = from; at !== undefined && at < this.head;) {
      const part: JournalPart = await this.channel.call('readJournal', [at, JOURNAL_PAGE, undefined]);
      const { chunks, next } = part;
      const parts: SourcedReadings[] = [];
      for (const { position, source, skip, take, bytes, destroyedBelow } of chunks) {
        const readings: Reading[] = [];
        for (const [i, reading] of decodeBatch(bytes, this.nameOf).entries()) {
          if (i < skip || i >= skip + take || reading === undefined || position + i >= this.head) continue;
          if (isDestroyed(reading.time, destroyedBelow)) continue;
          reading.position = position + i;
          readings.push(reading);
        }
        if (readings.length > 0) parts.push({ source, readings });
      }
      if (parts.length > 0) yield parts;
      at = next;
    }
  }

  async close(): Promise<void> {
    await this.channel.call('endCut', []);
  }
}
