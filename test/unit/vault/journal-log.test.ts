import assert from 'node:assert/strict';
import { PAGE, journalRecord, openJournal, recordsOf } from '../../support/journal.ts';
import { SimulatedDisk } from '../../support/simulated-disk.ts';

describe('JournalLog', () => {
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
