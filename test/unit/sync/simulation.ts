import { setImmediate as turn } from 'node:timers/promises';
import { sharedStateOf } from '@tidegate/nodes/state';
import {
  Session,
  loadEnrolment,
  outgoingOf,
  storeEnrolment,
  topicOf,
  type Lane,
  type Outgoing,
} from '@tidegate/nodes/sync';
import type { Vault } from '@tidegate/nodes/vault';
import { CloudEnd, type SentFrame } from './cloud-end.ts';
import { SetClock, seeded } from './rig.ts';

/** What a link does to frames. */
export interface Weather {
  /** Probabilities of loss and of delivery twice. */
  loss: number;
  twice: number;
  /** Frames take between these many milliseconds, each on its own: they overtake one another. */
  delay: [least: number, most: number];
}

export const CALM: Weather = { loss: 0, twice: 0, delay: [5, 5] };

/**
 * A session and a cloud with a simulated link and a simulated clock between them. Everything else is real: the vault,
 * the outbox, the frames. What happens follows from the seed.
 */
export class Simulation {
  readonly clock: SetClock;
  readonly cloud: CloudEnd;
  weather: Weather = CALM;
  session!: Session;
  framesUp = 0;
  bytesUp = 0;
  largest = 0;
  /** Longest time from handing over to delivery is not bounded by the lane: set to refuse frames. */
  full = false;
  /** The engine declares gaps without a word; what a flow's own commit declares would be heard of. */
  hearsOfGaps = false;
  private readonly vault: Vault;
  private readonly random: () => number;
  private readonly lanes = { alert: false, bulk: false };
  private events: { at: number; run: () => void }[] = [];
  private epoch = 0;
  private woken = false;
  private outstanding = 0;
  private unsubscribe: (() => void)[] = [];

  constructor(vault: Vault, seed = 1, clock = new SetClock(), cloud = new CloudEnd(clock)) {
    this.vault = watched(vault, (change) => {
      this.outstanding += change;
    });
    this.random = seeded(seed);
    this.clock = clock;
    this.cloud = cloud;
  }

  /** The outbox's door that the session listens to. */
  outgoing(): Promise<Outgoing> {
    return outgoingOf(this.vault);
  }

  /** Begins a session, as a start of the gateway does. */
  async start(intervalMs = 60_000): Promise<void> {
    const { vault, clock, random } = this;
    const enrolment = (await loadEnrolment(vault)) ?? (await storeEnrolment(vault, this.cloud.token));
    const outgoing = await outgoingOf(vault);
    const state = await sharedStateOf(vault);
    const transport = {
      send: (lane: Lane, type: 'hello', frame: Uint8Array): boolean => {
        if (!this.lanes[lane]) throw new Error(`a frame on the ${lane} lane, which is down`);
        if (this.full) return false;
        const { tenant, gateway } = enrolment;
        this.framesUp++;
        this.bytesUp += frame.length;
        this.largest = Math.max(this.largest, frame.length);
        this.travel(() => this.deliver(topicOf({ tenant, gateway, direction: 'up', type }), frame));
        return true;
      },
    };
    const session = new Session({
      vault,
      outgoing,
      state,
      enrolment,
      transport,
      clock,
      random,
      intervalMs,
      wake: () => {
        this.woken = true;
      },
    });
    this.session = session;
    this.unsubscribe = [
      outgoing.onAlert((alert) => session.alertCommitted(alert)),
      vault.onChange(({ kind, name }) => {
        if (kind === 'block' || kind === 'alert') session.outboxChanged(kind);
        else if (name === 'grants') session.outboxChanged('grants');
        else if (name === 'gap' && this.hearsOfGaps) session.outboxChanged('gap');
      }),
    ];
  }

  connect(...lanes: Lane[]): void {
    for (const lane of lanes.length === 0 ? (['alert', 'bulk'] as const) : lanes) {
      this.lanes[lane] = true;
      this.session.connected(lane);
    }
  }

  /** Frames that are under way are lost. */
  disconnect(): void {
    this.epoch++;
    for (const lane of ['alert', 'bulk'] as const) {
      if (this.lanes[lane]) this.session.disconnected(lane, 'the link was cut');
      this.lanes[lane] = false;
    }
  }

  /** Stops without a word to anybody, as a crash does. */
  crash(): void {
    this.epoch++;
    this.lanes.alert = false;
    this.lanes.bulk = false;
    for (const unsubscribe of this.unsubscribe) unsubscribe();
  }

  after(ms: number, run: () => void): void {
    this.events.push({ at: this.clock.time + ms, run });
    this.events = this.events.toSorted((a, b) => a.at - b.at);
  }

  /** Lets things happen for so long, or until `done`. */
  async run(ms: number, done: () => boolean = () => false): Promise<void> {
    const end = this.clock.time + ms;
    for (let guard = 0; guard < 200_000; guard++) {
      await this.quiet();
      do {
        this.woken = false;
        await this.session.step();
        await this.quiet();
      } while (this.woken);
      if (done()) return;
      const wake = this.session.nextWake() - this.clock.monotonic();
      const next = Math.min(
        this.events[0]?.at ?? Infinity,
        wake === Infinity ? Infinity : this.clock.time + Math.max(wake, 1),
      );
      if (next > end) {
        this.clock.time = end;
        return;
      }
      this.clock.time = Math.max(this.clock.time, next);
      while (this.events.length > 0 && this.events[0].at <= this.clock.time) this.events.shift()!.run();
    }
    throw new Error('the session asks for steps without end');
  }

  /** Hands something to the session as if the cloud had sent it. */
  down({ topic, frame }: SentFrame): void {
    this.travel(() => this.session.received(topic, frame));
  }

  private deliver(topic: string, frame: Uint8Array): void {
    for (const answer of this.cloud.receive(topic, frame)) this.down(answer);
  }

  private travel(arrive: () => void): void {
    const { loss, twice, delay } = this.weather;
    const epoch = this.epoch;
    const copies = this.random() < loss ? 0 : this.random() < twice ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      const [least, most] = delay;
      this.after(least + this.random() * (most - least), () => {
        if (this.epoch === epoch) arrive();
      });
    }
  }

  /** Real work of the vault takes no simulated time. */
  private async quiet(): Promise<void> {
    for (let idle = 0; idle < 3; idle++) {
      while (this.outstanding > 0) {
        await turn();
        idle = 0;
      }
      await turn();
    }
  }
}

/** The vault, with its unfinished calls counted. */
function watched(vault: Vault, count: (change: 1 | -1) => void): Vault {
  const wrap = <T extends object>(target: T): T =>
    new Proxy(target, {
      get(object, property) {
        const member: unknown = Reflect.get(object, property, object);
        if (typeof member === 'object' && member !== null) return wrap(member);
        if (typeof member !== 'function') return member;
        return (...parameters: unknown[]): unknown => {
          const result: unknown = Reflect.apply(member, object, parameters);
          if (result instanceof Promise) {
            count(1);
            result.then(
              () => count(-1),
              () => count(-1),
            );
          }
          return result;
        };
      },
    });
  return wrap(vault);
}
