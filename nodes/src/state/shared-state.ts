import { z } from 'zod';
import { TideError } from '../node/errors.ts';
import { companions } from '../node/shared.ts';
import { stamp as stampSchema, type Stamp } from '../sync/messages.ts';
import type { Change, Vault } from '../vault/vault.ts';
import { checkDrift } from './hlc.ts';
import { encodeCanonical, wins, type SharedDocument } from './register.ts';

/** Namespace of the shared documents in the vault; a document is {value, stamp} under its key. */
export const STATE = 'state';
/** All stamps travel in one HELLO. */
export const MAX_DOCUMENTS = 1_000;
export const MAX_KEY_CHARACTERS = 256;
/** Largest value, encoded, bytes. */
export const MAX_VALUE_BYTES = 65_536;

const stored = z.object({ value: z.unknown(), stamp: stampSchema });

export interface Applied {
  /** Documents that are now in force and were not before. */
  changed: SharedDocument[];
  /** Stamps in force of every key that came, to be reported back. */
  stamps: Record<string, Stamp>;
  /** What was not taken, and why. */
  refused: { key: string; reason: string }[];
}

const opened = companions<Vault, Promise<SharedState>>('shared-state');

/** The one SharedState of a vault. */
export function sharedStateOf(vault: Vault): Promise<SharedState> {
  let state = opened.get(vault);
  if (state === undefined) {
    state = SharedState.open(vault);
    opened.set(vault, state);
    state.catch(() => opened.delete(vault));
  }
  return state;
}

/** The documents that the cloud and this gateway share, as they are in force here: stored before anybody hears of them. */
export class SharedState {
  private readonly vault: Vault;
  private readonly inForce: Map<string, SharedDocument>;
  private readonly listeners = new Set<(document: SharedDocument) => void>();
  private lastTurn: Promise<unknown> = Promise.resolve();

  private constructor(vault: Vault, inForce: Map<string, SharedDocument>) {
    this.vault = vault;
    this.inForce = inForce;
  }

  static async open(vault: Vault): Promise<SharedState> {
    const inForce = new Map<string, SharedDocument>();
    for (const { key, value } of await vault.documents.list(STATE)) {
      const read = stored.safeParse(value);
      if (read.success) inForce.set(key, { key, value: read.data.value, stamp: read.data.stamp });
    }
    return new SharedState(vault, inForce);
  }

  documents(): SharedDocument[] {
    return [...this.inForce.values()];
  }

  get(key: string): SharedDocument | undefined {
    return this.inForce.get(key);
  }

  stamps(): Record<string, Stamp> {
    return Object.fromEntries([...this.inForce].map(([key, { stamp }]) => [key, stamp]));
  }

  /** Calls back for each document that comes into force, after it is stored. Returns the unsubscriber. */
  onChange(listener: (document: SharedDocument) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Joins documents from the other end. `now` is the best knowledge of the time, epoch milliseconds. Rejects when they cannot be stored. */
  apply(documents: readonly SharedDocument[], now: number): Promise<Applied> {
    const turn = this.lastTurn.then(() => this.join(documents, now));
    this.lastTurn = turn.catch(() => undefined);
    return turn;
  }

  private async join(documents: readonly SharedDocument[], now: number): Promise<Applied> {
    const winners = new Map<string, SharedDocument>();
    const refused: Applied['refused'] = [];
    for (const document of documents) {
      const reason = this.problemWith(document, now, winners);
      if (reason !== undefined) {
        refused.push({ key: document.key, reason });
        continue;
      }
      const current = winners.get(document.key) ?? this.inForce.get(document.key);
      if (current === undefined || wins(document, current)) winners.set(document.key, document);
    }
    const changes = [...winners.values()].map(({ key, value, stamp }): Change => ({
      kind: 'document',
      namespace: STATE,
      key,
      value: { value, stamp },
    }));
    if (changes.length > 0) await this.vault.commit(changes);
    for (const [key, document] of winners) this.inForce.set(key, document);
    const changed = [...winners.values()];
    for (const document of changed) for (const listener of this.listeners) listener(document);
    const stamps: Record<string, Stamp> = {};
    for (const { key } of documents) {
      const document = this.inForce.get(key);
      if (document !== undefined) stamps[key] = document.stamp;
    }
    return { changed, stamps, refused };
  }

  private problemWith(document: SharedDocument, now: number, added: Map<string, SharedDocument>): string | undefined {
    try {
      checkDrift(document.stamp, now);
    } catch (error) {
      if (error instanceof TideError) return error.message;
      throw error;
    }
    if (document.key.length > MAX_KEY_CHARACTERS)
      return `its key has ${document.key.length} characters, at most ${MAX_KEY_CHARACTERS} are allowed`;
    const size = encodeCanonical(document.value).length;
    if (size > MAX_VALUE_BYTES) return `its value has ${size} bytes, at most ${MAX_VALUE_BYTES} are allowed`;
    const isNew = !this.inForce.has(document.key) && !added.has(document.key);
    return isNew && this.inForce.size + added.size >= MAX_DOCUMENTS
      ? `${MAX_DOCUMENTS} documents are here already; no more are allowed`
      : undefined;
  }
}
