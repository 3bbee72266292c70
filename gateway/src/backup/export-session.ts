import { createHash, randomBytes } from 'node:crypto';

import { TideError } from '@tidegate/nodes/node';
import { loadEnrolment, makeIdentity } from '@tidegate/nodes/sync';
import type { Change, Vault, VaultCut } from '@tidegate/nodes/vault';
import { z } from 'zod';

import { PAYLOAD_NONCE, payloadKey, StreamSealer, type StreamState } from './age/age-stream.ts';
import { freshProgress, type Plan, type Progress } from './archive-progress.ts';
import { ArchiveWriter } from './archive-writer.ts';
import type { Entry } from './manifest.ts';

/** Namespace of what an export keeps in the vault so that it can be gone on with. Never part of an export. */
export const EXPORTS = 'export';
const PAGES = 'export-parts';
const VERSION = 1;
/** Parts of the manifest in one document. */
const PAGE = 500;
/** Plain bytes of a piece, about. */
const PIECE_BYTES = 1 << 20;

/** What the file is sealed under, made by whoever asked for it: the vault never sees a passphrase. */
export interface Sealing {
  /** Header of the age file. */
  header: Uint8Array;
  fileKey: Uint8Array;
  /** Who can open it, in words that are the same for the same readers. */
  readers: string;
}

export interface Piece {
  bytes: Uint8Array;
  /** The file is whole with this piece. */
  done: boolean;
  readings: number;
  /** How much of all is out, 0 to 1; 1 exactly when it is done. */
  share: number;
}

/** All that is needed to go on; it holds the file's key, so it is a sealed document of the vault. */
interface Saved {
  version: typeof VERSION;
  path: string;
  sealing: Sealing;
  nonce: Uint8Array;
  plan: Plan;
  /** Bytes of the file that are on its disk, and the state before the piece that comes next. */
  offset: number;
  progress: Progress;
  stream: StreamState;
  /** Digest of the plain bytes of the next piece: it has been sealed, so it must come out the same again. */
  piece: string;
  /** Parts in full pages, and the rest of them. */
  pages: number;
  entries: Entry[];
  /** Items (readings, newest ones and blocks) that there will be, about. */
  of: number;
}

const shape = z.custom<Saved>(
  (value) => typeof value === 'object' && value !== null && 'version' in value && value.version === VERSION,
);

/**
 * An export under way: hands out the bytes of an age file piece by piece. A piece is asked for with the number of bytes
 * that are safe on the target's disk. Before a piece is handed out the vault notes how to make it again, so that a
 * process that is killed, here or there, can go on; that it comes out the same is checked, because one key and nonce
 * must never seal two texts.
 */
export class ExportSession {
  readonly path: string;
  private readonly vault: Vault;
  private readonly writer: ArchiveWriter;
  private readonly saved: Saved;
  private readonly sealer: StreamSealer;
  private cut: VaultCut | undefined;
  private offset: number;
  /** Digest that the next piece has to have. */
  private expected: string | undefined;
  private wholePages: number;
  private ended = false;

  private constructor(vault: Vault, saved: Saved, writer: ArchiveWriter, cut: VaultCut | undefined) {
    this.vault = vault;
    this.path = saved.path;
    this.saved = saved;
    this.writer = writer;
    this.cut = cut;
    this.offset = saved.offset;
    this.wholePages = saved.pages;
    this.expected = saved.piece === '' ? undefined : saved.piece;
    this.sealer = new StreamSealer(payloadKey(saved.sealing.fileKey, saved.nonce), saved.stream);
  }

  static async begin(
    vault: Vault,
    of: { gateway: string; files: { config?: string; flows?: string }; now: number },
    path: string,
    sealing: Sealing,
  ): Promise<ExportSession> {
    const signer = await signerOf(vault);
    await forget(vault, path);
    const { readings, blocksWaiting } = await vault.stats();
    const cut = await vault.cut();
    const { head, replayFrom } = cut;
    const plan: Plan = {
      gateway: of.gateway,
      created: of.now,
      incarnation: vault.incarnation,
      head,
      // A consumer may wait for nothing and say so with a position beyond all.
      replayFrom: Math.min(head, Math.max(1, replayFrom)),
      signer,
    };
    const saved: Saved = {
      version: VERSION,
      path,
      sealing,
      nonce: randomBytes(PAYLOAD_NONCE),
      plan,
      offset: 0,
      progress: freshProgress(),
      stream: { chunks: 0, held: new Uint8Array(0) },
      piece: '',
      pages: 0,
      entries: [],
      of: readings + (head - plan.replayFrom) + blocksWaiting,
    };
    const writer = new ArchiveWriter(vault, plan, saved.progress, [], { cut, files: of.files });
    return new ExportSession(vault, saved, writer, cut);
  }

  /** Takes up what was kept for a file of which `size` bytes are there. A text says why that cannot be. */
  static async resume(vault: Vault, path: string, readers: string, size: number): Promise<ExportSession | string> {
    const read = shape.safeParse(await vault.documents.get(EXPORTS, keyOf(path)));
    if (!read.success) return 'nothing of it can be gone on with';
    const saved = read.data;
    if (saved.sealing.readers !== readers) return 'it was begun for other readers';
    if (saved.plan.incarnation !== vault.incarnation) return 'it was begun by another vault';
    if (size < saved.offset) return `only ${size} of ${saved.offset} bytes are there`;
    const entries: Entry[] = [];
    for (let page = 0; page < saved.pages; page++) {
      const parts = await vault.documents.get(PAGES, `${keyOf(path)}/${page}`);
      entries.push(...(parts as Entry[]));
    }
    entries.push(...saved.entries);
    return new ExportSession(vault, saved, new ArchiveWriter(vault, saved.plan, saved.progress, entries), undefined);
  }

