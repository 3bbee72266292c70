import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { Clock } from '../../../nodes/src/node/clock.ts';
import { KeyStore } from '../../../nodes/src/vault/keys/file-key-store.ts';
import { HEADER_FILE } from '../../../nodes/src/vault/keys/key-header.ts';
import { BASE_KEY, monthFrom, monthKey, useOf } from '../../../nodes/src/vault/keys/key-numbers.ts';
import { Sealer } from '../../../nodes/src/vault/keys/sealed.ts';
import { SimulatedDisk } from '../../support/simulated-disk.ts';

const secret = randomBytes(32).toString('hex');
const next = randomBytes(32).toString('hex');
const clock: Clock = { now: () => Date.UTC(2026, 10, 21), monotonic: () => 0 };
const march = Date.UTC(2026, 2, 15);
const idOf = (month: string, round = 0): number => monthKey(monthFrom(month)!, round);

function reopened(disk: SimulatedDisk, with_ = secret, copy?: string): KeyStore {
  const options = { disk, clock, secret: with_ };
  return KeyStore.open(copy === undefined ? options : { ...options, copy: () => copy })!;
}

describe('the store of the keys', () => {
  let disk: SimulatedDisk;
  let store: KeyStore;

  beforeEach(() => {
    disk = new SimulatedDisk();
    store = KeyStore.create({ disk, clock, secret });
  });

  it('opens what it made, and nothing where there is nothing', () => {
    const again = reopened(disk);
    assert.deepEqual(again.storeId, store.storeId);
    assert.deepEqual(again.ring.recordKey(BASE_KEY), store.ring.recordKey(BASE_KEY));
    assert.equal(useOf(again.ring.journal), 'journal');
    assert.equal(again.ring.current, BASE_KEY);
    assert.equal(KeyStore.open({ disk: new SimulatedDisk(), clock, secret }), undefined);
    assert.throws(() => reopened(disk, next), { code: 'wrong-key' });
  });

  it('makes the key of a month when it is first asked for, on the disk before it is given out', () => {
    const id = store.monthKey(march);
    assert.equal(id, idOf('2026-03'));
    assert.equal(store.monthKey(Date.UTC(2026, 3, 1) - 1), id);
    assert.notEqual(store.monthKey(Date.UTC(2026, 3, 1)), id);
    const left = disk.crash();
    assert.deepEqual(reopened(left).ring.recordKey(id), store.ring.recordKey(id));
  });

  it('takes a key whose wrapping is broken from an older copy, and none that was destroyed', () => {
    const id = store.monthKey(march);
    const gone = store.monthKey(Date.UTC(2025, 4, 1));
    const copy = store.text;
    const plan = store.beginShred('2025-06', secret);
    store.finishShred(plan, secret);
    const [key, april] = [store.ring.recordKey(id), store.monthKey(Date.UTC(2026, 3, 1))];
    const header = JSON.parse(store.text) as { keys: { id: number; wrapped: string }[] };
    const broken = header.keys.find((one) => one.id === id)!;
    broken.wrapped = `${broken.wrapped.slice(0, 60)}${broken.wrapped[60] === 'A' ? 'B' : 'A'}${broken.wrapped.slice(61)}`;
    const left = new SimulatedDisk();
    const file = left.create(HEADER_FILE);
    file.write(0, Buffer.from(JSON.stringify(header)));
    file.close();
    const again = reopened(left, secret, copy);
    assert.deepEqual(again.ring.recordKey(id), key);
    assert.equal(again.ring.recordKey(gone), undefined);
    again.settle(secret);
    const settled = reopened(left);
    assert.deepEqual(settled.findings, []);
    assert.deepEqual([settled.ring.recordKey(id), settled.ring.recordKey(april)], [key, store.ring.recordKey(april)]);
  });

  it('puts impossible times into the month of the writing clock', () => {
    const present = idOf('2026-11');
    for (const time of [-1, Date.UTC(2200, 0, 1), Number.NaN, Infinity, -Infinity])
      assert.equal(store.monthKey(time), present, String(time));
    assert.equal(store.monthKey(0), idOf('1970-01'));
    assert.equal(store.monthKey(Date.UTC(2199, 11, 31)), idOf('2199-12'));
  });

  it('takes no more than 1,200 months, and leaves room for those in which it writes', () => {
    let now = clock.now();
    const wandering = KeyStore.create({ disk, clock: { now: () => now, monotonic: () => 0 }, secret });
    // Written for each key: every tenth is enough to see the bound.
    for (let month = 0; month < 1_080; month++) wandering.monthKey(Date.UTC(1970, month, 1));
    assert.equal(wandering.monthKey(Date.UTC(2198, 0, 1)), idOf('2026-11'));
    assert.equal(wandering.list().months.length, 1_080);
    for (let month = 0; month < 130; month++) {
      now = Date.UTC(2100, month, 1);
      wandering.monthKey(now);
    }
    assert.equal(wandering.list().months.length, 1_200);
    assert.equal(wandering.monthKey(Date.UTC(2198, 0, 1)), idOf('2109-12'));
    assert.equal(reopened(disk).list().months.length, 1_200);
  }).timeout(60_000);

  it('renews the journal key, and keeps the older ones until they are dropped', () => {
    const first = store.ring.journal;
    const second = store.renewJournalKey();
    assert.ok(second > first && store.ring.journal === second);
    assert.ok(store.ring.recordKey(first) !== undefined);
    store.dropJournalKeys(second + 5);
    assert.equal(store.ring.recordKey(first), undefined);
    assert.ok(store.ring.recordKey(second) !== undefined);
    const again = reopened(disk);
    assert.equal(again.ring.journal, second);
    assert.equal(again.ring.recordKey(first), undefined);
    assert.ok(again.renewJournalKey() > second);
  });

  it('says of a record under a destroyed key that it was shredded, and of one under a lost key that it is damaged', () => {
    const sealer = new Sealer(store.ring, store.storeId);
    const id = store.monthKey(march);
    const sealed = sealer.seal('chunk', [1], Buffer.from('x'), id);
    const journalled = sealer.seal('box', [1], Buffer.from('x'), store.ring.journal);
    store.finishShred(store.beginShred('2026-04', secret), secret);
    assert.throws(() => sealer.open('chunk', [1], sealed), {
      code: 'shredded',
      message: /2026-03 was destroyed on 2026-11-21/,
    });
    assert.equal(sealer.open('box', [1], journalled).length, 1);
    store.dropJournalKeys(store.ring.journal);
    assert.throws(() => sealer.open('box', [1], journalled), { code: 'damaged-record', message: /no data key/ });
    const again = reopened(disk);
    assert.throws(() => new Sealer(again.ring, again.storeId).open('chunk', [1], sealed), { code: 'shredded' });
    sealed.writeUInt32LE(idOf('2020-01'), 1);
    assert.throws(() => sealer.open('chunk', [1], sealed), { code: 'damaged-record' });
    // Readings of that month that arrive afterwards lie under another key.
    const round = store.monthKey(march);
    assert.equal(round, idOf('2026-03', 1));
    assert.equal(
      new Sealer(store.ring, store.storeId).seal('chunk', [1], Buffer.from('x'), round).readUInt32LE(1),
      round,
    );
  });

  describe('a damaged header', () => {
    it('gives way to its copy, and says so', () => {
      store.monthKey(march);
      const copy = store.text;
      for (const spoil of [
        () => disk.put(HEADER_FILE, Buffer.from('{')),
        () => disk.put(HEADER_FILE, new Uint8Array(0)),
        () => disk.remove(HEADER_FILE),
      ]) {
        spoil();
        assert.throws(() => assert.ok(reopened(disk)));
        const again = reopened(disk, secret, copy);
        assert.equal(again.findings.length, 1);
        assert.equal(again.findings[0].place, HEADER_FILE);
        again.settle(secret);
        const healed = reopened(disk);
        assert.deepEqual(healed.findings, []);
        assert.equal(healed.monthKey(march), idOf('2026-03'));
        assert.deepEqual(healed.ring.recordKey(idOf('2026-03')), store.ring.recordKey(idOf('2026-03')));
      }
      disk.remove(HEADER_FILE);
      assert.throws(() => reopened(disk, next, copy), { code: 'wrong-key' });
    });

    it('never passes for a sound one, whichever bit is turned', () => {
      store.monthKey(march);
      const copy = store.text;
      const bytes = disk.contents(HEADER_FILE);
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        const other = disk.copy();
        other.flip(HEADER_FILE, bit);
        const again = reopened(other, secret, copy);
        // What opens without a finding is the same header: white space, or the case of a hexadecimal escape.
        if (again.findings.length === 0) assert.equal(again.text, copy, `bit ${bit}`);
        assert.deepEqual(again.ring.recordKey(idOf('2026-03')), store.ring.recordKey(idOf('2026-03')), `bit ${bit}`);
        if (bit % 61 === 0) assert.throws(() => reopened(other, next, copy), /key/, `bit ${bit}`);
      }
    }).timeout(120_000);

    it('still gives the keys that open when there is no copy', () => {
      store.monthKey(march);
      const json = JSON.parse(store.text) as { keys: { id: number; wrapped: string }[] };
      const journal = json.keys.find(({ id }) => useOf(id) === 'journal')!;
      journal.wrapped = randomBytes(72).toString('base64');
      disk.put(HEADER_FILE, Buffer.from(JSON.stringify(json)));
      const again = reopened(disk);
      assert.equal(again.findings[0].kind, 'altered');
      assert.match(again.findings[0].text, new RegExp(`data key ${journal.id}: its seal is broken`));
      again.settle(secret);
      assert.ok(again.ring.journal > journal.id && again.ring.recordKey(again.ring.journal) !== undefined);
      assert.deepEqual(again.ring.recordKey(idOf('2026-03')), store.ring.recordKey(idOf('2026-03')));
      assert.deepEqual(reopened(disk).findings, []);
    });
  });

  describe('an older header that was put back', () => {
    it('is noticed against the copy in the catalogue, which wins', () => {
      const old = disk.contents(HEADER_FILE);
      store.monthKey(march);
      assert.equal(store.reconcile(undefined, secret), true);
      assert.equal(store.reconcile(store.text, secret), false);
      disk.put(HEADER_FILE, old);
      const again = reopened(disk);
      assert.equal(again.ring.recordKey(idOf('2026-03')), undefined);
      assert.equal(again.reconcile(store.text, secret), true);
      assert.equal(again.findings[0].kind, 'rolled-back');
      assert.deepEqual(again.ring.recordKey(idOf('2026-03')), store.ring.recordKey(idOf('2026-03')));
      assert.ok(again.generation > store.generation);
      assert.equal(reopened(disk).reconcile(again.text, secret), false);
    });

    it('from before a rotation does not open with the old secret again', () => {
      const old = disk.contents(HEADER_FILE);
      store.rotate(next);
      const copy = store.text;
      disk.put(HEADER_FILE, old);
      const again = reopened(disk, next, copy);
      assert.equal(again.findings[0].kind, 'rolled-back');
      // A sound file that is newer than the copy is right to refuse the secret before.
      store.settle(next);
      disk.put(HEADER_FILE, Buffer.from(copy));
      assert.throws(() => reopened(disk, secret, old.toString()), { code: 'wrong-key' });
    });

    it('does not bring back what was shredded', () => {
      store.monthKey(march);
      const old = disk.contents(HEADER_FILE);
      store.finishShred(store.beginShred('2026-04', secret), secret);
      disk.put(HEADER_FILE, old);
      const again = reopened(disk);
      assert.ok(again.ring.recordKey(idOf('2026-03')) !== undefined);
      again.reconcile(store.text, secret);
      assert.equal(again.ring.recordKey(idOf('2026-03')), undefined);
    });

    it('of another store is no copy of this one', () => {
      const other = KeyStore.create({ disk: new SimulatedDisk(), clock, secret });
      other.monthKey(march);
      assert.equal(store.reconcile(other.text, secret), true);
      assert.deepEqual(store.findings, []);
      assert.equal(store.ring.recordKey(idOf('2026-03')), undefined);
    });
  });

  it('keeps keys out of what may be shown, and out of memory once it is closed', () => {
    const id = store.monthKey(march);
    const key = store.ring.recordKey(id)!;
    const shown = JSON.stringify(store.list());
    for (const form of ['hex', 'base64'] as const) assert.equal(shown.includes(Buffer.from(key).toString(form)), false);
    assert.deepEqual(store.list().months, ['2026-03']);
    store.close();
    assert.deepEqual(key, new Uint8Array(32));
    assert.equal(store.ring.recordKey(id), undefined);
  });
});
