import type { Vault } from '@tidegate/nodes/vault';

/** Stands before a vault in the same process: while it is shut, what is handed in for commit waits. Reads pass. */
export class CommitGate {
  private opened: Promise<void> = Promise.resolve();
  private open: () => void = () => undefined;

  hold(): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.opened = promise;
    this.open = resolve;
  }

  release(): void {
    this.open();
  }

  /** The vault as its users see it through the gate. */
  before(vault: Vault): Vault {
    const append: Vault['journal']['append'] = async (batch) => {
      await this.opened;
      return vault.journal.append(batch);
    };
    const commit: Vault['commit'] = async (changes) => {
      await this.opened;
      return vault.commit(changes);
    };
    return replacing(vault, { commit, journal: replacing(vault.journal, { append }) });
  }
}

function replacing<T extends object>(target: T, own: Partial<T>): T {
  return new Proxy(target, {
    get(of, name) {
      if (name in own) return Reflect.get(own, name) as unknown;
      const value: unknown = Reflect.get(of, name, of);
      return typeof value === 'function' ? (value.bind(of) as unknown) : value;
    },
  });
}
