import type { Change, ConsumerCheckpoint, Vault } from '@tidegate/nodes/vault';
import type { Part } from '@tidegate/nodes/summary';

/** What survives a crash. */
export class Disk {
  readonly names: string[] = [];
  readonly consumers = new Map<
    string,
    { replayFrom: number; series: Map<number, { position: number; state: Uint8Array }> }
  >();
  readonly documents = new Map<string, unknown>();
  /** Parts by commit, as blocks would hold them. */
  readonly blocks: { resolution: number; parts: readonly Part[] }[] = [];

  apply(changes: readonly Change[]): void {
    for (const change of changes) {
      if (change.kind === 'consumer') {
        const known = this.consumers.get(change.consumer);
        if (known === undefined)
          this.consumers.set(change.consumer, { replayFrom: change.replayFrom, series: new Map() });
        else known.replayFrom = change.replayFrom;
      } else if (change.kind === 'checkpoint') {
        const { position, state } = change;
        this.consumers.get(change.consumer)!.series.set(change.series, { position, state });
      } else if (change.kind === 'forget-consumer') {
        this.consumers.delete(change.consumer);
      } else if (change.kind === 'document') {
        this.documents.set(`${change.namespace} ${change.key}`, change.value);
      } else {
        throw new Error(`the summarizer commits no ${change.kind}`);
      }
    }
  }
}

function unused(): never {
  throw new Error('the summarizer has no business with this part of a vault');
}

interface Pending {
  apply(): void;
  resolve(): void;
  reject(error: Error): void;
}

/**
 * A vault whose commits happen when the test says so: an interleaving that the real one shows once in a million is an
 * ordinary step here. Covers what the summarizer uses; the node's tests run on the real vault.
 */
export class MemoryVault {
  readonly disk: Disk;
  /** Commits wait for `settle` when true. */
  held = false;
  private readonly pending: Pending[] = [];

  constructor(disk: Disk) {
    this.disk = disk;
  }

  get waiting(): number {
    return this.pending.length;
  }

  /** Lets the oldest waiting commit happen, or fail. */
  settle(happens: boolean): void {
    const commit = this.pending.shift();
    if (commit === undefined) return;
    if (happens) {
      commit.apply();
      commit.resolve();
    } else {
      commit.reject(new Error('the disk refused'));
    }
  }

  /** The process dies: the first `done` waiting commits made it to the disk, and nobody hears of any. */
  crash(done: number): void {
    for (const [i, commit] of this.pending.splice(0).entries()) if (i < done) commit.apply();
  }

  asVault(): Vault {
    const { disk } = this;
    return {
      directory: 'memory',
      incarnation: '00'.repeat(16),
      get journal() {
        return unused();
      },
      get outbox() {
        return unused();
      },
      onChange: unused,
      get keys() {
        return unused();
      },
      query: unused,
      cut: unused,
      verify: unused,
      fold: unused,
      stats: unused,
      accounts: unused,
      close: unused,
      series: {
        number: (name) => {
          if (!disk.names.includes(name)) disk.names.push(name);
          return disk.names.indexOf(name) + 1;
        },
        name: (number) => disk.names[number - 1],
        entries: () => [].values(),
        entry: () => undefined,
      },
      checkpoints: {
        load: async (consumer) => {
          const saved = disk.consumers.get(consumer);
          if (saved === undefined) return undefined;
          const series = [...saved.series].map(([number, entry]) => ({ series: number, ...entry }));
          return { replayFrom: saved.replayFrom, series } satisfies ConsumerCheckpoint;
        },
        replayFrom: async () => Math.min(...[...disk.consumers.values()].map(({ replayFrom }) => replayFrom)),
      },
      documents: {
        get: async (namespace, key) => disk.documents.get(`${namespace} ${key}`),
        list: async (namespace) =>
          [...disk.documents]
            .filter(([key]) => key.startsWith(`${namespace} `))
            .map(([key, value]) => ({ key: key.slice(namespace.length + 1), value })),
      },
      commit: async (changes) => {
        await this.commit(() => disk.apply(changes));
        return changes.map(() => ({ number: 0 }));
      },
    };
  }

  async commitParts(
    parts: readonly Part[],
    resolution: number,
    alongside: readonly Change[],
  ): Promise<{ sealed: number; withheld: number }> {
    await this.commit(() => {
      this.disk.apply(alongside);
      this.disk.blocks.push({ resolution, parts });
    });
    return { sealed: parts.length, withheld: 0 };
  }

  private commit(apply: () => void): Promise<void> {
    if (!this.held) {
      apply();
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => this.pending.push({ apply, resolve, reject }));
  }
}
