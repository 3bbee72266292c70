import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { FrameCodec, parseTopic, type Identity } from '@tidegate/nodes/sync';
import { HybridClock } from '@tidegate/nodes/state';
import { Intake } from '../../../../cloud-bridge/src/merge/intake.ts';
import { Merger } from '../../../../cloud-bridge/src/merge/merger.ts';
import { Refusals } from '../../../../cloud-bridge/src/merge/refusals.ts';
import { Replies } from '../../../../cloud-bridge/src/merge/replies.ts';
import { openSqliteStore } from '../../../../cloud-bridge/src/store/sqlite-store.ts';
import type { Store } from '../../../../cloud-bridge/src/store/store.ts';
import type { Breakage } from './breakage.ts';
import type { Busy } from './busy.ts';
import type { CloudHistory } from './cloud-history.ts';
import { putFiles, readFiles, type Files } from './files.ts';
import type { Ledger } from './ledger.ts';
import { CALM, type Broker, type Client, type Connection, type Weather } from './network.ts';
import { MachineClock, type World } from './world.ts';

export const DATABASE = 'cloud.db';
const LANES = ['alerts', 'bulk'] as const;
const RECONNECT_MS = [300, 5_000] as const;
/** After the database has refused something. */
const PAUSE_MS = 500;
/** Calls of the store after which something else is on the disk. */
const CALLS: ReadonlySet<string | symbol> = new Set<keyof Store>([
  'merge',
  'hello',
  'enrol',
  'incarnation',
  'exchangeTicket',
  'markApplied',
  'held',
  'settled',
  'documents',
]);

export interface CloudParts {
  home: string;
  identity: Identity;
  world: World;
  busy: Busy;
  broker: Broker;
  ledger: Ledger;
  history: CloudHistory;
  breakage: Breakage | undefined;
}

/** The cloud's merging process, which may die at any call of its database, and the file that it leaves behind. */
export class Cloud {
  readonly clock: MachineClock;
  readonly weather: Weather = { ...CALM, deaf: { up: false, down: false } };
  alive = false;
  /** Why frames were refused, newest last. */
  readonly refused: string[] = [];
  private readonly parts: CloudParts;
  private readonly connections = new Map<(typeof LANES)[number], Connection>();
  private files: Files;
  private older = false;
  private life = 0;
  private store: Store | undefined;
  private intake = new Intake();
  private merger: Merger | undefined;
  private refusals = new Refusals();
  private working = false;
  private readonly deaths = new Map<number, PromiseWithResolvers<void>>();
  private doom: { calls: number; after: boolean } | undefined;

  constructor(parts: CloudParts, files: Files) {
    this.parts = parts;
    this.files = files;
    this.clock = new MachineClock(parts.world);
  }

  start(): void {
    if (this.alive) return;
    const { parts, clock, older } = this;
    const life = ++this.life;
    putFiles(parts.home, this.files);
    if (older) parts.history.settle(parts.ledger);
    this.older = false;
    this.alive = true;
    const opened = openSqliteStore(path.join(parts.home, DATABASE));
    this.store = opened;
    const store = this.mortal(life, parts.breakage?.store?.(opened, parts.world) ?? opened);
    const codec = new FrameCodec(parts.identity, clock);
    this.intake = new Intake();
    this.refusals = new Refusals();
    this.working = false;
    const replies = new Replies(codec, clock, (topic, frame) => this.publish(life, topic, frame));
    const { intake, refusals } = this;
    this.merger = new Merger({ store, codec, clock, intake, refusals, replies, changed: () => undefined });
    for (const lane of LANES) this.connect(lane, life);
  }

  dieAt(calls: number, after: boolean): void {
    this.doom = { calls, after };
  }

  kill(): void {
    if (!this.alive) return;
    const { store, parts } = this;
    this.alive = false;
    this.doom = undefined;
    this.deaths.get(this.life)?.resolve();
    this.files = this.onDisk();
    for (const connection of this.connections.values()) parts.broker.drop(connection);
    this.connections.clear();
    this.merger = undefined;
    this.store = undefined;
    parts.history.replaced(false);
    // Nothing is awaited in a close, and what it tidies up on the disk is put back.
    if (store !== undefined) parts.busy.track(store.close());
    putFiles(parts.home, this.files);
  }

  copy(): Files {
    return this.alive ? this.onDisk() : this.files;
  }

  /** Puts an older copy of the database in the place of what is there; the process has to be dead. */
  restore(copy: Files): void {
    this.parts.history.replaced(true);
    this.files = copy;
    this.older = true;
    putFiles(this.parts.home, copy);
    this.parts.history.settle(this.parts.ledger);
  }

  close(): void {
    this.kill();
    this.parts.history.close();
  }

  /** The store, for whoever asks what the cloud says of itself. */
  get answers(): Store {
    if (this.store === undefined) throw new Error('the cloud does not run');
    return this.store;
  }

