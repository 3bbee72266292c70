import type { Journal, Vault } from '@tidegate/nodes/vault';

/** A real vault whose appends can be held back or made to fail before they reach it, and whose reads can be slow to answer. */
export class HeldCommits {
  readonly vault: Vault;
  /** Appends that were asked for. */
  appends = 0;
  /** Reads of the journal that were asked for. */
  reads = 0;
  private gate: Promise<void> = Promise.resolve();
  private answers: Promise<void> = Promise.resolve();
  private answer: () => void = () => undefined;
  private open: () => void = () => undefined;
  private failure: Error | undefined;

  constructor(vault: Vault) {
    const append: Journal['append'] = async (batch) => {
      this.appends++;
      await this.gate;
      if (this.failure !== undefined) throw this.failure;
      return vault.journal.append(batch);
    };
    const read: Journal['read'] = async (from, limit, source) => {
      this.reads++;
      const { answers } = this;
      const slice = await vault.journal.read(from, limit, source);
      await answers;
      return slice;
    };
    const journal = new Proxy(vault.journal, {
      get: (target, name) => (name === 'append' ? append : name === 'read' ? read : bound(target, name)),
    });
    this.vault = new Proxy(vault, { get: (target, name) => (name === 'journal' ? journal : bound(target, name)) });
  }

  hold(): void {
    this.gate = new Promise((resolve) => (this.open = resolve));
  }

  fail(error: Error): void {
    this.failure = error;
  }

  /** Reads are done, and their answers stay on the way until `answerReads`. */
  holdReads(): void {
    this.answers = new Promise((resolve) => (this.answer = resolve));
  }

  answerReads(): void {
    this.answer();
    this.answers = Promise.resolve();
  }

  release(): void {
    this.failure = undefined;
    this.open();
    this.gate = Promise.resolve();
  }
}

/** A member of the real object, with itself as `this`: private fields do not survive a proxy. */
function bound(target: object, name: string | symbol): unknown {
  const found: unknown = Reflect.get(target, name, target);
  return typeof found === 'function' ? found.bind(target) : found;
}
