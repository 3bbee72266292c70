import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Sealer, type RecordKeys } from '../../../nodes/src/vault/keys/sealed.ts';
import { PAGE, journalRecord, openJournal, recordsOf } from '../../support/journal.ts';
import { SimulatedDisk } from '../../support/simulated-disk.ts';

const key = new Uint8Array(randomBytes(32));
const keys: RecordKeys = { current: 1, recordKey: (id) => (id === 1 ? key : undefined) };

/** A copy with these bits flipped. */
function flipped(bytes: Uint8Array, ...bits: number[]): Uint8Array {
  const copy = Uint8Array.from(bytes);
  for (const bit of bits) copy[bit >> 3] ^= 1 << (bit & 7);
  return copy;
}

describe('a sealed record with one flipped bit', () => {
  const sealer = new Sealer(keys, randomBytes(16));
  const place = [3, randomBytes(16)];

  for (const length of [0, 1, 15, 16, 17, 100])
    it(`is mended wherever the bit is, with ${length} bytes inside`, () => {
      const sealed = Uint8Array.from(sealer.seal('journal', place, randomBytes(length)));
      for (let bit = 0; bit < 8 * sealed.length; bit++)
        assert.deepEqual(sealer.mended('journal', place, flipped(sealed, bit)), sealed, `bit ${bit}`);
    });

  it('is mended as well when it is as long as boxes of the journal are', () => {
    const sealed = Uint8Array.from(sealer.seal('journal', place, randomBytes(65_536)));
    for (let bit = 0; bit < 8 * sealed.length; bit += 40_009)
      assert.deepEqual(sealer.mended('journal', place, flipped(sealed, bit)), sealed, `bit ${bit}`);
  });

  it('is left alone when it is another bit of what it is bound to, or more than one', () => {
    const sealed = Uint8Array.from(sealer.seal('journal', place, randomBytes(64)));
    assert.equal(sealer.mended('journal', [2, place[1]], sealed), undefined);
    assert.equal(sealer.mended('block', place, flipped(sealed, 400)), undefined);
    assert.equal(sealer.mended('journal', place, sealed.subarray(0, -1)), undefined);
    assert.equal(sealer.mended('journal', place, sealed.subarray(0, 20)), undefined);
    for (let first = 0; first < 8 * sealed.length; first += 61)
      for (let second = first + 1; second < 8 * sealed.length; second += 97)
        assert.equal(sealer.mended('journal', place, flipped(sealed, first, second)), undefined, `${first}, ${second}`);
  });
});

describe('one flipped bit in the newest record of a journal', () => {
  const records = [journalRecord(1, 5, [40]), journalRecord(6, 5, [300, 70])];

  function written(): SimulatedDisk {
    const disk = new SimulatedDisk();
    const { log } = openJournal(disk);
    for (const record of records) log.append(record);
    log.close();
    return disk;
  }

  it('is put right, on the disk too, and told', () => {
    const disk = written();
    const [name] = disk.names();
    for (let bit = 16 * PAGE; bit < 8 * (2 * PAGE + 1_000); bit += 7) {
      const changed = disk.copy();
      changed.flip(name, bit);
      const { log, findings } = openJournal(changed);
      assert.deepEqual([...recordsOf(log).values()], records, `bit ${bit}`);
      assert.equal(log.append(journalRecord(11, 1, [10])).number, 3);
      log.close();
      assert.ok(
        findings.every(
          ({ kind, text }) => kind === 'torn' || /one bit in record 2 of the journal had flipped/.test(text),
        ),
        JSON.stringify(findings),
      );
      const { log: again, findings: none } = openJournal(changed);
      assert.deepEqual([again.last, none, [...again.verify()]], [3, [], []], `bit ${bit}`);
      assert.deepEqual([...recordsOf(again).values()].slice(0, 2), records, `bit ${bit}`);
      again.close();
    }
  });

  it('is put right in another file where one of the records lies a second time', () => {
    const disk = written();
    const [name] = disk.names();
    const file = disk.open(name);
    file.write(8 * PAGE, file.read(PAGE, PAGE));
    file.close();
    disk.flip(name, 8 * (2 * PAGE + 400));
    const { log, findings } = openJournal(disk);
    assert.deepEqual(findings.map(({ kind }) => kind).toSorted(), ['altered', 'duplicated']);
    assert.deepEqual([...recordsOf(log).values()], records);
    assert.equal(log.append(journalRecord(11, 1, [10])).number, 3);
    log.close();
    const { log: again } = openJournal(disk, { acknowledged: 3 });
    assert.deepEqual([...recordsOf(again).values()].slice(0, 2), records);
    assert.equal(again.last, 3);
    again.close();
  });

  it('is not what a missing sector looks like', () => {
    const disk = written();
    const file = disk.open(disk.names()[0]);
    file.write(2 * PAGE, Buffer.alloc(512));
    file.close();
    const { log, findings } = openJournal(disk);
    assert.deepEqual([log.last, findings.map(({ kind }) => kind)], [1, ['torn']]);
    log.close();
  });
});