  /** Sets a document as the API does it; `stored` is called once it is in the database. Ends with the process. */
  put(gateway: string, key: string, value: unknown, stored: () => void): Promise<void> {
    return Promise.race([this.set(gateway, key, value, stored), this.deathOf(this.life)]);
  }

  cut(reason: string): void {
    for (const connection of this.connections.values()) this.parts.broker.cut(connection, reason);
  }

  private async set(gateway: string, key: string, value: unknown, stored: () => void): Promise<void> {
    const { store, merger, clock } = this;
    const found = await store?.gateway('default', gateway);
    if (store === undefined || found === undefined) return;
    await store.putDocument(found.id, key, value, (newest) => {
      const hybrid = new HybridClock(clock, 'cloud');
      if (newest !== undefined) hybrid.observe(newest);
      return hybrid.next();
    });
    stored();
    await merger?.sendDocuments(found.id);
  }

  private connect(lane: (typeof LANES)[number], life: number): void {
    const { world, broker } = this.parts;
    const [least, most] = RECONNECT_MS;
    world.after(world.random.between(least, most), () => {
      if (!this.alive || this.life !== life) return;
      const connection = broker.connect(this.client(lane, life));
      if (connection === undefined) this.connect(lane, life);
      else this.connections.set(lane, connection);
    });
  }

  private client(lane: (typeof LANES)[number], life: number): Client {
    return {
      name: `cloud/${lane}`,
      weather: this.weather,
      wants: ({ direction, type }) => direction === 'up' && (type === 'alert') === (lane === 'alerts'),
      received: (address, _topic, bytes) => {
        if (this.life !== life || !this.alive) return;
        this.intake.offer({ address, bytes });
        this.work(life);
      },
      lost: () => {
        if (this.life !== life) return;
        this.connections.delete(lane);
        this.connect(lane, life);
      },
    };
  }

  private publish(life: number, topic: string, frame: Uint8Array): void {
    if (this.life !== life || !this.alive) return;
    if (parseTopic(topic)?.direction !== 'down') throw new Error(`the cloud publishes on ${topic}`);
    const connection = this.connections.get('alerts') ?? this.connections.get('bulk');
    if (connection !== undefined) this.parts.broker.publish(connection, topic, frame);
  }

  /** A step of the merger now, and the next one a little later: between two of them anything may happen. */
  private work(life: number): void {
    if (this.working) return;
    this.working = true;
    const { world, busy } = this.parts;
    const { merger } = this;
    world.after(world.random.between(0, 3), () => {
      if (this.life !== life || !this.alive || merger === undefined) return;
      const step = merger.step().then(
        (worked) => this.worked(life, worked, 0),
        (error: unknown) => {
          if (!isUnavailable(error)) busy.fail(error);
          this.worked(life, true, PAUSE_MS);
        },
      );
      busy.watch(Promise.race([step, this.deathOf(life)]));
    });
  }

  private worked(life: number, worked: boolean, pause: number): void {
    if (this.life !== life) return;
    this.working = false;
    const { strangers } = this.refusals;
    for (const { reason } of [...Object.values(this.refusals.takeChanged()), strangers])
      if (reason !== '' && this.refused.at(-1) !== reason) this.refused.push(reason);
    if (worked || this.intake.waiting > 0) this.parts.world.after(pause, () => this.work(life));
  }

  private deathOf(life: number): Promise<void> {
    let death = this.deaths.get(life);
    if (death === undefined) this.deaths.set(life, (death = Promise.withResolvers<void>()));
    return death.promise;
  }

  private mortal(life: number, store: Store): Store {
    return new Proxy(store, {
      get: (target, property) => {
        const member: unknown = Reflect.get(target, property, target);
        if (typeof member !== 'function' || !CALLS.has(property)) return member;
        return (...parameters: unknown[]): unknown => {
          const run = (): Promise<unknown> => Reflect.apply(member, target, parameters) as Promise<unknown>;
          return this.call(life, run);
        };
      },
    });
  }

  private call(life: number, run: () => Promise<unknown>): Promise<unknown> {
    const forever = new Promise(() => undefined);
    if (this.life !== life || !this.alive) return forever;
    const dies = this.doom !== undefined && --this.doom.calls <= 0;
    const die = (): Promise<unknown> => {
      this.kill();
      return forever;
    };
    if (dies && this.doom?.after === false) return die();
    const result = run();
    return dies ? result.then(die, die) : result;
  }

  private onDisk(): Files {
    return readFiles(this.parts.home, (name) => name === DATABASE || name === `${DATABASE}-wal`);
  }
}

function isUnavailable(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'store-unavailable';
}

/** A database as a new cloud makes it, as files; `fill` puts in what is there from the start. */
export async function emptyCloud(home: string, fill: (store: Store) => Promise<void>): Promise<Files> {
  const file = path.join(home, DATABASE);
  writeFileSync(file, '');
  const store = openSqliteStore(file);
  await fill(store);
  await store.close();
  return readFiles(home, (name) => name === DATABASE);
}
