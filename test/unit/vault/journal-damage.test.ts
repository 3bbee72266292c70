import assert from 'node:assert/strict';
import type { Finding } from '../../../nodes/src/vault/disk.ts';
import type { JournalLog } from '../../../nodes/src/vault/journal/journal-log.ts';
import type { NewRecord } from '../../../nodes/src/vault/journal/record.ts';
import { PAGE, journalRecord, openJournal, recordsOf } from '../../support/journal.ts';
import { SimulatedDisk } from '../../support/simulated-disk.ts';

const FILE_PAGES = 5;

/** Four records a file, in three files; record n holds positions 10n to 10n + 9. */
function written(): { disk: SimulatedDisk; records: NewRecord[]; files: string[] } {
  const disk = new SimulatedDisk();
  const { log } = openJournal(disk, { fileBytes: FILE_PAGES * PAGE });
  const records: NewRecord[] = [];
  for (let number = 1; number <= 12; number++) {
    records.push(journalRecord(10 * number, 10, [50, 60]));
    log.append(records.at(-1)!);
  }
  log.close();
  const files = disk.names();
  assert.equal(files.length, 3);
  return { disk, records, files };
}

/** Kinds of what is found at opening, and by reading everything. */
function reopened(disk: SimulatedDisk): { log: JournalLog; opening: string[]; reading: string[]; all: Finding[] } {
  const { log, findings } = openJournal(disk, { fileBytes: FILE_PAGES * PAGE, acknowledged: 12 });
  if (log.last < 12) log.startAt(13);
  const read = [...log.verify()];
  return { log, opening: kinds(findings), reading: kinds(read), all: [...findings, ...read] };
}

const kinds = (findings: Finding[]): string[] => [...new Set(findings.map(({ kind }) => kind))].toSorted();

/** Numbers of records that are not what they were. */
function lost(log: JournalLog, records: NewRecord[]): number[] {
  const held = recordsOf(log);
  const numbers: number[] = [];
  for (const [i, record] of records.entries()) {
    const found = held.get(i + 1);
    if (found === undefined) numbers.push(i + 1);
    else assert.deepEqual(found, record);
  }
  return numbers;
}

function page(disk: SimulatedDisk, name: string, at: number): Uint8Array {
  return disk.contents(name).slice(at * PAGE, (at + 1) * PAGE);
}

function putPage(disk: SimulatedDisk, name: string, at: number, bytes: Uint8Array): void {
  const contents = disk.contents(name);
  contents.set(bytes, at * PAGE);
  disk.put(name, contents);
}

