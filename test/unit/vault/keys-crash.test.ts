import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { Clock } from '../../../nodes/src/node/clock.ts';
import { TideError } from '../../../nodes/src/node/errors.ts';
import { KeyStore } from '../../../nodes/src/vault/keys/file-key-store.ts';
import { putHeader } from '../../../nodes/src/vault/keys/file-header.ts';
import { HEADER_FILE } from '../../../nodes/src/vault/keys/key-header.ts';
import { monthFrom, monthKey } from '../../../nodes/src/vault/keys/key-numbers.ts';
import { freshKeys, lockUp, makeLock } from '../../../nodes/src/vault/keys/keys.ts';
import { PowerCut, SimulatedDisk } from '../../support/simulated-disk.ts';

const old = randomBytes(32).toString('hex');
const fresh = randomBytes(32).toString('hex');
const clock: Clock = { now: () => Date.UTC(2026, 10, 21), monotonic: () => 0 };
const idOf = (month: string): number => monthKey(monthFrom(month)!, 0);
const [FEBRUARY, MARCH] = [idOf('2026-02'), idOf('2026-03')];
const SEEDS = 12;

function opens(disk: SimulatedDisk, secret: string): KeyStore | undefined {
  try {
    return KeyStore.open({ disk, clock, secret });
  } catch (error) {
    assert.ok(error instanceof TideError && error.code === 'wrong-key', String(error));
    return undefined;
  }
}

function vault(seed: number): { disk: SimulatedDisk; store: KeyStore } {
  const disk = new SimulatedDisk(seed);
  const store = KeyStore.create({ disk, clock, secret: old });
  for (const month of [1, 2]) store.monthKey(Date.UTC(2026, month, 15));
  return { disk, store };
}

/** Cuts the power at every change of the disk in turn, in several ways each; returns how many cuts there were. */
function atEveryStep(
  act: (store: KeyStore, disk: SimulatedDisk) => void,
  check: (left: SimulatedDisk, keys: ReadonlyMap<number, Uint8Array>, what: string) => void,
): number {
  let cuts = 0;
  for (let step = 1, finished = false; !finished; step++) {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { disk, store } = vault(seed * 1_000 + step);
      const keys = new Map([FEBRUARY, MARCH].map((id) => [id, Uint8Array.from(store.ring.recordKey(id)!)]));
      disk.cutPowerAt(step);
      try {
        act(store, disk);
        finished = true;
      } catch (error) {
        if (!(error instanceof PowerCut)) throw error;
        cuts++;
      }
      check(disk.crash(), keys, `step ${step}, seed ${seed}`);
    }
  }
  return cuts;
}

