import type { Clock } from '../node/clock.ts';
import { ClockTrust, type ClockState, type SystemTime } from '../node/clock-trust.ts';
import { companions } from '../node/shared.ts';
import { BOOTS, MAX_BOOTS, bootSchema, datings, newestTrusted, type Boot, type Dating } from './dating.ts';
import type { Change, Vault } from './vault.ts';

export interface TimekeeperOptions {
  vault: Vault;
  /** Id of this start of the machine. */
  boot: string;
  /** `monotonic` counts from the start of the machine, not of the process, when `boot` names one that outlives the process. */
  clock: Clock;
  /** When this program was made, epoch milliseconds. */
  built: number;
}

/** A known offset is stored anew when it has moved by more, ms. */
const MOVED_MS = 1_000;
/** A clock that has moved by less was not set, ms. */
const GLANCE_MS = 500;

const keepers = companions<Vault, Timekeeper>('timekeeper');

/** The timekeeper of a vault; undefined where the wall clock is simply believed. */
export const timekeeperOf = (vault: Vault): Timekeeper | undefined => keepers.get(vault);

/**
 * What a gateway knows of the time: whether its clock is right, and how the boots of the past are dated. No timer and no
 * probe of its own: its owner calls `look`, and `save` now and then.
 */
export class Timekeeper {
  private readonly options: TimekeeperOptions;
  private readonly trust: ClockTrust;
  private readonly boots: Map<string, Boot>;
  private readonly listeners = new Set<(state: ClockState) => void>();
  private current: ClockState;
  private stored = '';
  private glanced: number;

  private constructor(options: TimekeeperOptions, boots: Map<string, Boot>) {
    this.options = options;
    this.boots = boots;
    this.glanced = this.wallOffset();
    this.trust = new ClockTrust({ newestTrusted: newestTrusted([...boots.values()]), built: options.built });
    this.current = this.trust.state();
  }

  static async open(options: TimekeeperOptions): Promise<Timekeeper> {
    const { vault, boot: id, clock } = options;
    const boots = new Map<string, Boot>();
    for (const { value } of await vault.documents.list(BOOTS)) {
      const { success, data } = bootSchema.safeParse(value);
      if (success) boots.set(data.id, data);
    }
    const now = clock.monotonic();
    const order = Math.max(0, ...[...boots.values()].map((boot) => boot.order)) + 1;
    // An earlier process of this boot may have known the time; whether the clock still is right has to be seen.
    const { doubtFrom, ...known } = boots.get(id) ?? { id, order, first: now, last: now };
    boots.set(id, { ...known, last: now, doubtFrom: doubtFrom ?? now });
    const keeper = new Timekeeper(options, boots);
    keepers.set(vault, keeper);
    await keeper.save();
    return keeper;
  }

  get state(): ClockState {
    return this.current;
  }

  get boot(): string {
    return this.options.boot;
  }

  /** Wall less monotonic time as the machine has them now, milliseconds. */
  wallOffset(): number {
    const { clock } = this.options;
    return clock.now() - clock.monotonic();
  }

  /** The right time, epoch milliseconds; undefined while it is not known. */
  now(): number | undefined {
    const { offsetMs } = this.current;
    return offsetMs === undefined ? undefined : this.options.clock.monotonic() + offsetMs;
  }

  /** Whether the time is known, for each message: looks closer only when the clock was set since the last look. */
  glance(): boolean {
    const { clock } = this.options;
    const offset = clock.now() - clock.monotonic();
    if (Math.abs(offset - this.glanced) > GLANCE_MS) {
      this.glanced = offset;
      this.look();
    }
    return this.current.trusted;
  }

  /** What to add to a wall time of now for the right one: the cloud's time may be known while the machine's is wrong. */
  correction(): number {
    const { offsetMs } = this.current;
    const off = offsetMs === undefined ? 0 : offsetMs - this.wallOffset();
    return Math.abs(off) > GLANCE_MS ? off : 0;
  }

  /** Looks at the clocks, which costs next to nothing without `system`. */
  look(system?: SystemTime): ClockState {
    const { clock } = this.options;
    return this.become(this.trust.look(clock.now(), clock.monotonic(), system));
  }

  cloud(time: number): void {
    const { clock } = this.options;
    this.become(this.trust.cloud(time, clock.now(), clock.monotonic()));
  }

  /** Takes an operator's word for the wall clock, and keeps it. */
  async operator(): Promise<void> {
    const { clock } = this.options;
    this.become(this.trust.operator(clock.now(), clock.monotonic()));
    await this.save();
  }

  /** Calls back when the time becomes known or unknown. Returns the unsubscriber. */
  onChange(listener: (state: ClockState) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** How a boot is dated; undefined while that is not known. */
  datings(): Map<string, Dating> {
    return datings([...this.boots.values()], this.options.boot);
  }

  /** This boot as it is to be stored, for whoever commits what hangs on it. */
  change(): Change {
    const { boot, clock } = this.options;
    const own = this.boots.get(boot)!;
    const value = { ...own, last: clock.monotonic() };
    this.boots.set(boot, value);
    return { kind: 'document', namespace: BOOTS, key: boot, value };
  }

  /** Stores this boot, and forgets the oldest ones beyond `MAX_BOOTS`. */
  async save(): Promise<void> {
    const changes = [this.change()];
    const oldest = [...this.boots.values()].toSorted((a, b) => a.order - b.order).slice(0, -MAX_BOOTS);
    for (const { id } of oldest) changes.push({ kind: 'document', namespace: BOOTS, key: id, value: undefined });
    await this.options.vault.commit(changes);
    for (const { id } of oldest) this.boots.delete(id);
    this.stored = this.digest();
  }

  /** Whether `save` would store more than that time has passed. */
  get unsaved(): boolean {
    return this.stored !== this.digest();
  }

  private become(state: ClockState): ClockState {
    const before = this.current;
    this.current = state;
    const { boot, clock } = this.options;
    const { offset, doubtFrom, ...own } = this.boots.get(boot)!;
    if (state.offsetMs !== undefined) {
      const moved = offset === undefined || Math.abs(offset - state.offsetMs) > MOVED_MS;
      if (moved || doubtFrom !== undefined) this.boots.set(boot, { ...own, offset: state.offsetMs });
    } else if (doubtFrom === undefined)
      this.boots.set(boot, { ...own, ...(offset !== undefined && { offset }), doubtFrom: clock.monotonic() });
    if (before.trusted !== state.trusted) for (const listener of this.listeners) listener(state);
    return state;
  }

  private digest(): string {
    const { offset, doubtFrom } = this.boots.get(this.options.boot)!;
    return `${offset ?? ''} ${doubtFrom === undefined}`;
  }
}
