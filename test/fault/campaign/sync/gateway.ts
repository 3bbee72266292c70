import path from 'node:path';
import { sharedStateOf } from '@tidegate/nodes/state';
import {
  Session,
  loadEnrolment,
  storeEnrolment,
  outgoingOf,
  topicOf,
  type Address,
  type FrameType,
  type Lane,
  type Outgoing,
} from '@tidegate/nodes/sync';
import { openLocalVault, type Change, type ChangeResult, type Vault, type VaultOptions } from '@tidegate/nodes/vault';
import { watchedVault } from '../../../support/watched-vault.ts';
import { Auditor } from './auditor.ts';
import type { Breakage } from './breakage.ts';
import type { Busy } from './busy.ts';
import type { CloudHistory } from './cloud-history.ts';
import { putFiles, readFiles, type Files } from './files.ts';
import type { Ledger } from './ledger.ts';
import { CALM, type Broker, type Client, type Connection, type Weather } from './network.ts';
import { MachineClock, type World } from './world.ts';

export const TENANT = 'default';
const LANES: readonly Lane[] = ['alert', 'bulk'];
/** A session that asks for a step again and again gets one this often, as its bridge does it. */
const SHORTEST_WAIT_MS = 5;
const RECONNECT_MS = [300, 8_000] as const;
const PLACE = 'vault.place';

export interface GatewayParts {
  name: string;
  /** Holds `vault` and `key`. */
  home: string;
  world: World;
  busy: Busy;
  broker: Broker;
  ledger: Ledger;
  history: CloudHistory;
  breakage: Breakage | undefined;
  /** Blocks are sent in batches at this interval, milliseconds. */
  intervalMs: number;
}

export function vaultOptions(home: string): VaultOptions {
  return {
    directory: path.join(home, 'vault'),
    key: { file: path.join(home, 'key') },
    sizes: { unfolded: 65_536, journalFile: 32_768 },
    budget: { quotaBytes: 1 << 30, ballastBytes: 0 },
  };
}

/** A gateway's process, which may die at any call of its vault, and the disk that it leaves behind. */
export class Gateway {
  readonly name: string;
  readonly clock: MachineClock;
  readonly auditor: Auditor;
  readonly weather: Weather = { ...CALM, deaf: { up: false, down: false } };
  /** Its connections take no more frames for now. */
  clogged = false;
  alive = false;
  /** Past the vault's calls that a start makes. */
  running = false;
  /** Past the auditor. */
  vault: Vault | undefined;
  /** As the process has it. */
  watched: Vault | undefined;
  outgoing: Outgoing | undefined;
  session: Session | undefined;
  wakeAt = Infinity;
  /** The incarnation under which this disk and a lost one have both written, until the gateway gives it up. */
  contested: string | undefined;
  /** How often it did. */
  gaveWay = 0;
  /** Problems that the vault was opened with. */
  problems: readonly string[] = [];
  private readonly parts: GatewayParts;
  private readonly connections = new Map<Lane, Connection>();
  private files: Files;
  private older = false;
  private token: string | undefined;
  private opening: Promise<Vault> | undefined;
  private life = 0;
  private ended: Promise<unknown> = Promise.resolve();
  private died = Promise.withResolvers<void>();
  private doom: { calls: number; after: boolean } | undefined;

  constructor(parts: GatewayParts, files: Files) {
    this.parts = parts;
    this.name = parts.name;
    this.clock = new MachineClock(parts.world);
    this.auditor = new Auditor(parts.name, parts.ledger, parts.history);
    this.files = files;
  }

  /** Starts on the disk as it was left. */
  start(): void {
    if (this.alive) return;
    this.alive = true;
    this.life++;
    this.died = Promise.withResolvers<void>();
    this.parts.busy.track(Promise.race([this.boot(this.life), this.died.promise]));
  }

  /** Dies at a later call of its vault, before or after it does its work. */
  dieAt(calls: number, after: boolean): void {
    this.doom = { calls, after };
  }

