import path from 'node:path';
import type { Identity } from '@tidegate/nodes/sync';
import { enrolGateway } from '../../../../cloud-bridge/src/enrol.ts';
import { Random } from '../random.ts';
import type { Breakage } from './breakage.ts';
import { Busy } from './busy.ts';
import { judge, type Verdict } from './judge.ts';
import { Cloud, DATABASE } from './cloud.ts';
import { CloudHistory } from './cloud-history.ts';
import { FAULTS, type Scene } from './faults.ts';
import { Flow } from './flow.ts';
import { Gateway } from './gateway.ts';
import { Ledger } from './ledger.ts';
import { Broker, CALM } from './network.ts';
import { GATEWAYS, type Template } from './template.ts';
import { World } from './world.ts';

/** Steps of the loop after which a round does not end. */
const MOST_STEPS = 100_000;
const MINUTE = 60_000;
/** What the protocol's own waits add up to at worst once the link is calm: a pause of HELLO, a time-out of a frame. */
export const CATCH_UP_MS = 3 * MINUTE;
/** The same with gaps and blocks of earlier incarnations, whose questions are repeated after up to ten minutes. */
export const SETTLE_MS = 30 * MINUTE;

export interface RoundResult extends Verdict {
  faults: number;
  frames: number;
  /** Gateways that gave up their incarnation to a lost disk of theirs. */
  gaveWay: number;
  /** Simulated milliseconds from the end of the faults until everything new was in the cloud. */
  caughtUpMs: number;
}

/** One seed: faults at random for some simulated minutes, then calm, then the reckoning. */
export class Round implements Scene {
  readonly world: World;
  readonly busy = new Busy();
  readonly broker: Broker;
  readonly cloud: Cloud;
  readonly gateways: readonly Gateway[];
  readonly flows = new Map<Gateway, Flow>();
  readonly random: Random;
  readonly ledger = new Ledger();
  readonly history: CloudHistory;
  readonly documents = new Map<string, unknown>();
  readonly databaseFile: string;
  imagedAt = -Infinity;
  private readonly identity: Identity;
  private readonly acts: string[] = [];
  private over = false;

  constructor(seed: string, template: Template, breakage?: Breakage) {
    this.random = new Random(seed);
    this.world = new World(this.random);
    this.broker = new Broker(this.world);
    const { world, busy, broker, ledger, random } = this;
    const home = template.place('cloud');
    this.databaseFile = path.join(home, DATABASE);
    this.history = new CloudHistory(this.databaseFile);
    const { history } = this;
    const { identity } = template;
    this.identity = identity;
    const common = { world, busy, broker, ledger, history, breakage };
    this.cloud = new Cloud({ ...common, home, identity }, template.cloud);
    this.gateways = GATEWAYS.slice(0, random.chance(0.25) ? 2 : 1).map(
      (name) =>
        new Gateway(
          { ...common, name, home: template.place(name), intervalMs: random.pick([1_000, 5_000, 20_000]) },
          template.gateways.get(name)!,
        ),
    );
    for (const gateway of this.gateways) this.flows.set(gateway, new Flow(gateway, random));
  }

  /** Rejects with what went wrong. */
  async run(): Promise<RoundResult> {
    try {
      this.cloud.start();
      for (const gateway of this.gateways) gateway.start();
      this.tick();
      for (let acts = this.random.between(6, 30); acts > 0; acts--) {
        const fault = this.random.pick(FAULTS);
        this.acts.push(fault.name);
        fault(this);
        await this.pass(this.random.pick([0, 5, 60, 700, 5_000, 30_000]) * this.random.fraction() * 2);
      }
      this.calm();
      const caughtUpMs = await this.catchUp();
      const double = this.gateways.find(({ contested }) => contested !== undefined);
      if (double !== undefined) throw new Error(`${double.name} writes under the incarnation of a lost disk`);
      const verdict = await judge(this);
      const gaveWay = this.gateways.reduce((sum, gateway) => sum + gateway.gaveWay, 0);
      return { ...verdict, faults: this.acts.length, frames: this.broker.frames, gaveWay, caughtUpMs };
    } finally {
      for (const gateway of this.gateways) await gateway.close();
      this.cloud.close();
    }
  }

  /** What was done so far, for a report. */
  get story(): string {
    return this.acts.join(', ');
  }

  act(word: string): void {
    this.acts.push(word);
  }

  readonly later = (ms: number, run: () => void): void =>
    this.world.after(ms, () => {
      if (!this.over) run();
    });

  /** The faults are over: what is down starts, what is wrong with links ends. */
  private calm(): void {
    this.acts.push('calm');
    this.over = true;
    this.broker.start();
    this.cloud.start();
    for (const machine of [...this.gateways, this.cloud])
      Object.assign(machine.weather, { ...CALM, deaf: { up: false, down: false } });
    this.cloud.dieAt(Infinity, true);
    this.cloud.clock.skew = 0;
    for (const gateway of this.gateways) {
      gateway.clogged = false;
      gateway.dieAt(Infinity, true);
      gateway.start();
    }
  }

