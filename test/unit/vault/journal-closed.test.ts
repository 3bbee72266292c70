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

function believed(number: number): number[] | undefined {
  const disk = new SimulatedDisk();
  const { log } = openJournal(disk);
  log.append(journalRecord(1, 1, [100]));
  log.close();
  const file = disk.open('0000000001.tide');
  const pages = Buffer.from(file.read(0, file.size));
  // The head and the copy of it that ends its page: who has no key can write both.
  const length = pages.readUInt32LE(2 * PAGE - 12);
  for (const head of [PAGE, 2 * PAGE - 12 - length]) {
    pages.writeDoubleLE(number, head + NUMBER_AT);
    pages.writeUInt32LE(journalKey(1), head + length - KEY_FROM_END);
  }
  file.write(0, pages);
  const found = closedRecords(new Pages(file), sealerWith());
  file.close();
  return found?.records.map((one) => one.number);
}

describe('the heads of a journal file whose key is gone', () => {
  it('say which records lie there', () => assert.deepEqual(believed(7), [7]));

  for (const number of [2.5, -1, 2 ** 50, Infinity, NaN])
    it(`are not believed a number such as ${number}`, () => assert.equal(believed(number), undefined));
});
