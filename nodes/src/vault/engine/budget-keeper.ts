import type { Clock } from '../../node/clock.ts';
import { TideError } from '../../node/errors.ts';
import { HIGH_WATER, decide, toFree } from '../budget/budget.ts';
import { Forecast } from '../budget/forecast.ts';
import type { Holdings, Step } from '../budget/holdings.ts';
import {
  ACCEPT_AT,
  RESTORE_AT,
  afterRoomEvent,
  roomAtStart,
  type Room,
  type RoomAction,
  type RoomEvent,
} from '../budget/room.ts';
import { sharesOf, type Shares } from '../budget/shares.ts';
import type { VaultStats } from '../vault.ts';
import { BudgetSteps, type SteppedParts } from './budget-steps.ts';
import type { GapLedger } from './gap-ledger.ts';
import { holdingsOf, type HoldingsSource } from './holdings-of.ts';

/** The disk below a vault, as the budget asks and steers it. */
export interface RoomOnDisk {
  sizes(): { total: number; ballast: number; state: number };
  /** Bytes that are free. */
  free(): number;
  readonly ballast: {
    readonly present: boolean;
    grow(): boolean;
    release(): void;
    close(): void;
  };
}

export interface KeeperOptions {
  parts: HoldingsSource & SteppedParts;
  clock: Clock;
  ledger: GapLedger;
  room: RoomOnDisk;
  quotaBytes: number;
  ballastBytes: number;
  retentionDays: number | undefined;
  /** The right time, epoch milliseconds; undefined while it is not known. */
  now: () => number | undefined;
}

/** What is looked at without need, and while the quota is nearly used up or the disk full, milliseconds. */
const LOOK_MS = 5_000;
const LOOK_CLOSELY_MS = 250;
/** From this share of the quota on it is looked at closely. */
const CLOSE = 0.8;
/**
 * A disk that says that it is full although it has room may do so for once, or because of somebody's quota: nothing is
 * given up for it before this, milliseconds.
 */
const PATIENCE_MS = 10_000;
/** A vault that is opened only for a moment makes no ballast. */
const BALLAST_AFTER_MS = 30_000;

/** Executes the budget: looks what room there is, and gives way a step at a time, each step one commit. */
export class BudgetKeeper {
  readonly shares: Shares;
  private readonly options: KeeperOptions;
  private readonly steps: BudgetSteps;
  private readonly forecast = new Forecast();
  private readonly started: number;
  private room: Room;
  private lookedAt = -Infinity;
  private total = 0;
  private ballast = 0;
  private state = 0;
  /** Bodies of waiting blocks that lie in rows, and when they were added up: with a month of them that takes long. */
  private unfiled = 0;
  private unfiledAt = -Infinity;
  /** What journal and segments had at the last look: what they have gained since is known without looking. */
  private countedThen = 0;
  private evicting = false;
  private quotaUsedUp = false;
  /** The last step was for age: there may be more of them. */
  private aging = false;
  /** Newest record at the end of the last fold, and when that was. */
  private foldedTo = 0;
  private foldedAt = -Infinity;
  /** Bytes that were given up for a full disk since the last write that went well. */
  private inVain = 0;
  /** The disk was full when something was to be written, and there has not been ample room since. */
  private tight: string | undefined;
  /** When it began to be so without a write in between that went well, and when it was seen last; monotonic. */
  private fullSince: number | undefined;
  private fullAt = -Infinity;

  constructor(options: KeeperOptions) {
    this.options = options;
    this.shares = sharesOf(options.quotaBytes);
    this.steps = new BudgetSteps(options.parts, options.ledger);
    this.started = options.clock.monotonic();
    this.room = roomAtStart(options.room.ballast.present);
  }

  /** One step: gives something up, or makes a piece of the ballast. True when it did something. Throws what the disk throws. */
  step(): boolean {
    const looked = this.look();
    if (this.steps.declareLost(this.options.parts.findings.lost, this.options.now())) return true;
    const journal = this.options.parts.log.problem;
    if (journal?.code === 'disk-full' && this.tight === undefined) {
      if (this.giveWay(journal.message)) this.options.parts.log.tryAgain();
      return true;
    }
    if (this.tight !== undefined && this.options.room.free() < this.ample && this.evictOnFullDisk()) return true;
    if (this.evict(looked)) return true;
    if (!this.room.ballast || this.options.room.ballast.present) return false;
    this.growBallast();
    return true;
  }