  /** Dies here and now, as by SIGKILL. */
  kill(): void {
    if (!this.alive) return;
    this.alive = false;
    this.running = false;
    this.doom = undefined;
    if (this.opening !== undefined) this.files = readFiles(this.directory);
    this.wakeAt = Infinity;
    for (const connection of this.connections.values()) this.parts.broker.drop(connection);
    this.connections.clear();
    this.died.resolve();
    const { opening } = this;
    this.opening = undefined;
    this.vault = undefined;
    this.watched = undefined;
    this.outgoing = undefined;
    this.session = undefined;
    if (opening === undefined) return;
    this.ended = opening.then((vault) => vault.close());
    this.parts.busy.track(this.ended);
  }

  /** What lies on the disk at this moment. */
  copy(): Files {
    return this.opening === undefined ? this.files : readFiles(this.directory);
  }

  /**
   * Puts an older copy in the place of what is there; the process has to be dead. `contested`: as an image of the whole disk,
   * so that only the cloud can tell, and this incarnation went on after the copy was made.
   */
  restore(copy: Files, contested?: string): void {
    this.files = copy;
    this.older = true;
    this.contested = contested;
  }

  /** The cloud has said that somebody else writes under its incarnation. */
  get isFenced(): boolean {
    return /once this gateway is started anew/.test(this.session?.status().reason ?? '');
  }

  /** Somebody gives it a new token; the process has to be dead. */
  enrolAgain(token: string): void {
    this.token = token;
  }

  async close(): Promise<void> {
    this.kill();
    await this.ended;
  }

  /** Lets the session do what it can. */
  step(): void {
    const { session } = this;
    if (session === undefined || !this.alive) return;
    this.wakeAt = Infinity;
    void session.step().then(() => this.sleep(session));
  }

  private sleep(session: Session): void {
    if (session !== this.session) return;
    const wait = session.nextWake() - this.clock.monotonic();
    this.wakeAt = Math.min(this.wakeAt, this.parts.world.now + Math.max(wait, SHORTEST_WAIT_MS));
  }

  cut(reason: string): void {
    for (const connection of this.connections.values()) this.parts.broker.cut(connection, reason);
  }

  get connected(): boolean {
    return this.connections.size === LANES.length;
  }

  private get directory(): string {
    return path.join(this.parts.home, 'vault');
  }

  private async boot(life: number): Promise<void> {
    await this.ended;
    if (this.life !== life || !this.alive) return;
    const { directory, parts, older } = this;
    putFiles(directory, this.files, older && this.contested === undefined ? [PLACE] : []);
    this.opening = openLocalVault(vaultOptions(parts.home), this.clock);
    const opened = await this.opening;
    this.vault = opened;
    this.problems = (await opened.stats()).problems;
    if (this.problems.some((problem) => problem.includes('wrote to the cloud'))) {
      if (this.contested === undefined) throw new Error(`${this.name} gave way, and there was no other one`);
      this.gaveWay++;
    }
    if (opened.incarnation !== this.contested) this.contested = undefined;
    await this.auditor.reconcile(opened, older);
    this.older = false;
    const vault = watchedVault(opened, (method, parameters, run) => this.around(life, method, parameters, run));
    const outgoing = await outgoingOf(vault, this.clock);
    const state = await sharedStateOf(vault);
    const { token } = this;
    this.token = undefined;
    const enrolment = token === undefined ? await loadEnrolment(vault) : await storeEnrolment(vault, token);
    if (enrolment === undefined) throw new Error(`${this.name} has lost its enrolment`);
    const { random } = parts.world;
    const session = new Session({
      vault,
      outgoing,
      state,
      enrolment,
      transport: { send: (lane, type, frame) => this.send(lane, type, frame) },
      clock: this.clock,
      random: () => random.fraction(),
      intervalMs: parts.intervalMs,
      wake: () => this.told(() => undefined, session),
    });
    this.watched = vault;
    this.outgoing = outgoing;
    this.session = session;
    outgoing.onAlert((alert) => this.told(() => session.alertCommitted(alert), session));
    vault.onChange(({ kind, name }) => {
      if (kind === 'block' || kind === 'alert') this.told(() => session.outboxChanged(kind), session);
      else if (name === 'grants') this.told(() => session.outboxChanged('grants'), session);
      else if (name === 'gap') this.told(() => session.outboxChanged('gap'), session);
    });
    this.running = true;
    for (const lane of LANES) this.connect(lane, life);
  }

