import type { Journal, Vault } from '@tidegate/nodes/vault';

/** A real vault whose appends can be held back, or made to fail before they reach it. */
export class HeldCommits {
  readonly vault: Vault;
  /** Appends that were asked for. */
  appends = 0;
  private gate: Promise<void> = Promise.resolve();
  private open: () => void = () => undefined;
  private failure: Error | undefined;

  constructor(vault: Vault) {
    const append: Journal['append'] = async (batch) => {
      this.appends++;
      await this.gate;
      if (this.failure !== undefined) throw this.failure;
      return vault.journal.append(batch);
    };
    const journal = new Proxy(vault.journal, {
      get: (target, name) => (name === 'append' ? append : bound(target, name)),
    });
    this.vault = new Proxy(vault, { get: (target, name) => (name === 'journal' ? journal : bound(target, name)) });
  }

  hold(): void {
    this.gate = new Promise((resolve) => (this.open = resolve));
  }

  fail(error: Error): void {
    this.failure = error;
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