  private async catchUp(): Promise<number> {
    for (let attempt = 0; ; attempt++) {
      const from = this.world.now;
      await this.pass(CATCH_UP_MS, () => this.isCaughtUp() || this.isForgotten() || this.isFenced());
      const took = this.world.now - from;
      if (this.isFenced()) {
        if (attempt > 2 * this.gateways.length) throw new Error(`fenced again and again: ${this.stateWords()}`);
        await this.startAnew();
        continue;
      }
      if (!this.isForgotten()) {
        if (!this.isCaughtUp()) throw new Error(`not caught up after ${CATCH_UP_MS} ms of calm: ${this.stateWords()}`);
        await this.pass(SETTLE_MS, () => this.isSettled());
        if (!this.isSettled()) throw new Error(`not settled after ${SETTLE_MS} ms of calm: ${this.stateWords()}`);
        // What is still under way must change nothing any more, and everybody notices with whom it speaks.
        await this.pass(4 * MINUTE);
        if (!this.isForgotten() && !this.isFenced()) return took;
      }
      if (!this.isForgotten()) continue;
      if (attempt > 2 * this.gateways.length || this.history.restores === 0)
        throw new Error(`a cloud that lost nothing does not know its gateway: ${this.stateWords()}`);
      await this.enrolAgain();
    }
  }

  /** The cloud’s database is one of before the enrolment, and the gateway says so. */
  private isForgotten(): boolean {
    return this.gateways.some((gateway) => isForgotten(gateway));
  }

  /** What a person does about it. */
  private async enrolAgain(): Promise<void> {
    const { cloud } = this;
    for (const gateway of this.gateways.filter(isForgotten)) {
      this.acts.push(`enrol ${gateway.name}`);
      gateway.kill();
      const { name } = gateway;
      gateway.enrolAgain((await enrolGateway(cloud.answers, this.identity, cloud.clock, { name })).token);
      gateway.start();
    }
  }

  private isFenced(): boolean {
    return this.gateways.some((gateway) => gateway.isFenced);
  }

  /** What a person does about it. */
  private async startAnew(): Promise<void> {
    for (const gateway of this.gateways.filter((one) => one.isFenced)) {
      this.acts.push(`start ${gateway.name} anew`);
      if (gateway.contested === undefined)
        throw new Error(`${gateway.name} is fenced, and there was no other one: ${gateway.session!.status().reason}`);
      // It stores that it gives way before it is done.
      await this.busy.quiet();
      gateway.kill();
      gateway.start();
    }
  }

  private isCaughtUp(): boolean {
    return this.gateways.every((gateway) => {
      const status = gateway.session?.status();
      if (status === undefined) return false;
      const { state, blocksWaiting, alertsWaiting } = status;
      // A restored cloud holds less than was delivered to it; and what this flow gives up, its vault takes for delivered.
      const differs = this.history.restores > 0 || this.flows.get(gateway)!.gaveUp;
      const isUp = state === 'up-to-date' || (state === 'conflict' && differs);
      return isUp && blocksWaiting === 0 && alertsWaiting === 0;
    });
  }

  private isSettled(): boolean {
    return (
      this.isCaughtUp() &&
      [...this.ledger.blocks.values(), ...this.ledger.alerts.values()].every(({ fate }) => fate !== 'waiting') &&
      this.gateways.every(({ session }) => session!.status().orphansWaiting === 0)
    );
  }

  private stateWords(): string {
    const { alive, refused } = this.cloud;
    const ends = this.gateways.map(({ name, session }) => `${name} ${JSON.stringify(session?.status())}`);
    return [...ends, `the cloud ${alive ? 'runs' : 'is down'}, and refused last: ${refused.at(-1) ?? 'nothing'}`].join(
      '; ',
    );
  }

  /** What goes on without anybody's doing. */
  private tick(): void {
    this.broker.keepAlive();
    this.world.after(5_000, () => this.tick());
  }

  /** Lets things happen for so long, or until `done`. */
  private async pass(ms: number, done: () => boolean = () => false): Promise<void> {
    const end = this.world.now + ms;
    for (let step = 0; step < MOST_STEPS; step++) {
      await this.busy.quiet();
      if (await this.stepped()) continue;
      if (done()) return;
      const wakes = this.gateways.map(({ wakeAt }) => wakeAt);
      const next = Math.min(this.world.next, ...wakes);
      if (next > end) {
        this.world.now = end;
        return;
      }
      this.world.now = Math.max(this.world.now, next);
      this.world.happen();
    }
    throw new Error(`${MOST_STEPS} steps, and no end: ${this.stateWords()}`);
  }

  private async stepped(): Promise<boolean> {
    const due = this.gateways.filter(({ wakeAt }) => wakeAt <= this.world.now);
    for (const gateway of due) gateway.step();
    if (due.length > 0) await this.busy.quiet();
    return due.length > 0;
  }
}

const isForgotten = ({ session }: Gateway): boolean => {
  const { state, reason } = session?.status() ?? {};
  return state === 'error' && /does not know/.test(reason ?? '');
};
