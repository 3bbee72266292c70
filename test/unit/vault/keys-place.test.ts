import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { checkPlace, PLACE_FILE, type PlaceCheck, probePlace } from '../../../nodes/src/vault/keys/file-place.ts';
import { freshKeys, ringOf } from '../../../nodes/src/vault/keys/keys.ts';
import { comparePlaces, placeOf, type PlaceProbe, type Told } from '../../../nodes/src/vault/keys/place.ts';
import { Sealer } from '../../../nodes/src/vault/keys/sealed.ts';

const ring = ringOf(freshKeys(randomBytes(32).toString('hex'), 0));
const sealer = new Sealer(ring, randomBytes(16));
const hash = (...parts: readonly string[]): Buffer => ring.nameHash(...parts);
const check = (directory: string): PlaceCheck => checkPlace(directory, ring, sealer);

describe('the place of a vault', () => {
  let root: string;
  let home: string;

  beforeEach(() => {
    root = mkdtempSync(path.join(tmpdir(), 'tidegate-place-'));
    home = path.join(root, 'vault');
    mkdirSync(home);
    writeFileSync(path.join(home, 'vault.keys'), 'x');
    check(home).keep();
  });

  afterEach(() => rmSync(root, { recursive: true, force: true }));

  it('is the same at the next start, under another name, and when files beside it are written anew', () => {
    assert.deepEqual([check(home).verdict, check(home).reasons], ['same', []]);
    renameSync(home, path.join(root, 'renamed'));
    mkdirSync(path.join(root, 'below'));
    renameSync(path.join(root, 'renamed'), path.join(root, 'below/vault'));
    home = path.join(root, 'below/vault');
    writeFileSync(path.join(home, 'vault.keys.new'), 'y');
    renameSync(path.join(home, 'vault.keys.new'), path.join(home, 'vault.keys'));
    assert.equal(check(home).verdict, 'same');
    assert.equal(statSync(path.join(home, PLACE_FILE)).mode & 0o777, 0o600);
  });

  it('is another one for a copy, however exact, until it is kept', () => {
    const copies: [string, (to: string) => void][] = [
      ['cp', (to) => execFileSync('cp', ['-a', home, to])],
      ['links', (to) => execFileSync('cp', ['-al', home, to])],
      [
        'tar',
        (to) => {
          mkdirSync(to);
          const archive = execFileSync('tar', ['-C', home, '-cf', '-', '.']);
          execFileSync('tar', ['-C', to, '-xf', '-'], { input: archive });
        },
      ],
    ];
    for (const [name, copy] of copies) {
      const to = path.join(root, name);
      copy(to);
      assert.deepEqual(readFileSync(path.join(to, PLACE_FILE)), readFileSync(path.join(home, PLACE_FILE)));
      const found = check(to);
      assert.equal(found.verdict, 'copied', name);
      assert.ok(found.reasons.length > 0, name);
      assert.equal(check(to).verdict, 'copied', name);
      found.keep();
      assert.equal(check(to).verdict, 'same', name);
      assert.equal(check(home).verdict, 'same', name);
    }
  });

  it('is another one for files that were restored where they lay', () => {
    const archive = execFileSync('tar', ['-C', root, '-cf', '-', 'vault']);
    rmSync(home, { recursive: true });
    execFileSync('tar', ['-C', root, '-xf', '-'], { input: archive });
    assert.equal(check(home).verdict, 'copied');
    check(home).keep();
    // Over the files that are there: tar makes each anew.
    const again = execFileSync('tar', ['-C', root, '-cf', '-', 'vault']);
    execFileSync('tar', ['-C', root, '-xf', '-'], { input: again });
    assert.equal(check(home).verdict, 'copied');
  });

  it('is not known at first, and a record that does not open counts as copied', () => {
    const file = path.join(home, PLACE_FILE);
    const bytes = readFileSync(file);
    for (const content of [bytes.subarray(0, 50), Buffer.alloc(0), Buffer.alloc(5_000), randomBytes(bytes.length)]) {
      writeFileSync(file, content);
      assert.equal(check(home).verdict, 'copied');
    }
    bytes[60] ^= 1;
    writeFileSync(file, bytes);
    assert.equal(check(home).verdict, 'copied');
    rmSync(file);
    assert.equal(check(home).verdict, 'first');
    check(home).keep();
    assert.equal(check(home).verdict, 'same');
  });

  it('is written sealed, and hashed under a key of the vault', () => {
    const probe = probePlace(home, path.join(home, PLACE_FILE));
    const values = Object.values(probe).flatMap((told: Told) => Object.values(told));
    assert.ok(values.length >= 3, JSON.stringify(probe));
    const place = JSON.stringify(placeOf(probe, hash));
    const stored = readFileSync(path.join(home, PLACE_FILE), 'latin1');
    for (const value of values)
      assert.ok(!stored.includes(value) && !place.includes(`"${value}"`), `${value} can be read`);
  });

  it('finds the identity of a card below its partition, and of a disk below a mapped device', () => {
    const { dev } = statSync(home, { bigint: true });
    const major = (dev >> 8n) & 0xfffn;
    const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn);
    const machine = path.join(root, 'machine');
    const put = (file: string, text: string): void => {
      mkdirSync(path.dirname(path.join(machine, file)), { recursive: true });
      writeFileSync(path.join(machine, file), text);
    };
    put('etc/machine-id', '0123456789abcdef0123456789abcdef\n');
    put('proc/device-tree/serial-number', '10000000abcdef01\0');
    put('sys/class/dmi/id/board_serial', 'To be filled by O.E.M.\n');
    put('sys/devices/mmc0/block/mmcblk0/device/cid', '1b534d4542315154309f8a1b2c014600\n');
    put('sys/devices/mmc0/block/mmcblk0/mmcblk0p2/partition', '2\n');
    mkdirSync(path.join(machine, 'sys/dev/block'), { recursive: true });
    const link = path.join(machine, `sys/dev/block/${major}:${minor}`);
    symlinkSync('../../devices/mmc0/block/mmcblk0/mmcblk0p2', link);
    const probe = probePlace(home, path.join(home, PLACE_FILE), machine);
    assert.deepEqual(probe.medium, { 'device/cid': '1b534d4542315154309f8a1b2c014600' });
    assert.deepEqual(probe.board, { 'proc/device-tree/serial-number': '10000000abcdef01' });
    assert.deepEqual(probe.machine, { 'etc/machine-id': '0123456789abcdef0123456789abcdef' });
    rmSync(link);
    put('sys/devices/virtual/block/dm-0/dm/name', 'data\n');
    mkdirSync(path.join(machine, 'sys/devices/virtual/block/dm-0/slaves'));
    symlinkSync(
      '../../../../mmc0/block/mmcblk0/mmcblk0p2',
      path.join(machine, 'sys/devices/virtual/block/dm-0/slaves/mmcblk0p2'),
    );
    symlinkSync('../../devices/virtual/block/dm-0', link);
    assert.deepEqual(probePlace(home, path.join(home, PLACE_FILE), machine).medium, {
      '0 device/cid': '1b534d4542315154309f8a1b2c014600',
    });
  });
});

