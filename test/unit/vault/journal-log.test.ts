import assert from 'node:assert/strict';
import { TideError } from '../../../nodes/src/node/errors.ts';
import { BadBlock, type Disk, type DiskFile } from '../../../nodes/src/vault/disk.ts';
import { JournalLog } from '../../../nodes/src/vault/journal/journal-log.ts';
import { PAGE, journalRecord, openJournal, recordsOf, sealerWith } from '../../support/journal.ts';
import { SimulatedDisk } from '../../support/simulated-disk.ts';

describe('JournalLog', () => {
  for (const [records, kind] of [
    [1, 'torn'],
    [2, 'altered'],
  ] as const)
    it(`calls a first page that is broken in its middle ${kind} after ${records} record${records === 1 ? '' : 's'}`, () => {
      const disk = new SimulatedDisk();
      const { log } = openJournal(disk);
      for (let i = 0; i < records; i++) log.append(journalRecord(1 + i, 1, [100]));
      log.close();
      const file = disk.open('0000000001.tide');
      file.write(0, Buffer.alloc(512, 7));
      file.close();
      const { log: again, findings } = openJournal(disk);
      assert.deepEqual([again.last, findings.map((one) => one.kind)], [records, [kind]]);
      again.close();
    });

  it('gives back what was appended, also after it was closed', () => {
    const disk = new SimulatedDisk();
    const { log, findings } = openJournal(disk);
    assert.deepEqual(findings, []);
    assert.equal(log.last, 0);
    assert.equal(log.oldest, 1);
    const written = [
      journalRecord(1, 10, [100, 5_000]),
      journalRecord(11, 0, []),
      journalRecord(11, 5, [0, 1]),
      journalRecord(16, 1, [100_000]),
      journalRecord(17, 3, [20]),
    ];
    for (const [i, record] of written.entries()) {
      const { number, bytes } = log.append(record);
      assert.equal(number, i + 1);
      assert.equal(bytes % PAGE, 0);
    }
    const check = (one: typeof log): void => {
      assert.equal(one.last, 5);
      assert.equal(one.oldest, 1);
      assert.deepEqual([...recordsOf(one).values()], written);
      assert.deepEqual([...one.verify()], []);
      assert.deepEqual(
        [1, 10, 11, 15, 16, 17, 19, 20].map((position) => one.find(position)),
        [1, 1, 3, 3, 4, 5, 5, undefined],
      );
      assert.equal(one.read(0), undefined);
      assert.equal(one.read(6), undefined);
      assert.equal(one.head(4)?.first, 16);
    };
    check(log);
    log.close();
    const again = openJournal(disk);
    assert.deepEqual(again.findings, []);
    check(again.log);
    assert.equal(again.log.append(journalRecord(20, 1, [9])).number, 6);
    assert.equal(openJournal(disk).log.last, 6);
  });

  it('writes a page for a small record, and never a page twice', () => {
    const disk = new SimulatedDisk();
    const { log } = openJournal(disk);
    log.append(journalRecord(1, 1, [10]));
    const before = disk.contents(disk.names()[0]);
    assert.equal(log.append(journalRecord(2, 1, [3_000])).bytes, PAGE);
    const after = disk.contents(disk.names()[0]);
    assert.deepEqual(after.subarray(0, 2 * PAGE), before.subarray(0, 2 * PAGE));
  });

  it('uses released files again and keeps a number of them', () => {
    const disk = new SimulatedDisk();
    const { log } = openJournal(disk, { spare: 2 });
    for (let number = 1; number <= 100; number++) {
      log.append(journalRecord(number, 1, [100]));
      log.release(number - 20);
      while (log.prepare());
      assert.ok(log.oldest <= Math.max(1, number - 20) && log.oldest > number - 40, `${log.oldest} at ${number}`);
      assert.ok(disk.names().length <= 6, `${disk.names().length} files`);
    }
    const { create } = disk.calls;
    assert.ok(create <= 6, `${create} files were made`);
    assert.equal(log.bytes.allocated, disk.names().length * 16 * PAGE);
    assert.deepEqual([...log.verify()], []);
    const again = openJournal(disk);
    assert.deepEqual(again.findings, []);
    assert.deepEqual([...again.log.verify()], []);
    assert.equal(again.log.last, 100);
  });

  it('begins a file with each data key, and says which is the oldest that is still needed', () => {
    const disk = new SimulatedDisk();
    const { log } = openJournal(disk);
    log.append(journalRecord(1, 1, [10]));
    assert.equal(log.oldestKey, 1);
    log.close();
    const { log: again } = openJournal(disk, { acknowledged: 1 }, 2);
    again.append(journalRecord(2, 1, [10]));
    again.append(journalRecord(3, 1, [10]));
    assert.equal(disk.names().length, 2);
    assert.equal(again.oldestKey, 1);
    again.release(2);
    assert.equal(again.oldestKey, 2);
    again.close();
    // The first key is gone, and the file that it sealed is room for new records.
    const { log: third, findings } = JournalLog.open(disk, sealerWith(2), () => 2, { fileBytes: 16 * PAGE });
    assert.deepEqual(findings, []);
    assert.deepEqual([...recordsOf(third).keys()], [2, 3]);
    for (let number = 4; number <= 20; number++) third.append(journalRecord(number, 1, [10]));
    assert.equal(disk.names().length, 2);
    assert.deepEqual([...third.verify()], []);
  });

  it('makes room ahead in steps, and says when it cannot', () => {
    const disk = new SimulatedDisk();
    const { log } = openJournal(disk, { fileBytes: 2 * 1024 * 1024 });
    assert.equal(log.prepare(), true);
    while (log.prepare());
    const { create, write } = disk.calls;
    log.append(journalRecord(1, 1, [10]));
    assert.equal(disk.calls.create, create);
    assert.equal(disk.calls.write, write + 1);
    assert.equal(log.prepare(), false);
    log.append(journalRecord(2, 1, [1_200_000]));
    disk.capacity = 0;
    while (log.prepare());
    assert.equal(log.problem?.code, 'disk-full');
    log.append(journalRecord(3, 1, [100_000]));
    assert.throws(() => log.append(journalRecord(4, 1, [1_000_000])), { code: 'disk-full' });
    disk.heal();
    assert.equal(log.append(journalRecord(4, 1, [1_000_000])).number, 4);
    assert.equal(log.problem, undefined);
    assert.deepEqual([...log.verify()], []);
    assert.equal(recordsOf(openJournal(disk).log).size, 4);
  });
});