  /** Something happened that the session is told of; a step is due. */
  private told(tell: () => void, session: Session): void {
    if (session !== this.session || !this.alive) return;
    tell();
    this.wakeAt = this.parts.world.now;
  }

  private connect(lane: Lane, life: number): void {
    const { world, broker } = this.parts;
    const [least, most] = RECONNECT_MS;
    world.after(world.random.between(least, most), () => {
      const { session } = this;
      if (!this.alive || this.life !== life || session === undefined) return;
      const connection = broker.connect(this.client(lane, life));
      if (connection === undefined) return this.connect(lane, life);
      this.connections.set(lane, connection);
      this.told(() => session.connected(lane), session);
    });
  }

  private client(lane: Lane, life: number): Client {
    const isMine = ({ tenant, gateway, direction }: Address): boolean =>
      lane === 'bulk' && tenant === TENANT && gateway === this.name && direction === 'down';
    return {
      name: `${this.name}/${lane}`,
      weather: this.weather,
      wants: isMine,
      received: (_address, topic, frame) => {
        const { session } = this;
        if (this.life === life && session !== undefined) this.told(() => session.received(topic, frame), session);
      },
      lost: (reason) => {
        const { session } = this;
        if (this.life !== life || session === undefined) return;
        this.connections.delete(lane);
        this.told(() => session.disconnected(lane, reason), session);
        this.connect(lane, life);
      },
    };
  }

  private send(lane: Lane, type: FrameType, frame: Uint8Array): boolean {
    const connection = this.connections.get(lane);
    if (connection === undefined) throw new Error(`a frame on the ${lane} lane, which is down`);
    if (this.clogged || !this.alive) return false;
    const topic = topicOf({ tenant: TENANT, gateway: this.name, direction: 'up', type });
    this.parts.broker.publish(connection, topic, frame);
    this.parts.breakage?.sent?.(this, type);
    return true;
  }

  private around(life: number, method: string, parameters: readonly unknown[], run: () => unknown): unknown {
    const { busy } = this.parts;
    const forever = new Promise(() => undefined);
    if (!CALLS.has(method)) return run();
    // A process that is gone hears of nothing any more.
    if (this.life !== life || !this.alive) return forever;
    const dies = this.doom !== undefined && --this.doom.calls <= 0;
    if (dies && this.doom?.after === false) {
      this.kill();
      return forever;
    }
    const work = method === 'commit' ? this.commit(life, parameters, run) : (run() as Promise<unknown>);
    busy.watch(work);
    return work.then((result) => {
      if (this.life !== life || !this.alive) return forever;
      this.parts.breakage?.read?.(method, parameters, result);
      if (!dies) return result;
      this.kill();
      return forever;
    });
  }

  private async commit(life: number, parameters: readonly unknown[], run: () => unknown): Promise<unknown> {
    const [changes] = parameters as [readonly Change[]];
    const isAlive = (): boolean => this.alive && this.life === life;
    try {
      return await this.auditor.commit(changes, run as () => Promise<readonly ChangeResult[]>, isAlive);
    } catch (error) {
      if (isAlive()) this.parts.busy.fail(error);
      throw error;
    }
  }
}

/** Calls of the vault at which a process may die. */
const CALLS = new Set([
  'commit',
  'stats',
  'outbox.streams',
  'outbox.peek',
  'outbox.alerts',
  'documents.get',
  'documents.list',
  'checkpoints.load',
]);
