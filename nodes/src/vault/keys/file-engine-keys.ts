import type { KeyReference } from '../vault.ts';
import { readKey } from './file-key.ts';
import type { KeyStore } from './file-key-store.ts';
import type { ShredPlan } from './key-shred.ts';
import type { KeyStatus } from './key-status.ts';
import type { ShredReport } from './vault-keys.ts';

export interface EngineKeysOptions {
  store: KeyStore;
  /** Real path of the vault. */
  directory: string;
  /** Where the present secret is; it is read anew whenever it is needed. */
  reference: KeyReference;
  /** Keeps the text of the header in the catalogue; called after each change. */
  keepCopy: (text: string) => void;
  /**
   * The engine's part of a shred, between its begin and its end: folds everything, drops what the plan names, removes the
   * header's copy from the catalogue (`keepCopy` writes the new one), and rewrites what may hold old pages.
   */
  shredData: (plan: ShredPlan) => void;
}

/** The engine's answers to what is asked of the keys. */
export class EngineKeys {
  private readonly store: KeyStore;
  private readonly directory: string;
  private reference: KeyReference;
  private readonly keepCopy: (text: string) => void;
  private readonly shredData: (plan: ShredPlan) => void;

  constructor({ store, directory, reference, keepCopy, shredData }: EngineKeysOptions) {
    this.store = store;
    this.directory = directory;
    this.reference = reference;
    this.keepCopy = keepCopy;
    this.shredData = shredData;
  }

  keyStatus(): KeyStatus {
    return this.store.list();
  }

  prepareRotation(to: KeyReference): 'prepared' | 'done' {
    const step = this.store.prepareRotation(readKey(to, this.directory));
    if (step === 'done') this.reference = to;
    this.keepCopy(this.store.text);
    return step;
  }

  confirmRotation(to: KeyReference): void {
    this.store.confirmRotation(readKey(to, this.directory));
    this.reference = to;
    this.keepCopy(this.store.text);
  }

  cancelRotation(): void {
    this.store.cancelRotation();
    this.keepCopy(this.store.text);
  }

  /** From here on nothing is journalled under the present key; the next fold completes the shred. */
  beginShred(before: string): void {
    this.store.beginShred(before, readKey(this.reference, this.directory));
    this.keepCopy(this.store.text);
  }

  get shredding(): boolean {
    return this.store.pendingShred() !== undefined;
  }

  /** After a fold: completes the shred that began, now or before a crash. Undefined when there is none. */
  completeShred(): ShredReport | undefined {
    const plan = this.store.pendingShred();
    return plan && this.carryOn(plan);
  }

  derivedSecret(purpose: string): string {
    return this.store.ring.secretFor(purpose).toString('base64url');
  }

  private carryOn(plan: ShredPlan): ShredReport {
    this.shredData(plan);
    // Months that got their key since the begin go as well.
    const { months } = this.store.pendingShred() ?? plan;
    this.store.finishShred(plan, readKey(this.reference, this.directory));
    this.keepCopy(this.store.text);
    return { before: plan.before, months };
  }
}
