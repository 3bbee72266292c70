/** What the system's time service says. `stamp` changes with each synchronisation, so that an old one is not taken for news. */
export interface SystemTime {
  state: 'synchronised' | 'unsynchronised' | 'absent';
  stamp?: string;
}

export interface ClockState {
  /** Whether the right time is known. */
  trusted: boolean;
  /** Why it is, or why not, for a person. */
  reason: string;
  /** The right time is monotonic time plus this, milliseconds; undefined while it is not known. */
  offsetMs: number | undefined;
}

export interface ClockTrustOptions {
  /** Latest time, epoch milliseconds, that was trusted before; undefined for a new vault. */
  newestTrusted: number | undefined;
  /** When this program was made: no right clock is behind it. */
  built: number;
}

/** A wall clock that goes back by more, or forward by more, against the monotonic one was set, milliseconds. */
export const STEP_BACK_MS = 1_000;
export const STEP_FORWARD_MS = 30_000;
/** A wall clock this near to the cloud's time is right. */
export const NEAR_CLOUD_MS = 60_000;
/** Longest time that a device without any time service may have been off and still be believed. */
const YEAR_MS = 366 * 86_400_000;
const LATEST_WITHOUT_PAST_MS = 20 * YEAR_MS;

type Source = 'system' | 'operator' | 'cloud' | 'plausible' | 'undone';

const WORDS: Record<Source, string> = {
  system: 'the system’s time service has synchronised it',
  operator: 'an operator has confirmed it',
  cloud: 'it is the cloud’s time',
  undone: 'the step that made it doubtful was taken back',
  plausible: 'there is no time service, and it follows on the last trusted time',
};

/**
 * Whether the wall clock is to be believed. Evidence, best first: the system's time service, an operator's word, the
 * cloud's time; where no time service runs, that it follows plausibly on the last trusted time. A step of the wall clock
 * against the monotonic one ends the trust until there is new evidence, or until the step is taken back.
 */
export class ClockTrust {
  private readonly options: ClockTrustOptions;
  private source: Source | undefined;
  /** Wall less monotonic time, as last seen. */
  private seen: number | undefined;
  /** The same when it was last trusted, and the stamp of the time service at the step that ended that. */
  private stepped: { from: number | undefined; by: number; stamp: string | undefined } | undefined;
  private system: SystemTime = { state: 'absent' };
  private looked = false;
  /** The cloud's time less ours; of several the latest, because an old answer may be played again. */
  private cloudOffset: number | undefined;

  constructor(options: ClockTrustOptions) {
    this.options = options;
  }

  /** To be called often; `system` when it was asked. Returns the state after it. */
  look(wall: number, monotonic: number, system?: SystemTime): ClockState {
    const offset = wall - monotonic;
    const step = this.seen === undefined ? 0 : offset - this.seen;
    this.seen = offset;
    // With the stamp from before the step: a synchronisation that came with it confirms it.
    if (step < -STEP_BACK_MS || step > STEP_FORWARD_MS) this.step(step);
    if (system !== undefined) {
      this.system = system;
      this.looked = true;
    }
    if (this.looked && this.source !== 'system' && this.source !== 'operator') this.judge(wall, offset);
    return this.state();
  }

  /** The cloud's time came, just now. */
  cloud(time: number, wall: number, monotonic: number): ClockState {
    const { newestTrusted = 0, built } = this.options;
    if (time >= Math.max(newestTrusted - NEAR_CLOUD_MS, built))
      this.cloudOffset = Math.max(time - monotonic, this.cloudOffset ?? -Infinity);
    return this.look(wall, monotonic);
  }

  /** An operator says that the wall clock is right. */
  operator(wall: number, monotonic: number): ClockState {
    this.look(wall, monotonic);
    this.trust('operator');
    return this.state();
  }

  state(): ClockState {
    if (this.source === undefined) return { trusted: false, reason: this.doubt(), offsetMs: undefined };
    const offsetMs = this.source === 'cloud' ? this.cloudOffset : this.seen;
    return { trusted: true, reason: WORDS[this.source], offsetMs };
  }

  private step(by: number): void {
    // With the cloud's time in force the wall clock does not count, and one that was never right may be set right.
    if (this.source === 'cloud' || (this.source === undefined && this.stepped === undefined)) return;
    const from = this.stepped?.from ?? (this.source === undefined ? undefined : (this.seen ?? 0) - by);
    this.stepped = { from, by: (this.stepped?.by ?? 0) + by, stamp: this.system.stamp };
    this.source = undefined;
  }

  private judge(wall: number, offset: number): void {
    const { state, stamp } = this.system;
    const { stepped } = this;
    if (state === 'synchronised' && (stepped === undefined || stamp !== stepped.stamp)) this.trust('system');
    else if (this.cloudOffset !== undefined) this.source = 'cloud';
    else if (stepped?.from !== undefined && Math.abs(offset - stepped.from) <= STEP_BACK_MS) this.trust('undone');
    else if (this.source === undefined && stepped === undefined && state === 'absent' && this.isPlausible(wall))
      this.trust('plausible');
    // Of two that agree the wall clock is the finer one; after a step the cloud's time as it was then holds.
    if (this.source === 'cloud' && Math.abs(offset - (this.cloudOffset ?? 0)) <= NEAR_CLOUD_MS)
      this.cloudOffset = offset;
  }

  private trust(source: Source): void {
    this.source = source;
    this.stepped = undefined;
  }

  private isPlausible(wall: number): boolean {
    const { newestTrusted, built } = this.options;
    if (wall < Math.max(built, (newestTrusted ?? 0) - STEP_BACK_MS)) return false;
    return wall <= (newestTrusted === undefined ? built + LATEST_WITHOUT_PAST_MS : newestTrusted + YEAR_MS);
  }

  private doubt(): string {
    if (!this.looked) return 'it has not been looked at yet';
    if (this.stepped !== undefined) {
      const seconds = Math.round(this.stepped.by / 1000);
      return `it was set ${seconds < 0 ? 'back' : 'forward'} by ${Math.abs(seconds)} s while this ran, and nothing has confirmed it`;
    }
    if (this.system.state === 'unsynchronised') return 'the system’s time service has not synchronised it yet';
    return 'there is no time service, and it does not follow on the last trusted time';
  }
}
