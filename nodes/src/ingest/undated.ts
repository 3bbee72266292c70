import { z } from 'zod';
import { BatchEncoder, decodeBatch } from '../vault/batch-codec.ts';
import { dated, type Dating } from '../vault/dating.ts';
import type { Timekeeper } from '../vault/timekeeper.ts';
import type { Change, Vault } from '../vault/vault.ts';
import type { Reading } from '../reading/reading.ts';
import type { Batch } from './batch.ts';

/** Namespaces of readings that wait for their date (key: source and number), and of each source's numbers. */
export const UNDATED = 'undated';
export const UNDATED_INDEX = 'undated-index';

/** Bounds of one document, and of what is dated in one append. */
const DOCUMENT_BYTES = 256 * 1024;
const DOCUMENT_READINGS = 2_048;
const PIECE_READINGS = 8_192;

const indexSchema = z.object({ first: z.number().int().min(1), next: z.number().int().min(1), readings: z.number() });
const documentSchema = z.object({
  boot: z.string(),
  /** Wall less monotonic time as the machine had them: what the clock said. */
  wallOffset: z.number(),
  count: z.number().int(),
  /** A chunk of the batch codec; the time of readings with the gateway's clock is the boot's monotonic time. */
  chunk: z.instanceof(Uint8Array),
  /** Digests of the publishes, eight bytes each. */
  receipts: z.instanceof(Uint8Array),
});

/** Readings with their right times, ready to be committed under `upTo` as their cause. */
export interface DatedPiece {
  readings: Reading[];
  receipts: bigint[];
  upTo: number;
}

/**
 * Readings of one source that were taken while the time was not known. They are committed as documents, and so
 * acknowledged, but are no readings of the journal yet. Dated ones are appended to the journal under the number of their
 * document as cause; only then is the document removed. A stop in between is told by the cause: nothing is appended twice.
 */
export class Undated {
  private readonly source: string;
  private readonly vault: Vault;
  private readonly keeper: Timekeeper;
  private readonly encoder = new BatchEncoder();
  private index = { first: 1, next: 1, readings: 0 };
  /** Documents below this number are in the vault; later ones may be on their way. */
  private stored = 1;
  private loading: Promise<void> | undefined;

  constructor(source: string, vault: Vault, keeper: Timekeeper) {
    this.source = source;
    this.vault = vault;
    this.keeper = keeper;
  }

  /** Documents that wait, and readings in them. Only when loaded. */
  get waiting(): number {
    return this.stored - this.index.first;
  }

  get readings(): number {
    return this.index.readings;
  }

  /** Reads where it stands. After a failure the next call tries again. */
  load(): Promise<void> {
    this.loading ??= this.read().catch((error: unknown) => {
      this.loading = undefined;
      throw error;
    });
    return this.loading;
  }

  /** Commits a batch as it is. Its readings with the gateway's clock carry the boot's monotonic time. */
  async hold({ readings, rejections, receipts }: Batch): Promise<number> {
    await this.load();
    // First, as a message that cannot be read may be told twice, and a reading may not.
    if (rejections.length > 0) await this.vault.journal.append({ source: this.source, readings: [], rejections });
    const pieces = piecesOf(readings);
    if (pieces.length === 0 && receipts.length > 0) pieces.push([]);
    const before = this.index;
    const index = { ...before, readings: before.readings + readings.length };
    const changes: Change[] = [this.keeper.change()];
    for (const [i, piece] of pieces.entries()) {
      const [chunk] = this.encoder.encode(piece, ({ series }) => this.vault.series.number(series));
      const value = {
        boot: this.keeper.boot,
        wallOffset: this.keeper.wallOffset(),
        count: piece.length,
        chunk: chunk === undefined ? new Uint8Array() : Uint8Array.from(chunk.bytes),
        receipts: i === pieces.length - 1 ? bytesOf(receipts.digests) : new Uint8Array(),
      };
      changes.push({ kind: 'document', namespace: UNDATED, key: this.key(index.next++), value });
    }
    if (pieces.length > 0) {
      await this.commit(changes, index, before);
      this.stored = index.next;
    }
    return 0;
  }