  /**
   * After a write that found the disk full: makes room. True when the write is worth another try; each time something is
   * gone that was there before, so that it ends.
   */
  giveWay(message: string): boolean {
    const now = this.options.clock.monotonic();
    this.tight = message;
    this.fullSince ??= now;
    this.fullAt = now;
    if (this.inVain > 2 * (this.planned + this.shares.fold + this.shares.journalFile)) {
      // It is not the room that these took: a limit on the size of files, or somebody who takes all that becomes free.
      this.become({ kind: 'nothing-to-evict' });
      return false;
    }
    const action = this.become({ kind: 'full' });
    if (action === 'release-ballast') {
      this.options.room.ballast.release();
      this.lookedAt = -Infinity;
      return true;
    }
    const hasRoom = this.options.room.free() >= this.ample;
    return hasRoom && now - this.fullSince < PATIENCE_MS ? false : this.evictOnFullDisk();
  }

  /** Why readings are not taken in; undefined while they are. */
  get refusal(): TideError | undefined {
    if (this.room.refusing || this.quotaUsedUp) return new TideError('disk-full', this.problem ?? 'there is no room');
    if (!this.evicting || this.used <= this.options.quotaBytes - this.reserved) return undefined;
    return new TideError('disk-full', 'the quota is used up, and what may go does not go as fast as readings come');
  }

  /** What is wrong, in words; undefined when there is room. */
  get problem(): string | undefined {
    if (this.room.refusing)
      return `the disk is full and nothing more may be given up: no readings are taken in until there is room (${this.tight ?? ''})`;
    if (this.quotaUsedUp)
      return `the quota of ${this.options.quotaBytes} bytes is used up and nothing more may be given up: no readings are taken in`;
    return this.tight === undefined ? undefined : `the disk is full, and the vault gives way: ${this.tight}`;
  }

  /** What was given up in rows goes from the disk with a fold. */
  get foldWanted(): boolean {
    return this.steps.pending > this.shares.fold / 4 || this.rewriteWanted || this.foldMayHelp;
  }

  /** The catalogue holds so much empty room that rewriting it is worth its while. */
  get rewriteWanted(): boolean {
    return this.pressed && this.options.parts.catalogue.freeBytes > this.shares.fold;
  }

  /** Something was written that had found the disk full, or could have. */
  wrote(): void {
    this.inVain = 0;
    this.fullSince = undefined;
  }

  /** A fold has ended. */
  folded(): void {
    this.wrote();
    this.steps.pending = 0;
    this.lookedAt = -Infinity;
    this.unfiledAt = -Infinity;
    this.foldedTo = this.options.parts.log.last;
    this.foldedAt = this.options.clock.monotonic();
  }

  stats(): Pick<VaultStats, 'quota' | 'timeToFullMs' | 'gaps'> {
    const { quotaBytes, room, ledger } = this.options;
    if (this.lookedAt === -Infinity) this.look();
    const used = this.used;
    const timeToFull = this.forecast.timeToFull(Math.min(quotaBytes - this.reserved, used + room.free()));
    return {
      quota: { bytes: quotaBytes, used: used + this.reserved },
      ...(timeToFull === undefined ? {} : { timeToFullMs: timeToFull }),
      gaps: ledger.count,
    };
  }

  /** Consumers are not waited for below this position any more: declared, unless it was before. */
  leaveBehind(below: number): void {
    this.steps.leaveBehind(below, this.options.now());
  }

  close(): void {
    this.options.room.ballast.close();
  }

  /** Nothing may go, but what was committed since the last fold may have made room that only a fold gives back. */
  private get foldMayHelp(): boolean {
    if (!this.quotaUsedUp && !this.room.refusing) return false;
    const { parts, clock } = this.options;
    return parts.log.last !== this.foldedTo && clock.monotonic() - this.foldedAt > LOOK_MS;
  }

  private get pressed(): boolean {
    return this.evicting || this.quotaUsedUp || this.tight !== undefined;
  }