describe('the redo log in the hands of somebody else', () => {
  it('names a file that was removed from the middle, with its positions', () => {
    const { disk, records, files } = written();
    disk.remove(files[1]);
    const { log, opening, reading, all } = reopened(disk);
    assert.deepEqual([opening, reading], [['removed'], ['removed']]);
    assert.deepEqual(all[0].positions, [50, 90]);
    assert.deepEqual(lost(log, records), [5, 6, 7, 8]);
    assert.equal(log.find(55), 9);
  });

  it('names records that were acknowledged and are gone with the newest file, and does not give their numbers again', () => {
    const { disk, records, files } = written();
    disk.remove(files[2]);
    assert.equal(openJournal(disk, { acknowledged: 12 }).log.last, 8);
    const { log, reading } = reopened(disk);
    assert.deepEqual(reading, ['removed']);
    assert.deepEqual(lost(log, records), [9, 10, 11, 12]);
    assert.equal(log.append(journalRecord(130, 1, [5])).number, 13);
    assert.equal(openJournal(disk).log.last, 13);
  });

  it('starts again behind what others know when all files are gone', () => {
    const { disk, files } = written();
    for (const name of files) disk.remove(name);
    const { log } = openJournal(disk);
    assert.equal(log.last, 0);
    log.startAt(13);
    assert.equal(log.oldest, 13);
    assert.equal(log.append(journalRecord(130, 1, [5])).number, 13);
    assert.throws(() => log.startAt(13), { code: 'invalid' });
    assert.equal(openJournal(disk).log.read(13)?.first, 130);
  });

  it('names files whose names were exchanged, and reads them all the same', () => {
    const { disk, records, files } = written();
    const [first, second] = [disk.contents(files[0]), disk.contents(files[1])];
    disk.put(files[0], second);
    disk.put(files[1], first);
    const { log, opening, reading } = reopened(disk);
    assert.deepEqual([opening, reading], [['reordered'], ['reordered']]);
    assert.deepEqual(lost(log, records), []);
  });

  it('names a second copy of a file, and leaves it alone', () => {
    for (const copy of ['0000000009.tide', '0000000000.tide']) {
      const { disk, records, files } = written();
      disk.put(copy, disk.contents(files[1]));
      const { log, opening, reading } = reopened(disk);
      assert.deepEqual([opening, reading], [['duplicated'], ['duplicated']]);
      assert.deepEqual(lost(log, records), []);
      log.append(journalRecord(130, 1, [5]));
      assert.deepEqual(disk.contents(copy), disk.contents(files[1]));
    }
  });

  it('names a file that was put back to an older state', () => {
    const { disk, records, files } = written();
    const old = disk.contents(files[1]);
    old.fill(0, 3 * PAGE);
    disk.put(files[1], old);
    const { log, reading, all } = reopened(disk);
    assert.deepEqual(reading, ['removed']);
    assert.deepEqual(all[0].positions, [70, 90]);
    assert.deepEqual(lost(log, records), [7, 8]);
  });

  it('names a record that was blanked, and reads those around it', () => {
    const { disk, records, files } = written();
    putPage(disk, files[2], 2, new Uint8Array(PAGE));
    const { log, opening, reading, all } = reopened(disk);
    assert.deepEqual([opening, reading], [['removed'], ['removed']]);
    assert.deepEqual(all[0].positions, [100, 110]);
    assert.deepEqual(lost(log, records), [10]);
    assert.equal(log.find(100), 11);
  });

  it('names records that were exchanged with each other, and reads both', () => {
    const { disk, records, files } = written();
    const [one, other] = [page(disk, files[1], 1), page(disk, files[1], 3)];
    putPage(disk, files[1], 1, other);
    putPage(disk, files[1], 3, one);
    const { log, reading } = reopened(disk);
    assert.deepEqual(reading, ['reordered']);
    assert.deepEqual(lost(log, records), []);
  });

  it('names a record that was written over another one, in its own file and in another', () => {
    for (const [from, to] of [
      [1, 1],
      [0, 1],
      [1, 0],
    ]) {
      const { disk, records, files } = written();
      putPage(disk, files[to], 2, page(disk, files[from], 3));
      const { log, reading } = reopened(disk);
      assert.ok(reading.includes('reordered'), reading.join());
      assert.deepEqual(reading.includes('duplicated'), from === to);
      assert.deepEqual(lost(log, records), [4 * to + 2]);
    }
  });

  it('names a copy of a record behind the newest one, and does not write over it', () => {
    const { disk, records, files } = written();
    const log = openJournal(disk, { fileBytes: FILE_PAGES * PAGE }).log;
    records.push(journalRecord(130, 10, [7]));
    log.append(records[12]);
    log.close();
    const newest = disk.names().at(-1)!;
    putPage(disk, newest, 3, page(disk, newest, 1));
    putPage(disk, newest, 4, page(disk, files[0], 1));
    const again = reopened(disk);
    assert.deepEqual([again.opening, again.reading], [['duplicated'], ['duplicated']]);
    assert.deepEqual(lost(again.log, records), []);
    again.log.append(journalRecord(140, 1, [7]));
    assert.deepEqual(page(disk, newest, 3), page(disk, newest, 1));
  });

  it('notices a record that was exchanged for another true one of the same number', () => {
    const disk = new SimulatedDisk();
    const { log } = openJournal(disk, { fileBytes: 3 * PAGE });
    log.append(journalRecord(1, 1, [5]));
    disk.fail('sync', 1, 'io');
    assert.throws(() => log.append(journalRecord(2, 1, [6])), { code: 'io' });
    for (let position = 2; position <= 4; position++) log.append(journalRecord(position, 1, [7]));
    log.close();
    const [, second] = disk.names();
    assert.deepEqual([...openJournal(disk).log.verify()], []);
    // The file with record 2 as it was acknowledged goes, the file with the one that failed stays.
    disk.remove(second);
    const { log: again, findings } = openJournal(disk);
    const found = [...findings, ...again.verify()];
    assert.ok(found.length > 0);
    assert.equal(again.read(4)?.first, 4);
  });

  it('drops an unfinished record with its positions, and writes its number anew', () => {
    const { disk, records, files } = written();
    const tail = page(disk, files[2], 4);
    tail.fill(0, 170, 400);
    putPage(disk, files[2], 4, tail);
    const { log, findings } = openJournal(disk, { fileBytes: FILE_PAGES * PAGE });
    assert.deepEqual(kinds(findings), ['torn']);
    assert.deepEqual(findings[0].positions, [120, 130]);
    assert.deepEqual(findings[0].times, [records[11].timeFrom, records[11].timeTo]);
    assert.equal(log.last, 11);
    assert.equal(log.append(journalRecord(120, 4, [9])).number, 12);
    assert.deepEqual(page(disk, files[2], 4), tail);
    assert.equal(openJournal(disk).log.read(12)?.count, 4);
    assert.deepEqual([...openJournal(disk).log.verify()], []);
  });
});