describe('two places', () => {
  const device: PlaceProbe = {
    directory: { inode: '100' },
    file: { inode: '101' },
    birth: { time: '1790000000000000000' },
    medium: { 'device/cid': '1b534d45' },
    board: { serial: '1000abcd' },
    machine: { 'etc/machine-id': 'aaaa' },
  };
  const cases: [string, Partial<PlaceProbe>, Partial<PlaceProbe>, 'same' | 'copied'][] = [
    ['nothing changed', {}, {}, 'same'],
    ['another directory', {}, { directory: { inode: '7' } }, 'copied'],
    ['another file', {}, { file: { inode: '7' } }, 'copied'],
    ['the same inode, used again for a later file', {}, { birth: { time: '1790000000000000001' } }, 'copied'],
    ['a cloned card', {}, { medium: { 'device/cid': '77' } }, 'copied'],
    ['a cloned card in another board', {}, { medium: { 'device/cid': '77' }, board: { serial: '2' } }, 'copied'],
    ['the card itself in another board', {}, { board: { serial: '2' } }, 'same'],
    ['the system installed again beside the data', {}, { machine: { 'etc/machine-id': 'bbbb' } }, 'same'],
    ['a kernel that knows more of the card', {}, { medium: { wwid: 'w', 'device/cid': '1b534d45' } }, 'same'],
    ['a kernel that asks the card otherwise', {}, { medium: { wwid: 'w' } }, 'same'],
    ['a kernel that cannot ask the card', {}, { medium: {} }, 'same'],
    ['a silent card in another board', { medium: {} }, { medium: {}, board: { serial: '2' } }, 'copied'],
    [
      'a silent card on a silent board in another machine',
      { medium: {}, board: {} },
      { medium: {}, board: {}, machine: { 'etc/machine-id': 'b' } },
      'copied',
    ],
    ['a container without a machine id', { medium: {}, board: {} }, { medium: {}, board: {}, machine: {} }, 'same'],
    ['a file system without inodes', { directory: {}, file: {} }, { directory: {}, file: {} }, 'same'],
    [
      'a file system without inodes, and a later file',
      { directory: {}, file: {} },
      { directory: {}, file: {}, birth: { time: '2' } },
      'copied',
    ],
  ];
  for (const [name, before, after, expected] of cases)
    it(`${name}: ${expected}`, () => {
      const was = placeOf({ ...device, ...before }, hash);
      const is = placeOf({ ...device, ...after }, hash);
      const { verdict, reasons } = comparePlaces(was, is);
      assert.equal(verdict, expected);
      if (expected === 'copied') assert.ok(reasons.length > 0);
    });
});
