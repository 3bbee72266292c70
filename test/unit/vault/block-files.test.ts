import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Catalogue } from '../../../nodes/src/vault/catalogue/sqlite-catalogue.ts';
import { BlockFiles } from '../../../nodes/src/vault/engine/block-files.ts';
import { BASE_KEY } from '../../../nodes/src/vault/keys/key-numbers.ts';
import { freshKeys, ringOf } from '../../../nodes/src/vault/keys/keys.ts';
import { Sealer } from '../../../nodes/src/vault/keys/sealed.ts';
import { SimulatedDisk } from '../../support/simulated-disk.ts';

const STREAM = 'operations/60';
const FILE = 1;
const body = new TextEncoder().encode('the only block');

describe('a block that waits in a file', () => {
  let directory: string;
  let disk: SimulatedDisk;
  let catalogue: Catalogue;

  beforeEach(async () => {
    directory = mkdtempSync(path.join(tmpdir(), 'tidegate-blocks-'));
    disk = new SimulatedDisk();
    const ring = ringOf(freshKeys(randomBytes(32).toString('hex'), 0));
    const store = { keys: ring, sealer: new Sealer(ring, randomBytes(16)), monthKey: () => BASE_KEY };
    const files = new BlockFiles(disk.below('blocks'));
    ({ catalogue } = Catalogue.open(directory, disk.below('state'), store, files));
    catalogue.begin();
    catalogue.outbox.add(STREAM, 1, body);
    const { filing } = catalogue.outbox;
    const writer = files.write(FILE);
    const tags: Buffer[] = [];
    for (const block of filing.unfiled(0)) {
      writer.add(block);
      tags.push(Buffer.from(block.sealed.subarray(-16)));
    }
    await writer.finish();
    writer.publish();
    filing.filed(
      FILE,
      writer.places.map((place, i) => ({ ...place, tag: tags[i] })),
    );
    assert.ok((filing.fileLoads().get(FILE) ?? 0) > body.length);
  });

  afterEach(() => {
    catalogue.close();
    rmSync(directory, { recursive: true });
  });

  const peek = (): Uint8Array[] =>
    catalogue.outbox.peek(STREAM, 'oldest', [], 1_000_000).map((block) => Uint8Array.from(block.body));

  for (const [what, nth] of [
    ['opened', 1],
    ['read', 2],
  ] as const)
    it(`still waits when its file cannot be ${what} now, and comes once it can`, () => {
      disk.fail('read', nth, 'io');
      assert.throws(peek, { code: 'io' });
      assert.deepEqual([catalogue.damage.count, catalogue.damage.pending], [0, false]);
      assert.equal(catalogue.outbox.streams.waiting().blocks, 1);
      assert.deepEqual(peek(), [body]);
    });

  it('is not called broken by a check while its file cannot be opened', () => {
    disk.fail('read', 1, 'io');
    assert.throws(() => catalogue.outbox.filing.broken(FILE), { code: 'io' });
    assert.deepEqual(catalogue.outbox.filing.broken(FILE), []);
  });

  it('goes out empty when its file is gone, and is counted', () => {
    disk.below('blocks').remove('0000000001.tide');
    assert.deepEqual(peek(), [new Uint8Array(0)]);
    assert.equal(catalogue.damage.count, 1);
    catalogue.damage.settle();
    assert.equal(catalogue.outbox.streams.waiting().bytes, 0);
    assert.deepEqual(peek(), [new Uint8Array(0)]);
  });
});