  /** The oldest readings that can be dated by now; undefined when there are none. */
  async next(datings: ReadonlyMap<string, Dating>): Promise<DatedPiece | undefined> {
    await this.load();
    const piece: DatedPiece = { readings: [], receipts: [], upTo: this.index.first - 1 };
    for (let number = this.index.first; number < this.stored; number++) {
      const found = documentSchema.safeParse(await this.vault.documents.get(UNDATED, this.key(number)));
      // One that is damaged was counted where it was found; the others go on.
      const dating = found.success ? datings.get(found.data.boot) : undefined;
      if (found.success && dating === undefined) break;
      if (found.success && dating !== undefined) {
        const { chunk, count, receipts } = found.data;
        if (piece.readings.length > 0 && piece.readings.length + count > PIECE_READINGS) break;
        const readings = chunk.length === 0 ? [] : decodeBatch(chunk, (series) => this.vault.series.name(series));
        for (const reading of readings) if (reading !== undefined) piece.readings.push(dated(reading, dating));
        piece.receipts.push(...digestsOf(receipts));
      }
      piece.upTo = number;
    }
    return piece.upTo < this.index.first ? undefined : piece;
  }

  /** Removes what has been appended. */
  async done({ upTo, readings }: { upTo: number; readings: number }): Promise<void> {
    const before = this.index;
    const changes: Change[] = [];
    for (let number = before.first; number <= upTo; number++)
      changes.push({ kind: 'document', namespace: UNDATED, key: this.key(number), value: undefined });
    const first = upTo + 1;
    const left = first >= before.next ? 0 : Math.max(0, before.readings - readings);
    await this.commit(changes, { ...before, first, readings: left }, before);
  }

  /** Digests of the publishes that wait here, at most about `limit`, oldest first. */
  async receipts(limit: number): Promise<bigint[]> {
    await this.load();
    const parts: bigint[][] = [];
    let count = 0;
    for (let number = this.stored - 1; number >= this.index.first && count < limit; number--) {
      const found = documentSchema.safeParse(await this.vault.documents.get(UNDATED, this.key(number)));
      if (!found.success) continue;
      const digests = digestsOf(found.data.receipts);
      count += digests.length;
      parts.push(digests);
    }
    return parts.toReversed().flat();
  }

  private async read(): Promise<void> {
    const found = indexSchema.safeParse(await this.vault.documents.get(UNDATED_INDEX, this.source));
    if (!found.success) return;
    this.index = found.data;
    this.stored = found.data.next;
    const appended = await this.vault.journal.cause(this.source);
    if (appended >= this.index.first && this.waiting > 0)
      await this.done({ upTo: Math.min(appended, this.index.next - 1), readings: 0 });
  }

  /**
   * The index moves at once, so that what is committed meanwhile does not take the same numbers; it moves back by what
   * was added when the commit fails.
   */
  private async commit(changes: Change[], index: Undated['index'], before: Undated['index']): Promise<void> {
    this.index = index;
    const value = { ...index };
    try {
      await this.vault.commit([...changes, { kind: 'document', namespace: UNDATED_INDEX, key: this.source, value }]);
    } catch (error) {
      if (this.index === index) this.index = before;
      throw error;
    }
  }

  private key(number: number): string {
    return `${this.source}/${String(number).padStart(12, '0')}`;
  }
}

function piecesOf(readings: readonly Reading[]): Reading[][] {
  const pieces: Reading[][] = [];
  let bytes = Infinity;
  for (const reading of readings) {
    const size = 32 + (typeof reading.value === 'string' ? 4 * reading.value.length : 0);
    const last = pieces.at(-1);
    if (last === undefined || bytes + size > DOCUMENT_BYTES || last.length >= DOCUMENT_READINGS) {
      pieces.push([reading]);
      bytes = size;
    } else {
      last.push(reading);
      bytes += size;
    }
  }
  return pieces;
}

const bytesOf = (digests: Iterable<bigint>): Uint8Array => new Uint8Array(BigUint64Array.from(digests).buffer);
const digestsOf = (bytes: Uint8Array): bigint[] => Array.from(new BigUint64Array(bytes.slice().buffer));
