import type { StreamBacklog } from '../vault/vault.ts';
import { AccountLane } from './account-lane.ts';
import { AlertLane } from './alert-lane.ts';
import { BlockLane } from './block-lane.ts';
import { GapLane } from './gap-lane.ts';
import type { Handshake } from './handshake.ts';
import type { LaneParts } from './lane-parts.ts';
import { OrphanLane } from './orphan-lane.ts';

/** Everything that is sent, in the order in which it goes: alerts, blocks, declared gaps, blocks of earlier incarnations. */
export class Lanes {
  readonly alerts: AlertLane;
  readonly blocks: BlockLane;
  readonly gaps: GapLane;
  readonly orphans: OrphanLane;
  readonly accounts: AccountLane;

  constructor(parts: LaneParts, random: () => number) {
    this.alerts = new AlertLane(parts);
    this.blocks = new BlockLane(parts);
    this.gaps = new GapLane(parts);
    this.orphans = new OrphanLane(parts, random);
    this.accounts = new AccountLane(parts, random);
  }

  /** Takes note of what waits; `all` with the streams of earlier incarnations. */
  observe(own: readonly StreamBacklog[], all: readonly StreamBacklog[]): void {
    this.blocks.observe(own);
    this.orphans.observe(all);
  }

  /** Sends what may be sent now. `lost` is called when frames under way came to nothing; after that no lane may be welcome any more. */
  async step(handshake: Handshake, lost: () => void): Promise<void> {
    if (handshake.halted !== undefined) return;
    // A cloud that has forgotten the gateway answers no alert; only HELLO learns why.
    if ((await this.alerts.step()) && handshake.welcomed) lost();
    if (handshake.welcomed && (await this.blocks.step())) lost();
    if (handshake.welcomed) await this.gaps.step();
    if (handshake.welcomed && this.blocks.idle) await this.orphans.step();
    if (handshake.welcomed && this.blocks.idle) await this.accounts.step();
  }

  /** When there is something to do next, monotonic. */
  nextWake(handshake: Handshake, connected: boolean): number {
    let earliest = Infinity;
    if (handshake.welcomed) earliest = Math.min(this.blocks.nextWake(), this.gaps.nextWake());
    if (handshake.welcomed && this.blocks.idle)
      earliest = Math.min(earliest, this.orphans.nextWake(), this.accounts.nextWake());
    if (handshake.halted === undefined && connected) earliest = Math.min(earliest, this.alerts.nextWake());
    return earliest;
  }

  /** The bulk connection is lost: all that went over it is to be sent again. */
  resetBulk(): void {
    this.blocks.reset();
    this.gaps.reset();
    this.orphans.reset();
    this.accounts.reset();
  }

  reset(): void {
    this.alerts.reset();
    this.resetBulk();
  }
}
