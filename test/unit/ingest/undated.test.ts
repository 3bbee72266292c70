import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { DurableDoor, type DoorMessage } from '@tidegate/nodes/ingest';
import type { Clock, SystemTime } from '@tidegate/nodes/node';
import type { Reading } from '@tidegate/nodes/reading';
import { Timekeeper, type Vault } from '@tidegate/nodes/vault';
import { eventually } from '../../support/eventually.ts';
import { TemporaryVault } from '../../support/temporary-vault.ts';

const BUILT = Date.UTC(2026, 10, 1);
const NOON = Date.UTC(2026, 10, 21, 12);
const RULE = { topics: ['site/#'], format: 'auto' as const, series: '{topic}' };
const SYNCHRONISED: SystemTime = { state: 'synchronised', stamp: '1' };
const UNSYNCHRONISED: SystemTime = { state: 'unsynchronised' };
const ABSENT: SystemTime = { state: 'absent' };

/** A machine whose real time goes on while its wall clock says what it is set to. */
class Machine implements Clock {
  real = NOON;
  boot = 1;
  private started = NOON;
  private wallAhead = 0;

  now(): number {
    return this.real + this.wallAhead;
  }

  monotonic(): number {
    return this.real - this.started;
  }

  pass(ms: number): void {
    this.real += ms;
  }

  /** Sets the wall clock. */
  set(wall: number): void {
    this.wallAhead = wall - this.real;
  }

  /** Power off for so long; the wall clock starts with `wall`. */
  restart(offMs: number, wall: number): void {
    this.boot++;
    this.real += offMs;
    this.started = this.real - 20_000;
    this.set(wall);
  }
}

/** What is taken in, and what comes out of it into the flow. */
class Site {
  readonly machine: Machine;
  vault: Vault;
  keeper!: Timekeeper;
  door!: DurableDoor;
  flowed: Reading[] = [];
  readonly errors: unknown[] = [];
  /** Real time of each value that was acknowledged. */
  readonly taken = new Map<number, number>();
  private value = 0;
  private packet = 0;

  constructor(machine: Machine, vault: Vault) {
    this.machine = machine;
    this.vault = vault;
  }

  async start(system: SystemTime, behind: Vault = this.vault): Promise<void> {
    const { machine } = this;
    this.keeper = await Timekeeper.open({ vault: behind, boot: `boot-${machine.boot}`, clock: machine, built: BUILT });
    this.keeper.look(system);
    this.door = new DurableDoor(behind, machine, { keeper: this.keeper, onError: (error) => this.errors.push(error) });
    this.door.setRule('in', RULE);
    this.door.attach('in', { readings: (batch) => void this.flowed.push(...batch), rejections: () => undefined });
  }

  async send(more: Partial<DoorMessage> = {}, payload = String(++this.value)): Promise<void> {
    const { machine } = this;
    const { real } = machine;
    await new Promise<void>((resolve, reject) => {
      const message: DoorMessage = {
        topic: 'site/level',
        payload: Buffer.from(payload),
        client: 'sensor',
        qos: 1,
        packetId: ++this.packet,
        dup: false,
        stale: false,
        received: machine.now(),
        ...more,
      };
      this.door.offer(message, (error) => (error === undefined ? resolve() : reject(error)));
    });
    this.taken.set(this.value, real);
    machine.pass(1_000);
  }

  async sendAll(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await this.send();
  }

  /** Everything in the journal. */
  async journal(): Promise<Reading[]> {
    const found: Reading[] = [];
    for (let at: number | undefined = 1; at !== undefined;) {
      const slice = await this.vault.journal.read(at, 1_000);
      found.push(...slice.readings);
      at = slice.next;
    }
    return found;
  }

  /** Waits until nothing waits for its date any more. */
  async dated(): Promise<void> {
    await eventually('everything is dated', async () => this.door.undated === 0 && (await this.journal()).length > 0);
    await eventually('it has flowed', async () => this.flowed.length >= (await this.journal()).length);
  }

  /** Each acknowledged value is in the journal once; its time is off by at most `within` of the truth. */
  async judge(within: number): Promise<Reading[]> {
    const found = await this.journal();
    const values = found.map(({ value }) => Number(value)).toSorted((a, b) => a - b);
    assert.deepEqual(
      values,
      [...this.taken.keys()].toSorted((a, b) => a - b),
    );
    for (const { value, time } of found) {
      const truth = this.taken.get(Number(value)) ?? 0;
      assert.ok(
        Math.abs(time - truth) <= within,
        `${Number(value)}: ${new Date(time).toISOString()}, off ${time - truth}`,
      );
    }
    return found;
  }
}