  /** Bytes handed out so far. */
  get handedOut(): number {
    return this.offset;
  }

  /** The next piece, when `have` bytes are safe on the target's disk: all that were handed out. */
  async next(have: number): Promise<Piece> {
    if (have !== this.offset || this.ended)
      throw new TideError('out-of-step', `asked for what follows byte ${have}, handed out are ${this.offset}`);
    const { writer, sealer, saved } = this;
    const before = { progress: structuredClone(writer.progress), stream: sealer.state, entries: writer.entries.length };
    const { plain, done } = await this.gather();
    const digest = createHash('sha256').update(plain).digest('hex');
    if (this.expected !== undefined && this.expected !== digest)
      throw new TideError('cannot-resume', 'what the vault holds has changed since the export was interrupted');
    // The cut is gone with its session; before the readings begin an export starts again under a new key.
    if (before.progress.phase !== 'cut') {
      if (this.expected === undefined) await this.save(before, digest);
      await this.endCut();
    }
    this.expected = undefined;
    const parts = [sealer.push(plain)];
    if (have === 0) parts.unshift(saved.sealing.header, saved.nonce);
    if (done) parts.push(sealer.end());
    this.ended = done;
    const bytes = Buffer.concat(parts);
    this.offset += bytes.length;
    return { bytes, done, readings: writer.progress.counts.readings, share: done ? 1 : this.share() };
  }

  /** The file is whole and has its name: nothing of it has to be kept. */
  async finish(): Promise<void> {
    await this.close();
    await forget(this.vault, this.path, this.wholePages);
  }

  async close(): Promise<void> {
    this.ended = true;
    await this.endCut();
  }

  /** What turns out to be damaged, or is given up meanwhile, was counted too; what is not done is not all. */
  private share(): number {
    const { readings, recent, blocks } = this.writer.progress.counts;
    return Math.min(0.99, (readings + recent + blocks) / Math.max(1, this.saved.of));
  }

  /** Once: by then another export may hold a cut. */
  private async endCut(): Promise<void> {
    const { cut } = this;
    this.cut = undefined;
    await cut?.close();
  }

  /** Plain bytes up to about a piece; the change from the cut to the readings ends one. */
  private async gather(): Promise<{ plain: Uint8Array; done: boolean }> {
    const parts: Uint8Array[] = [];
    const { phase } = this.writer.progress;
    let bytes = 0;
    while (bytes < PIECE_BYTES) {
      const part = await this.writer.next();
      if (part === undefined) break;
      parts.push(part);
      bytes += part.length;
      if (this.writer.progress.phase !== phase) break;
    }
    return { plain: Buffer.concat(parts), done: this.writer.progress.phase === 'done' };
  }

  private async save(
    before: { progress: Progress; stream: StreamState; entries: number },
    piece: string,
  ): Promise<void> {
    const { saved, writer, path } = this;
    const pages = Math.floor(before.entries / PAGE);
    const changes: Change[] = [];
    for (let page = this.wholePages; page < pages; page++) {
      const value = writer.entries.slice(page * PAGE, (page + 1) * PAGE);
      changes.push({ kind: 'document', namespace: PAGES, key: `${keyOf(path)}/${page}`, value });
    }
    const value: Saved = {
      ...saved,
      offset: this.offset,
      progress: before.progress,
      stream: before.stream,
      piece,
      pages,
      entries: writer.entries.slice(pages * PAGE, before.entries),
    };
    changes.push({ kind: 'document', namespace: EXPORTS, key: keyOf(path), value });
    await this.vault.commit(changes);
    this.wholePages = pages;
  }
}

const keyOf = (path: string): string => createHash('sha256').update(path).digest('hex');

/** Removes what was kept for a file; its key with it. */
async function forget(vault: Vault, path: string, pages?: number): Promise<void> {
  const read = shape.safeParse(await vault.documents.get(EXPORTS, keyOf(path)));
  if (!read.success) return;
  const changes: Change[] = [{ kind: 'document', namespace: EXPORTS, key: keyOf(path), value: undefined }];
  for (let page = 0; page < Math.max(pages ?? 0, read.data.pages); page++)
    changes.push({ kind: 'document', namespace: PAGES, key: `${keyOf(path)}/${page}`, value: undefined });
  await vault.commit(changes);
}

const pairShape = z.object({ publicKey: z.instanceof(Uint8Array), privateKey: z.instanceof(Uint8Array) });

/** The gateway's signing key; for one that was never enrolled, a key of its vault, made when it is first needed. */
async function signerOf(vault: Vault): Promise<Plan['signer']> {
  const enrolment = await loadEnrolment(vault);
  if (enrolment !== undefined) return { ...enrolment.identity.sign, is: 'gateway' };
  const place = { namespace: 'backup', key: 'signing' } as const;
  const kept = pairShape.safeParse(await vault.documents.get(place.namespace, place.key));
  if (kept.success) return { ...kept.data, is: 'vault' };
  const made = makeIdentity().sign;
  await vault.commit([{ kind: 'document', ...place, value: made }]);
  return { ...made, is: 'vault' };
}