  /** The part of the quota that the ballast has, whether it is there or not. */
  private get reserved(): number {
    return this.options.ballastBytes;
  }

  /** All files but the ballast. */
  private get used(): number {
    return this.total - this.ballast + this.counted - this.countedThen;
  }

  private get counted(): number {
    const { log, readings } = this.options.parts;
    return log.bytes.allocated + readings.entries().reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** What the next fold will write before it frees anything. */
  private get planned(): number {
    const { parts, clock } = this.options;
    const now = clock.monotonic();
    if (now - this.unfiledAt >= LOOK_CLOSELY_MS) {
      this.unfiled = parts.catalogue.outbox.filing.unfiledBytes();
      this.unfiledAt = now;
    }
    return parts.readings.open.bytes + parts.readings.waiting.bytes + this.unfiled + this.state;
  }

  /** Free bytes at which a disk that was full is so no more: for the next fold, and for the ballast to come back. */
  private get ample(): number {
    return ACCEPT_AT + this.planned + RESTORE_AT * this.options.ballastBytes;
  }

  /** True when it was time to look. */
  private look(): boolean {
    const { clock, room, ballastBytes, quotaBytes } = this.options;
    const now = clock.monotonic();
    const closely = this.pressed || this.used > CLOSE * (quotaBytes - ballastBytes);
    if (now - this.lookedAt < (closely ? LOOK_CLOSELY_MS : LOOK_MS)) return false;
    this.lookedAt = now;
    const { total, ballast, state } = room.sizes();
    this.total = total;
    this.ballast = ballast;
    this.state = state;
    this.countedThen = this.counted;
    this.forecast.add(now, this.used);
    const free = room.free();
    const ballastDue = now - this.started >= BALLAST_AFTER_MS;
    this.become({ kind: 'free', bytes: free }, ballastDue ? ballastBytes : 0);
    if (this.tight !== undefined && free >= this.ample) {
      this.options.parts.log.tryAgain();
      if (this.fullSince === undefined || now - this.fullAt > PATIENCE_MS) {
        this.tight = undefined;
        this.fullSince = undefined;
      }
    }
    return true;
  }

  private become(event: RoomEvent, ballastBytes = this.options.ballastBytes): RoomAction {
    const { room, action } = afterRoomEvent(this.room, event, ballastBytes);
    this.room = room;
    return action;
  }

  private evict(looked: boolean): boolean {
    const { quotaBytes, ballastBytes, retentionDays } = this.options;
    const quota = quotaBytes - ballastBytes;
    const used = this.used - this.steps.pending + this.planned;
    const pressed = this.pressed || used > HIGH_WATER * quota;
    if (!pressed && !(this.aging || (looked && retentionDays !== undefined))) return false;
    const { step, evicting, refuse } = decide(this.holdings(used), this.evicting, retentionDays);
    this.evicting = evicting;
    this.quotaUsedUp = refuse;
    this.aging = step?.loss.cause === 'retention';
    if (step === undefined) return false;
    this.perform(step);
    return true;
  }

  private perform(step: Step): void {
    this.steps.perform(step);
    this.unfiledAt = -Infinity;
  }

  /** True when something went from the disk. */
  private evictOnFullDisk(): boolean {
    const step = toFree(this.holdings(this.used));
    if (step === undefined) {
      this.become({ kind: 'nothing-to-evict' });
      return false;
    }
    try {
      this.perform(step);
    } catch (error) {
      // Not even this could be written down: what is there stays, and is offered again at the next try.
      if (error instanceof TideError && error.code === 'disk-full') return false;
      throw error;
    }
    this.inVain += step.bytes;
    this.become({ kind: 'evicted' });
    // Rows that go make room only with the next fold.
    return step.kind === 'segment';
  }

  private growBallast(): void {
    const { ballast } = this.options.room;
    try {
      if (ballast.grow()) this.lookedAt = -Infinity;
    } catch (error) {
      ballast.release();
      this.room = { ...this.room, ballast: false };
      throw error;
    }
  }

  private holdings(used: number): Holdings {
    const { parts, quotaBytes, ballastBytes, ledger, now } = this.options;
    return holdingsOf(parts, { now: now(), used, quota: quotaBytes - ballastBytes }, ledger.overruns());
  }
}
