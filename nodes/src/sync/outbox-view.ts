import type { Clock } from '../node/clock.ts';
import { orphanOf } from '../vault/orphans.ts';
import type { StreamBacklog, Vault } from '../vault/vault.ts';

/** Alerts that wait are counted when something changed, and not more often than this. */
const COUNT_EVERY_MS = 250;

/** What waits in the outbox, as it was found when it was last looked at. */
export class OutboxView {
  /** Streams of this incarnation. */
  own: readonly StreamBacklog[] = [];
  alertsWaiting = 0;
  private readonly clock: Clock;
  private readonly vault: Vault;
  private changed = true;
  private countAt = -Infinity;
  private countedAt = -Infinity;

  constructor(clock: Clock, vault: Vault) {
    this.clock = clock;
    this.vault = vault;
  }

  blocksChanged(): void {
    this.changed = true;
  }

  alertsChanged(): void {
    this.countAt = Math.min(this.countAt, Math.max(this.countedAt + COUNT_EVERY_MS, this.clock.monotonic()));
  }

  /** Looks again where something changed; all streams, those of earlier incarnations too, when blocks did. */
  async look(): Promise<readonly StreamBacklog[] | undefined> {
    let all: readonly StreamBacklog[] | undefined;
    if (this.changed) {
      this.changed = false;
      all = await this.vault.outbox.streams();
      this.own = all.filter(isOwn);
    }
    const now = this.clock.monotonic();
    if (now >= this.countAt) {
      this.countedAt = now;
      this.countAt = Infinity;
      this.alertsWaiting = (await this.vault.stats()).alertsWaiting;
    }
    return all;
  }

  /** When the next count is due, monotonic. */
  nextWake(): number {
    return this.countAt;
  }
}

/** Streams of this vault's own incarnation as they are now. */
export async function ownStreams({ outbox }: Vault): Promise<readonly StreamBacklog[]> {
  return (await outbox.streams()).filter(isOwn);
}

const isOwn = ({ stream }: StreamBacklog): boolean => orphanOf(stream) === undefined;