describe('JournalLog on a disk that does not do as it should', () => {
  it('leaves a file whose write failed alone, and takes the number again', () => {
    for (const call of ['write', 'sync'] as const) {
      const disk = new SimulatedDisk(5);
      const { log } = openJournal(disk);
      log.append(journalRecord(1, 1, [10]));
      disk.fail(call, 1, 'io');
      assert.throws(() => log.append(journalRecord(2, 1, [20], 99)), { code: 'io' });
      assert.equal(log.last, 1);
      assert.equal(log.read(2), undefined);
      const [first] = disk.names();
      const before = disk.contents(first);
      assert.equal(log.append(journalRecord(2, 1, [30])).number, 2);
      assert.deepEqual(disk.contents(first), before);
      assert.deepEqual(recordsOf(openJournal(disk).log).get(2), journalRecord(2, 1, [30]));
      assert.deepEqual(recordsOf(openJournal(disk.crash()).log).get(2), journalRecord(2, 1, [30]));
    }
  });

  it('makes sure of a record that it finds after a failed sync, before anybody relies on it', () => {
    const disk = new SimulatedDisk(5);
    const { log } = openJournal(disk);
    log.append(journalRecord(1, 1, [10]));
    disk.fail('sync', 1, 'io');
    assert.throws(() => log.append(journalRecord(2, 1, [20])), { code: 'io' });
    log.close();
    assert.equal(openJournal(disk).log.last, 2);
    assert.equal(openJournal(disk.crash()).log.last, 2);
  });

  it('writes the newest record to another file when its own cannot be written again', () => {
    const disk = new SimulatedDisk(5);
    openJournal(disk).log.append(journalRecord(1, 1, [10]));
    disk.fail('write', 1, 'io');
    const { log } = openJournal(disk);
    assert.equal(log.last, 1);
    assert.deepEqual(disk.names(), ['0000000002.tide']);
    assert.equal(log.append(journalRecord(2, 1, [20])).number, 2);
    assert.deepEqual([...openJournal(disk).log.verify()], []);
    assert.equal(recordsOf(openJournal(disk.crash()).log).size, 2);
  });

  it('writes the newest record again behind itself, and does not touch it where it lies', () => {
    const disk = new SimulatedDisk();
    const { log } = openJournal(disk);
    for (const number of [1, 2]) log.append(journalRecord(number, 1, [100]));
    log.close();
    const [name] = disk.names();
    const before = disk.contents(name);
    for (let start = 1; start <= 3; start++) {
      const { log: again } = openJournal(disk);
      assert.equal(again.last, 2);
      again.close();
      assert.deepEqual(disk.contents(name).subarray(0, 3 * PAGE), before.subarray(0, 3 * PAGE));
      assert.notDeepEqual(disk.contents(name).subarray((2 + start) * PAGE, (3 + start) * PAGE), new Uint8Array(PAGE));
    }
    // Any of the copies will do.
    for (const page of [5, 4, 3]) {
      disk.flip(name, 8 * (page * PAGE + 200));
      disk.flip(name, 8 * (page * PAGE + 300));
      const { log: again, findings } = openJournal(disk.copy());
      assert.deepEqual(findings, []);
      assert.deepEqual(recordsOf(again).get(2), journalRecord(2, 1, [100]));
      assert.deepEqual([...again.verify()], []);
      assert.equal(again.append(journalRecord(3, 1, [7])).number, 3);
      again.close();
    }
    const { log: whole } = openJournal(disk, { acknowledged: 2 });
    assert.equal(whole.append(journalRecord(3, 1, [7])).number, 3);
    assert.deepEqual([...recordsOf(whole).keys()], [1, 2, 3]);
    assert.deepEqual([...whole.verify()], []);
  });

  it('takes another file for the newest record when its own is full, and its own place when there is no room at all', () => {
    for (const hasRoom of [true, false]) {
      const disk = new SimulatedDisk();
      const { log } = openJournal(disk, { fileBytes: 3 * PAGE });
      for (const number of [1, 2]) log.append(journalRecord(number, 1, [100]));
      log.close();
      if (!hasRoom) disk.capacity = 3 * PAGE;
      const { log: again } = openJournal(disk, { fileBytes: 3 * PAGE });
      assert.deepEqual(recordsOf(again).get(2), journalRecord(2, 1, [100]));
      assert.equal(disk.names().length, hasRoom ? 2 : 1);
      disk.heal();
      assert.equal(again.append(journalRecord(3, 1, [7])).number, 3);
      assert.deepEqual([...recordsOf(again).keys()], [1, 2, 3]);
      assert.deepEqual([...again.verify()], []);
      again.close();
    }
  });

  it('loses one part of a record to a page that cannot be read', () => {
    const disk = new SimulatedDisk();
    const { log } = openJournal(disk);
    log.append(journalRecord(1, 1, [3_000, 5_000, 20]));
    log.append(journalRecord(2, 1, [20]));
    log.close();
    const { log: again } = openJournal(withBadPage(disk, 2), { acknowledged: 2 });
    assert.deepEqual(
      again.read(1)?.boxes.map((box) => box?.length),
      [3_000, undefined, 20],
    );
    assert.equal(again.read(2)?.boxes.length, 1);
    assert.deepEqual(
      [...again.verify()].map(({ kind, positions }) => [kind, positions]),
      [['altered', [1, 2]]],
    );
  });

  it('loses nothing to files that cannot be opened for a moment, also when there are more than are kept open', () => {
    const disk = new SimulatedDisk();
    const { log } = openJournal(disk, { fileBytes: 3 * PAGE });
    for (let number = 1; number <= 80; number++) log.append(journalRecord(number, 1, [100]));
    log.close();
    const { files, fail } = failingOpens(disk);
    const { log: again, findings } = openJournal(files, { fileBytes: 3 * PAGE, acknowledged: 80 });
    assert.deepEqual(findings, []);
    for (const read of [
      () => again.read(1),
      () => again.head(21),
      () => again.find(41),
      () => [...again.verify()],
      () => openJournal(files, { acknowledged: 80 }),
    ]) {
      fail();
      assert.throws(read, { code: 'io', message: /too many/ });
    }
    assert.deepEqual([again.oldest, recordsOf(again).size], [1, 80]);
    for (const record of recordsOf(again).values()) assert.notEqual(record, undefined);
    assert.deepEqual([...again.verify()], []);
  });

  it('reads a block a second time before it counts as bad', () => {
    const disk = new SimulatedDisk();
    const { log } = openJournal(disk);
    log.append(journalRecord(1, 1, [20]));
    log.append(journalRecord(2, 1, [20]));
    disk.fail('read', 1, 'io');
    assert.equal(log.read(1)?.boxes.length, 1);
    disk.fail('read', 1, 'io');
    disk.fail('read', 1, 'io');
    assert.equal(log.read(1)?.boxes.length, 1, 'the copy at its end');
  });

  it('refuses what is too large, and goes on', () => {
    const { log } = openJournal(new SimulatedDisk());
    const boxes = Array.from({ length: 8_193 }, () => new Uint8Array(0));
    assert.throws(() => log.append({ ...journalRecord(1, 1, []), boxes }), { code: 'too-large' });
    assert.throws(() => log.append({ ...journalRecord(1, 1, []), boxes: [new Uint8Array(2 ** 26 + 1)] }), {
      code: 'too-large',
    });
    assert.throws(() => log.append({ ...journalRecord(1, 1, []), boot: new Uint8Array(15) }), { code: 'invalid' });
    assert.equal(log.append({ ...journalRecord(1, 1, []), boxes: boxes.slice(1) }).number, 1);
    assert.equal(log.read(1)?.boxes.length, 8_192);
  });

  it('goes on reading what is there while records are added and released', () => {
    const { log } = openJournal(new SimulatedDisk(), { fileBytes: 3 * PAGE });
    for (let number = 1; number <= 20; number++) log.append(journalRecord(number, 1, [100]));
    const reading = log.verify();
    assert.equal(reading.next().done, true);
    const { log: other } = openJournal(new SimulatedDisk(), { fileBytes: 3 * PAGE });
    other.startAt(4);
    for (let number = 4; number <= 200; number++) other.append(journalRecord(number, 1, [100]));
    assert.equal(other.read(3), undefined);
    assert.equal(other.read(4)?.first, 4);
    other.release(150);
    assert.equal(other.read(100), undefined);
    assert.equal(other.find(1), other.oldest);
  });
});

