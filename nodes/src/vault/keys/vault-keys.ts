import type { KeyReference } from '../vault.ts';
import type { KeyStatus } from './key-status.ts';

/** What may be done with the keys of an open vault. Secrets are named by where they are, never passed. */
export interface VaultKeys {
  status(): Promise<KeyStatus>;
  /**
   * First step of a rotation: from here on the secret at `to` opens the vault as well as the present one. The caller then
   * changes the reference by which the vault is opened, and confirms. `done`: it is the same secret; its lock was made anew
   * (fresh salt, today's parameters) and there is nothing to confirm. Throws TideError `busy` during a shred, and what
   * reading the secret throws.
   */
  prepareRotation(to: KeyReference): Promise<'prepared' | 'done'>;
  /** Second step: checks that what lies on the disk opens with the secret at `to`, and shuts the old one out. */
  confirmRotation(to: KeyReference): Promise<void>;
  /** Takes a prepared rotation back. */
  cancelRotation(): Promise<void>;
  /**
   * Destroys all readings, blocks, alerts and rejections of the months before one (`2026-03`), and their keys. Throws
   * TideError `bad-option` for another month than a past one, `busy` during a rotation.
   */
  shred(before: string): Promise<ShredReport>;
  /** A secret for a purpose, 32 bytes in base64url, that stays the same whatever becomes of the key. */
  derived(purpose: string): Promise<string>;
}

export interface ShredReport {
  before: string;
  /** Months whose keys were destroyed. */
  months: string[];
}

/** The same as the engine answers it. */
export interface KeyCalls {
  keyStatus(): KeyStatus;
  prepareRotation(to: KeyReference): 'prepared' | 'done';
  confirmRotation(to: KeyReference): void;
  cancelRotation(): void;
  /** Begins a shred; how many folds must have ended for it to be done. */
  beginShred(before: string): number;
  /** The newest shred that ended since the vault was opened. */
  shredReport(): ShredReport | undefined;
  derivedSecret(purpose: string): string;
}
