import assert from 'node:assert/strict';
import type { JournalLog } from '../../nodes/src/vault/journal/journal-log.ts';
import type { NewRecord } from '../../nodes/src/vault/journal/record.ts';
import { PAGE, journalRecord, openJournal } from '../support/journal.ts';
import { SimulatedDisk } from '../support/simulated-disk.ts';
import { randomFrom } from '../support/simulated-world.ts';

/** In the padding, where a page means nothing, only every so many bytes are tried. */
const STRIDE = Number(process.env['STRIDE'] ?? 29);
const OPTIONS = { fileBytes: 5 * PAGE, acknowledged: 5 };

function written(): { disk: SimulatedDisk; records: NewRecord[] } {
  const disk = new SimulatedDisk();
  const { log } = openJournal(disk, { fileBytes: 5 * PAGE });
  const records = [
    journalRecord(1, 5, [40, 30]),
    journalRecord(6, 5, [20]),
    journalRecord(11, 2, [4_500, 30]),
    journalRecord(13, 5, [25, 35]),
    journalRecord(18, 5, [30]),
  ];
  for (const record of records) log.append(record);
  log.close();
  assert.equal(disk.names().length, 2);
  return { disk, records };
}

/** Boxes that are not what they were; a record that cannot be read at all counts as more than one. */
function lostBoxes(log: JournalLog, records: readonly NewRecord[]): number {
  let lost = 0;
  for (const [i, { boxes, ...head }] of records.entries()) {
    const read = log.read(i + 1);
    if (read === undefined) {
      lost += 1 + boxes.length;
      continue;
    }
    const { boxes: found, number, ...rest } = read;
    assert.equal(number, i + 1);
    assert.deepEqual(rest, head);
    assert.equal(found.length, boxes.length);
    for (const [at, box] of found.entries()) {
      if (box === undefined) lost++;
      else assert.deepEqual(Uint8Array.from(box), boxes[at]);
    }
  }
  return lost;
}

/** Every byte that means something, and some of those that do not; of the long box every fifth. */
function* places(disk: SimulatedDisk): Generator<[name: string, byte: number]> {
  const [first] = disk.names();
  for (const name of disk.names()) {
    const contents = disk.contents(name);
    for (let byte = 0; byte < contents.length; byte++) {
      const inLongBox = name === first && byte > 3 * PAGE + 400 && byte < 4 * PAGE + 500;
      const every = contents[byte] === 0 ? STRIDE : inLongBox ? 5 : 1;
      if (byte % every === 0) yield [name, byte];
    }
  }
}

describe('a flipped bit in the redo log', () => {
  const { disk, records } = written();
  const random = randomFrom(3);

  it('costs one box at most and is noticed, wherever it is', function () {
    this.timeout(120_000);
    let tried = 0;
    let boxes = 0;
    let unnoticed = 0;
    for (const [name, byte] of places(disk)) {
      const changed = disk.copy();
      const bit = 8 * byte + Math.floor(random() * 8);
      changed.flip(name, bit);
      const { log, findings } = openJournal(changed, OPTIONS);
      const where = `${name}, bit ${bit}`;
      const lost = lostBoxes(log, records);
      const found = [...findings, ...log.verify()];
      assert.ok(lost <= 1, `${where}: ${lost} boxes are lost`);
      assert.ok(lost === 0 || found.length > 0, `${where}: nobody noticed`);
      assert.equal(log.append(journalRecord(23, 1, [3])).number, 6, where);
      if (found.length === 0) unnoticed++;
      tried++;
      boxes += lost;
    }
    assert.ok(tried > 3_000 && boxes > 1_000, `${tried} bits, ${boxes} boxes`);
    // Pages that no record has used yet mean nothing: a flipped bit there changes nothing, and nobody looks for it.
    assert.ok(unnoticed <= (4 * PAGE) / STRIDE, `${unnoticed} unnoticed`);
  });

  it('costs nothing in the newest record, of which nobody knows whether it was acknowledged', function () {
    this.timeout(120_000);
    for (const [name, byte] of places(disk)) {
      if (byte % 11 !== 0) continue;
      const changed = disk.copy();
      const bit = 8 * byte + Math.floor(random() * 8);
      changed.flip(name, bit);
      const { log, findings } = openJournal(changed, { fileBytes: 5 * PAGE });
      const where = `${name}, bit ${bit}`;
      assert.equal(log.last, 5, where);
      const { boxes } = log.read(5)!;
      assert.equal(boxes.indexOf(undefined), -1, where);
      const lost = lostBoxes(log, records);
      assert.ok(lost === 0 || (lost === 1 && findings.length + [...log.verify()].length > 0), where);
      assert.equal(log.append(journalRecord(23, 1, [3])).number, 6, where);
      assert.equal(openJournal(changed).log.last, 6, where);
    }
  });
});