/** A disk on which the next file to be opened after `fail` cannot be, as when there are no descriptors left. */
function failingOpens(disk: Disk): { files: Disk; fail: () => void } {
  let left = 0;
  const files: Disk = {
    names: () => disk.names(),
    open: (name) => {
      if (left-- > 0) throw new TideError('io', 'too many open files');
      return disk.open(name);
    },
    create: (name) => disk.create(name),
    rename: (from, to) => disk.rename(from, to),
    remove: (name) => disk.remove(name),
    sync: () => disk.sync(),
    below: (name) => disk.below(name),
  };
  return { files, fail: () => void (left = 1) };
}

/** A disk whose files have one page that cannot be read. */
function withBadPage(disk: Disk, page: number): Disk {
  const bad = (file: DiskFile): DiskFile => ({
    name: file.name,
    size: file.size,
    read: (offset, length) => {
      if (offset < (page + 1) * PAGE && offset + length > page * PAGE) throw new BadBlock('a bad block');
      return file.read(offset, length);
    },
    write: (offset, bytes) => file.write(offset, bytes),
    sync: () => file.sync(),
    syncLater: () => file.syncLater(),
    close: () => file.close(),
  });
  return {
    names: () => disk.names(),
    open: (name) => bad(disk.open(name)),
    create: (name) => disk.create(name),
    rename: (from, to) => disk.rename(from, to),
    remove: (name) => disk.remove(name),
    sync: () => disk.sync(),
    below: (name) => disk.below(name),
  };
}
