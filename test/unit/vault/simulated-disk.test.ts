import assert from 'node:assert/strict';
import { PowerCut, SimulatedDisk } from '../../support/simulated-disk.ts';

const OLD = new Uint8Array(2_048).fill(1);
const NEW = new Uint8Array(2_048).fill(2);

/** What is found in many runs that differ by their seed alone. */
function outcomes(run: (disk: SimulatedDisk) => string): string[] {
  return [...new Set(Array.from({ length: 200 }, (_, seed) => run(new SimulatedDisk(seed))))].toSorted();
}

describe('SimulatedDisk', () => {
  it('keeps what was synced', () => {
    const found = outcomes((disk) => {
      const file = disk.below('a').create('one');
      file.write(0, NEW);
      file.sync();
      disk.below('a').sync();
      return String(
        disk
          .crash()
          .below('a')
          .contents('one')
          .every((byte) => byte === 2),
      );
    });
    assert.deepEqual(found, ['true']);
  });

  it('keeps any sectors of what was not synced', () => {
    const found = outcomes((disk) => {
      disk.put('one', OLD);
      disk.open('one').write(0, NEW);
      const left = disk.crash().contents('one');
      return [0, 1, 2, 3]
        .map((sector) => new Set(left.subarray(512 * sector, 512 * (sector + 1))))
        .map((s) => [...s].join('+'))
        .join();
    });
    assert.equal(found.length, 16);
    assert.ok(
      found.every((sectors) => /^[12](,[12]){3}$/.test(sectors)),
      found.join(' '),
    );
  });

  it('keeps or forgets names that were not synced', () => {
    const found = outcomes((disk) => {
      disk.put('old', OLD);
      disk.create('made');
      disk.rename('old', 'new');
      return disk.crash().names().join();
    });
    assert.deepEqual(found, ['made,new', 'made,old', 'new', 'old']);
  });

  it('forgets what a failed sync has not written, even when a later one succeeds', () => {
    const found = outcomes((disk) => {
      disk.put('one', OLD.subarray(0, 512));
      const file = disk.open('one');
      file.write(0, NEW.subarray(0, 512));
      disk.fail('sync', 1, 'io');
      assert.throws(() => file.sync(), { code: 'io' });
      assert.equal(file.read(0, 1)[0], 2);
      file.sync();
      return String(disk.crash().contents('one')[0]);
    });
    assert.deepEqual(found, ['1', '2']);
  });

  it('is full at its capacity, and again has room when a file is removed', () => {
    const disk = new SimulatedDisk();
    disk.capacity = 3_000;
    disk.create('one').write(0, OLD);
    const two = disk.below('a').create('two');
    assert.throws(() => two.write(0, OLD), { code: 'disk-full' });
    disk.open('one').write(0, NEW);
    disk.remove('one');
    two.write(0, OLD);
  });

  it('does nothing more when the power is off', () => {
    const disk = new SimulatedDisk();
    const file = disk.create('one');
    disk.cutPowerAt(2);
    file.write(0, OLD);
    assert.throws(() => file.sync(), PowerCut);
    assert.throws(() => file.read(0, 1), PowerCut);
    assert.throws(() => disk.names(), PowerCut);
    assert.deepEqual(disk.crash().copy().names().length <= 1, true);
  });
});