describe('readings that were taken before the time was known', function () {
  this.timeout(20_000);
  let files: TemporaryVault;
  let machine: Machine;
  let site: Site;

  beforeEach(async () => {
    files = await TemporaryVault.make();
    machine = new Machine();
    site = new Site(machine, await files.open());
  });
  afterEach(async () => {
    await site.door?.close();
    await files.remove();
  });

  it('are acknowledged at once, and flow with their right times when it is', async () => {
    machine.set(0);
    await site.start(UNSYNCHRONISED);
    await site.sendAll(5);
    assert.equal(site.flowed.length, 0);
    assert.equal((await site.journal()).length, 0);
    assert.equal(site.door.undated, 5);
    machine.set(machine.real);
    site.keeper.look(SYNCHRONISED);
    await site.dated();
    const found = await site.judge(2);
    assert.deepEqual([...new Set(found.map(({ quality }) => quality))], ['good']);
    assert.deepEqual(
      site.flowed.map(({ value }) => value),
      [1, 2, 3, 4, 5],
    );
    await site.sendAll(2);
    await eventually('live ones flow', async () => site.flowed.length === 7);
    await site.judge(2);
    assert.deepEqual(await site.vault.documents.list('undated'), []);
    assert.deepEqual(site.errors, []);
  });

  it('let a sensor’s own time pass, unaltered and unrefused, whatever the clock says', async () => {
    machine.set(0);
    await site.start(UNSYNCHRONISED);
    const own = NOON + 40 * 86_400_000;
    await site.send({}, JSON.stringify({ value: 1, time: own }));
    await eventually('it flows', async () => site.flowed.length === 1);
    assert.deepEqual([site.flowed[0].time, site.flowed[0].clock, site.flowed[0].quality], [own, 'device', 'good']);
  });

  it('hold a message together of which only a part has its own time', async () => {
    machine.set(0);
    await site.start(UNSYNCHRONISED);
    const payload = JSON.stringify({ level: 1, nested: { value: 2, time: NOON - 5_000 } });
    await site.send({}, payload);
    await eventually('what has its own time flows, or waits with the rest', async () => site.door.undated > 0);
    const before = site.flowed.length + site.door.undated;
    site.keeper.cloud(machine.real);
    await site.dated();
    assert.equal(site.flowed.length, before);
    for (const { clock, time } of site.flowed) assert.ok(Math.abs(time - NOON) <= (clock === 'device' ? 5_000 : 2));
  });

  it('are dated by the cloud’s time while the machine’s own stays wrong', async () => {
    machine.set(0);
    await site.start(UNSYNCHRONISED);
    await site.sendAll(3);
    site.keeper.cloud(machine.real);
    await site.dated();
    await site.sendAll(3);
    await eventually('live ones flow', async () => site.flowed.length === 6);
    await site.judge(2);
  });

  it('are dated after a jump ahead of ten years, and back', async () => {
    await site.start(SYNCHRONISED);
    await site.sendAll(2);
    machine.set(machine.real + 10 * 365 * 86_400_000);
    await site.sendAll(3);
    assert.equal(site.door.undated, 3, 'the jump is noticed by the first message after it');
    machine.set(machine.real);
    site.keeper.look();
    await site.dated();
    await site.judge(2);
  });

  it('are dated after a jump back that the time service puts right', async () => {
    await site.start(SYNCHRONISED);
    await site.sendAll(2);
    machine.set(0);
    await site.sendAll(3);
    site.keeper.look(SYNCHRONISED);
    assert.equal(site.keeper.state.trusted, false, 'that it was synchronised before the jump says nothing');
    machine.set(machine.real + 400);
    site.keeper.look({ state: 'synchronised', stamp: '2' });
    await site.dated();
    await site.judge(500);
  });

  it('are dated by an operator’s word', async () => {
    machine.set(machine.real);
    await site.start(ABSENT);
    await site.sendAll(1);
    machine.set(machine.real + 36_000_000);
    await site.sendAll(2);
    assert.equal(site.door.undated, 2);
    machine.set(machine.real + 200);
    await site.sendAll(2);
    await site.keeper.operator();
    await site.dated();
    await site.judge(500);
  });

  it('are laid between the boots around theirs when that never learnt it, uncertain and in order', async () => {
    await site.start(SYNCHRONISED);
    await site.sendAll(3);
    await site.keeper.save();
    await site.door.close();
    for (let boot = 0; boot < 2; boot++) {
      machine.restart(600_000, 0);
      await site.start(UNSYNCHRONISED);
      await site.sendAll(4);
      await site.door.close();
    }
    machine.restart(600_000, 0);
    await site.start(UNSYNCHRONISED);
    await site.sendAll(1);
    machine.set(machine.real);
    site.keeper.look(SYNCHRONISED);
    await site.dated();
    const found = await site.judge(120_000);
    const qualities = found.toSorted((a, b) => Number(a.value) - Number(b.value)).map(({ quality }) => quality);
    assert.deepEqual(qualities, [
      ...Array.from({ length: 3 }, () => 'good'),
      ...Array.from({ length: 8 }, () => 'uncertain'),
      'good',
    ]);
    const times = found.toSorted((a, b) => Number(a.value) - Number(b.value)).map(({ time }) => time);
    assert.deepEqual(
      times,
      times.toSorted((a, b) => a - b),
    );
  });

  it('wait over a restart of the process', async () => {
    machine.set(0);
    await site.start(UNSYNCHRONISED);
    await site.sendAll(3);
    await site.door.close();
    machine.pass(5_000);
    await site.start(UNSYNCHRONISED);
    await site.sendAll(2);
    machine.set(machine.real);
    site.keeper.look(SYNCHRONISED);
    await site.dated();
    await site.judge(2);
  });

  it('that a client sends again are known again, while they wait, over a restart and after they were dated', async () => {
    machine.set(0);
    await site.start(UNSYNCHRONISED);
    await site.send({ packetId: 900 });
    const again = (): Promise<void> => site.send({ packetId: 900, dup: true }, '1');
    await again();
    await site.door.close();
    await site.start(UNSYNCHRONISED);
    await again();
    machine.set(machine.real);
    site.keeper.look(SYNCHRONISED);
    await site.dated();
    await again();
    await site.door.close();
    await site.start(SYNCHRONISED);
    await again();
    await sleep(50);
    assert.equal((await site.journal()).length, 1);
  });

  it('are there exactly once, wherever the process is killed', async function () {
    this.timeout(90_000);
    // Each write of the vault once is the last: before it, and after it without anybody hearing of it.
    for (let kill = 0; kill < 24; kill++) {
      const own = await TemporaryVault.make();
      try {
        const killed = new Site(new Machine(), await own.open());
        killed.machine.set(0);
        let left = kill >> 1;
        const heard = kill % 2 === 0;
        let dead = false;
        const dying = mortal(killed.vault, async (write) => {
          if (dead) return new Promise<never>(() => undefined);
          if (left-- > 0) return write();
          dead = true;
          if (!heard) await write();
          return new Promise<never>(() => undefined);
        });
        await Promise.race([scenario(killed, dying), eventually('it is dead', async () => dead, 5_000)]);
        // As after a kill: nothing of the old door goes on, the vault is opened anew.
        dead = true;
        killed.flowed = [];
        killed.machine.set(killed.machine.real);
        await killed.start(SYNCHRONISED);
        await killed.send();
        await eventually('everything is dated', async () => killed.door.undated === 0);
        await sleep(20);
        const found = await killed.journal();
        const values = found.map(({ value }) => Number(value));
        assert.equal(new Set(values).size, values.length, `kill ${kill}: twice in ${values.join()}`);
        for (const value of killed.taken.keys()) assert.ok(values.includes(value), `kill ${kill}: ${value} is lost`);
        for (const { value, time } of found) {
          const truth = killed.taken.get(Number(value));
          if (truth !== undefined) assert.ok(Math.abs(time - truth) <= 2, `kill ${kill}: ${Number(value)} is misdated`);
        }
        await killed.door.close();
      } finally {
        await own.remove();
      }
    }
  });
});

/** Takes some readings in, learns the time, and dates them. */
async function scenario(site: Site, vault: Vault): Promise<void> {
  await site.start(UNSYNCHRONISED, vault);
  await site.sendAll(4);
  site.machine.set(site.machine.real);
  site.keeper.look(SYNCHRONISED);
  await site.sendAll(2);
  await eventually('everything is dated', async () => site.door.undated === 0);
}

/** The vault with every write in the hands of `fate`. */
function mortal(vault: Vault, fate: <T>(write: () => Promise<T>) => Promise<T>): Vault {
  const journal = new Proxy(vault.journal, {
    get: (target, name) => {
      if (name === 'append') return (batch: Parameters<typeof target.append>[0]) => fate(() => target.append(batch));
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
  return new Proxy(vault, {
    get: (target, name) => {
      if (name === 'journal') return journal;
      if (name === 'commit')
        return (changes: Parameters<typeof target.commit>[0]) => fate(() => target.commit(changes));
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}