describe('keys and power cuts', () => {
  it('a rotation leaves a vault that opens with the old secret, with both, or with the new one, in this order', () => {
    let confirmed = false;
    const seen = new Set<string>();
    const cuts = atEveryStep(
      (store) => {
        confirmed = false;
        store.prepareRotation(fresh);
        // From here on the reference names the new secret.
        confirmed = true;
        store.confirmRotation(fresh);
      },
      (left, keys, what) => {
        const which = [old, fresh].filter((secret) => opens(left, secret) !== undefined);
        seen.add(which.map((secret) => (secret === old ? 'old' : 'new')).join(' and '));
        assert.ok(which.includes(confirmed ? fresh : old), what);
        for (const secret of which) {
          const store = opens(left, secret)!;
          assert.deepEqual(store.findings, [], what);
          for (const [id, key] of keys) assert.deepEqual(store.ring.recordKey(id), key, what);
        }
        // The next start with the secret that the reference names leaves one secret, if the rotation was confirmed.
        const store = opens(left, confirmed ? fresh : old)!;
        store.settle(confirmed ? fresh : old);
        if (confirmed) assert.equal(opens(left, old), undefined, what);
        assert.deepEqual(left.names(), [HEADER_FILE], what);
        for (const [id, key] of keys) assert.deepEqual(store.ring.recordKey(id), key, what);
      },
    );
    assert.ok(cuts >= 8 * SEEDS, `${cuts} cuts`);
    assert.deepEqual([...seen].toSorted(), ['new', 'old', 'old and new']);
  });

  it('a rotation that was prepared is taken up again, or taken back', () => {
    atEveryStep(
      (store) => {
        store.prepareRotation(fresh);
      },
      (left, keys, what) => {
        const again = opens(left, old)!;
        again.settle(old);
        again.rotate(fresh);
        assert.equal(opens(left, old), undefined, what);
        for (const [id, key] of keys) assert.deepEqual(opens(left, fresh)!.ring.recordKey(id), key, what);
      },
    );
    atEveryStep(
      (store) => {
        store.prepareRotation(fresh);
        store.cancelRotation();
      },
      (left, _keys, what) => {
        const again = opens(left, old)!;
        again.cancelRotation();
        assert.equal(opens(left, fresh), undefined, what);
        assert.ok(opens(left, old) !== undefined, what);
      },
    );
  });

  it('the lock is made anew for the same secret in one step', () => {
    const salts = new Set<string>();
    atEveryStep(
      (store) => assert.equal(store.prepareRotation(old), 'done'),
      (left, keys, what) => {
        const store = opens(left, old)!;
        salts.add((JSON.parse(store.text) as { locks: { derivation: { salt: string } }[] }).locks[0].derivation.salt);
        for (const [id, key] of keys) assert.deepEqual(store.ring.recordKey(id), key, what);
      },
    );
    assert.ok(salts.size > SEEDS);
  });

  it('a shred leaves every key, or none of the months that it was for, and the next start completes it', () => {
    const ends = new Set<string>();
    const cuts = atEveryStep(
      (store) => {
        const plan = store.beginShred('2026-03', old);
        assert.deepEqual(plan.months, ['2026-02']);
        store.finishShred(plan, old);
      },
      (left, keys, what) => {
        const store = opens(left, old)!;
        assert.deepEqual(store.findings, [], what);
        const plan = store.pendingShred();
        const february = store.ring.recordKey(FEBRUARY);
        ends.add(`${plan === undefined ? 'none' : 'pending'}, ${february === undefined ? 'gone' : 'there'}`);
        assert.deepEqual(store.ring.recordKey(MARCH), keys.get(MARCH), what);
        if (february !== undefined) assert.deepEqual(february, keys.get(FEBRUARY), what);
        store.settle(old);
        if (plan === undefined) return;
        assert.equal(plan.before, '2026-03', what);
        assert.equal(plan.beforeTime, Date.UTC(2026, 2, 1), what);
        assert.ok(store.ring.journal >= plan.journalBelow, what);
        store.finishShred(plan, old);
        const after = opens(left, old)!;
        assert.equal(after.ring.recordKey(FEBRUARY), undefined, what);
        assert.deepEqual(after.ring.recordKey(MARCH), keys.get(MARCH), what);
        assert.deepEqual(after.list().shredded, [{ month: '2026-02', at: clock.now() }], what);
        assert.equal(after.pendingShred(), undefined, what);
      },
    );
    assert.ok(cuts >= 8 * SEEDS, `${cuts} cuts`);
    assert.deepEqual([...ends].toSorted(), ['none, gone', 'none, there', 'pending, there']);
  });

  it('a key is on the disk before it is given out', () => {
    const given = new Map<number, Uint8Array>();
    atEveryStep(
      (store) => {
        given.clear();
        for (let month = 3; month < 6; month++) {
          const id = store.monthKey(Date.UTC(2026, month, 1));
          given.set(id, Uint8Array.from(store.ring.recordKey(id)!));
        }
        const journal = store.renewJournalKey();
        given.set(journal, Uint8Array.from(store.ring.recordKey(journal)!));
      },
      (left, _keys, what) => {
        const { ring } = opens(left, old)!;
        for (const [id, key] of given) assert.deepEqual(ring.recordKey(id), key, what);
      },
    );
  });

  it('a disk that fails or is full changes nothing, and the same is possible again', () => {
    const acts: [string, (store: KeyStore) => void][] = [
      ['month', (store) => store.monthKey(Date.UTC(2026, 5, 1))],
      ['rotation', (store) => store.rotate(fresh)],
      ['shred', (store) => store.finishShred(store.beginShred('2026-03', old), old)],
    ];
    for (const [name, act] of acts)
      for (const call of ['create', 'write', 'sync', 'rename', 'sync-directory'] as const)
        for (const nth of [1, 2]) {
          const what = `${name}: ${call} ${nth}`;
          const { disk, store } = vault(nth);
          const months = store.list().months;
          disk.fail(call, nth, call === 'write' ? 'disk-full' : 'io');
          try {
            act(store);
          } catch (error) {
            assert.ok(
              error instanceof TideError && ['disk-full', 'io'].includes(error.code),
              `${what}: ${String(error)}`,
            );
            assert.deepEqual(store.list().months, months, what);
            assert.ok(store.ring.recordKey(FEBRUARY) !== undefined, what);
          }
          disk.heal();
          act(store);
          const { generation } = store;
          const again = opens(disk.crash(), name === 'rotation' ? fresh : old)!;
          assert.equal(again.generation, generation, what);
          assert.deepEqual(again.list(), store.list(), what);
        }
  });
});

