import assert from 'node:assert/strict';
import { SEAL_BYTES } from '../../../nodes/src/vault/journal/record.ts';
import { journalKey } from '../../../nodes/src/vault/keys/key-numbers.ts';
import { closedRecords } from '../../../nodes/src/vault/journal/closed.ts';
import { PAGE, Pages } from '../../../nodes/src/vault/journal/pages.ts';
import { journalRecord, openJournal, sealerWith } from '../../support/journal.ts';
import { SimulatedDisk } from '../../support/simulated-disk.ts';

/** Where a head has the number of its record, and from its end where the data key that seals it is named. */
const NUMBER_AT = 32;
const KEY_FROM_END = SEAL_BYTES - 1;

/** Numbers that are believed once all records of one page each say that they lie under a journal key; `change`: the number of each. */
function believed(disk: SimulatedDisk, change = (number: number): number => number): number[] | undefined {
  const file = disk.open('0000000001.tide');
  const pages = Buffer.from(file.read(0, file.size));
  for (let page = PAGE; page < pages.length; page += PAGE) {
    // The head and the copy of it that ends its page: who has no key can write both.
    const length = pages.readUInt32LE(page + PAGE - 12);
    if (length === 0) continue;
    for (const head of [page, page + PAGE - 12 - length]) {
      pages.writeDoubleLE(change(pages.readDoubleLE(head + NUMBER_AT)), head + NUMBER_AT);
      pages.writeUInt32LE(journalKey(1), head + length - KEY_FROM_END);
    }
  }
  file.write(0, pages);
  const found = closedRecords(new Pages(file), sealerWith());
  file.close();
  return found?.records.map((one) => one.number);
}

function withOneRecord(): SimulatedDisk {
  const disk = new SimulatedDisk();
  const { log } = openJournal(disk);
  log.append(journalRecord(1, 1, [100]));
  log.close();
  return disk;
}

describe('the heads of a journal file whose key is gone', () => {
  it('say which records lie there', () =>
    assert.deepEqual(
      believed(withOneRecord(), () => 7),
      [7],
    ));

  it('say it also of what follows a record that was written again', () => {
    const disk = withOneRecord();
    for (const number of [2, 3]) {
      const { log } = openJournal(disk);
      log.append(journalRecord(number, 1, [100]));
      log.close();
    }
    assert.deepEqual(believed(disk), [1, 2, 3]);
  });

  for (const number of [2.5, -1, 2 ** 50, Infinity, NaN])
    it(`are not believed a number such as ${number}`, () =>
      assert.equal(
        believed(withOneRecord(), () => number),
        undefined,
      ));
});
