import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { promisify } from 'node:util';
import type { Clock } from './clock.ts';
import type { SystemTime } from './clock-trust.ts';
import { reasonOf } from './errors.ts';

const run = promisify(execFile);

/** No version of this program is older: a clock that is behind this is wrong. */
export const BUILT = Date.UTC(2025, 0, 1);

/** Longest that chronyc may take to answer, ms. */
const CHRONYC_MS = 2_000;
/** chrony's own estimate of how wrong the clock is, seconds, up to which it counts as synchronised. */
const CHRONY_OFFSET_S = 1;
const LOOK_EVERY_MS = 1_000;
/** The time service is asked so often while the time is not known, and while it is. */
const ASK_EVERY_MS = 5_000;
const ASK_RARELY_MS = 60_000;
const SAVE_EVERY_MS = 600_000;

let ownBoot: string | undefined;

/** Id of this start of the machine: the kernel's, or one for this process where there is none (proc(5), random(4)). */
export function bootId(file = '/proc/sys/kernel/random/boot_id'): string {
  try {
    const id = readFileSync(file, 'utf8').trim();
    if (/^[0-9a-f-]{36}$/.test(id)) return id;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
  }
  return (ownBoot ??= randomUUID());
}

/** Milliseconds from the start of the machine to that of this process's monotonic clock: on Linux `hrtime` counts from there. */
const PROCESS_STARTED = Number(process.hrtime.bigint()) / 1e6 - performance.now();

/** As `systemClock`, but monotonic time counts from the start of the machine, so that it goes on over a restart of the process. */
export const bootClock: Clock = {
  now: () => Date.now(),
  monotonic: () => PROCESS_STARTED + performance.now(),
};

export interface TimeServicePlaces {
  /** Directory that systemd-timesyncd has while it runs; it touches `synchronized` in it (systemd-timesyncd.service(8)). */
  timesyncd?: string;
  /** Directory that chronyd has while it runs. */
  chrony?: string;
  chronyc?: string;
}

/** Asks the system's time service. What it does not say counts as not synchronised. */
export async function askTimeService({
  timesyncd = '/run/systemd/timesync',
  chrony = '/run/chrony',
  chronyc = 'chronyc',
}: TimeServicePlaces = {}): Promise<SystemTime> {
  const touched = statSync(`${timesyncd}/synchronized`, { throwIfNoEntry: false });
  if (touched !== undefined) return { state: 'synchronised', stamp: String(touched.mtimeMs) };
  if (existsSync(chrony)) return askChrony(chronyc);
  return { state: existsSync(timesyncd) ? 'unsynchronised' : 'absent' };
}

/** `chronyc -c tracking`: field 4 is the time of the last update, 5 the offset in seconds, the last one the leap status (chronyc(1)). */
async function askChrony(chronyc: string): Promise<SystemTime> {
  try {
    const { stdout } = await run(chronyc, ['-n', '-c', 'tracking'], { timeout: CHRONYC_MS, maxBuffer: 65_536 });
    const fields = stdout.trim().split(',');
    const offset = Math.abs(Number(fields[4]));
    const synchronised = fields.length >= 14 && fields.at(-1) !== 'Not synchronised' && offset <= CHRONY_OFFSET_S;
    return { state: synchronised ? 'synchronised' : 'unsynchronised', stamp: fields[3] ?? '' };
  } catch (error) {
    return { state: 'unsynchronised', stamp: `chronyc: ${reasonOf(error).slice(0, 100)}` };
  }
}

/** What watches a clock: see Timekeeper. */
export interface Watched {
  readonly state: { trusted: boolean };
  readonly unsaved: boolean;
  look(system?: SystemTime): unknown;
  save(): Promise<void>;
}

/** Looks at the clock and at the time service until it is stopped, and stores what was learnt. */
export class ClockWatch {
  private readonly watched: Watched;
  private readonly places: TimeServicePlaces;
  private readonly report: (error: unknown) => void;
  private timer: NodeJS.Timeout | undefined;
  private round: Promise<void> | undefined;
  private askedAt = -Infinity;
  private savedAt = performance.now();

  constructor(watched: Watched, report: (error: unknown) => void, places: TimeServicePlaces = {}) {
    this.watched = watched;
    this.places = places;
    this.report = report;
  }

  /** Resolves when the clock has been looked at for the first time. */
  async start(): Promise<void> {
    await this.look();
    this.timer = setInterval(() => {
      this.round ??= this.look().finally(() => {
        this.round = undefined;
      });
    }, LOOK_EVERY_MS);
    this.timer.unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    this.timer = undefined;
    await this.round;
  }

  /** Never rejects. */
  private async look(): Promise<void> {
    const { watched } = this;
    try {
      const now = performance.now();
      watched.look();
      if (now - this.askedAt >= (watched.state.trusted ? ASK_RARELY_MS : ASK_EVERY_MS)) {
        this.askedAt = now;
        watched.look(await askTimeService(this.places));
      }
      if (!watched.unsaved && now - this.savedAt < SAVE_EVERY_MS) return;
      this.savedAt = now;
      await watched.save();
    } catch (error) {
      this.report(error);
    }
  }
}