describe('a secret', () => {
  it('shut out by a rotation does not open what is made afterwards, even with a copy of the header from before', () => {
    const { disk, store } = vault(1);
    store.prepareRotation(fresh);
    const between = Uint8Array.from(disk.contents(HEADER_FILE));
    store.confirmRotation(fresh);
    store.monthKey(Date.UTC(2026, 5, 1));
    const before = new SimulatedDisk();
    before.put(HEADER_FILE, between);
    const { wrapped } = (JSON.parse(store.text) as { keys: { id: number; wrapped: string }[] }).keys.at(-1)!;
    const json = JSON.parse(Buffer.from(between).toString()) as { keys: { id: number; wrapped: string }[] };
    json.keys.push({ id: idOf('2026-06'), wrapped });
    before.put(HEADER_FILE, Buffer.from(JSON.stringify(json)));
    const thief = opens(before, old)!;
    assert.equal(thief.ring.recordKey(idOf('2026-06')), undefined);
    assert.ok(thief.findings[0].text.includes(`data key ${idOf('2026-06')}: its seal is broken`));
  });

  it('changes only when no shred is under way, and a shred waits for a rotation', () => {
    const { store } = vault(1);
    const plan = store.beginShred('2026-03', old);
    assert.throws(() => store.prepareRotation(fresh), { code: 'busy' });
    assert.throws(() => store.finishShred(plan, fresh), { code: 'wrong-key' });
    assert.throws(() => store.finishShred({ ...plan, before: '2026-02' }, old), { code: 'conflict' });
    // Asked for again, it goes on; asked for more, it takes more.
    assert.deepEqual(store.beginShred('2026-01', old), plan);
    assert.deepEqual(store.beginShred('2026-04', old).months, ['2026-02', '2026-03']);
    assert.equal(store.monthKey(Date.UTC(2026, 1, 1)), FEBRUARY);
    store.finishShred(store.pendingShred()!, old);
    assert.deepEqual(store.list().months, []);
    store.prepareRotation(fresh);
    assert.throws(() => store.beginShred('2026-03', old), { code: 'busy' });
    assert.throws(() => store.confirmRotation(old), { code: 'wrong-key' });
    store.confirmRotation(fresh);
    store.confirmRotation(fresh);
    for (const before of ['2026-12', '2026-13', '1969-12', 'yesterday', ''])
      assert.throws(() => store.beginShred(before, fresh), { code: 'bad-option' }, before);
  });

  it('that is a passphrase gets the cost of today when its lock is made anew, and gives way to random bytes', () => {
    const passphrase = 'four words and ünïcode';
    const { root, dataKeys, header } = freshKeys(passphrase, 0);
    const cheap = { method: 'scrypt', salt: randomBytes(16).toString('base64'), N: 2 ** 15, r: 8, p: 1 } as const;
    const { store: id, journal } = header;
    const plan = { store: id, generation: 1, journal, shredded: new Map<number, number>(), shredding: undefined };
    const disk = new SimulatedDisk();
    putHeader(disk, lockUp(plan, [makeLock(passphrase, root, id, 0, cheap)], root, dataKeys));
    const store = opens(disk, passphrase)!;
    assert.equal(store.list().scrypt?.N, 2 ** 15);
    assert.equal(store.prepareRotation(passphrase), 'done');
    assert.deepEqual(store.list().scrypt, { N: 2 ** 16, r: 8, p: 1 });
    // The same characters, typed on another system.
    assert.deepEqual(opens(disk, passphrase.normalize('NFD'))!.list(), store.list());
    assert.equal(opens(disk, `${passphrase} `), undefined);
    store.rotate(fresh);
    assert.equal(store.list().method, 'hkdf');
    assert.equal(opens(disk, passphrase), undefined);
    assert.deepEqual(opens(disk, fresh)!.ring.recordKey(journal), store.ring.recordKey(journal));
  });
});
