import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  statfsSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { TideError } from '../../node/errors.ts';
import { decodeCbor, encodeCbor } from '../cbor.ts';
import { syncDirectory } from './file-header.ts';
import type { KeyRing } from './key-ring.ts';
import { comparePlaces, type Place, placeOf, type PlaceProbe, type Told } from './place.ts';
import type { Sealer } from './sealed.ts';

/** Holds, sealed, where the vault lives. Its inode and the time at which it was made are part of that. */
export const PLACE_FILE = 'vault.place';
const MAX_BYTES = 4096;

export interface PlaceCheck {
  /** `first`: nothing is written yet. For a vault that is not new, that means the same as `copied`. */
  verdict: 'first' | 'same' | 'copied';
  reasons: string[];
  /**
   * Takes this for the place from now on. Call when the verdict is not `same`, once the new incarnation is on the disk, so
   * that a crash between the two ends in one more incarnation and never in two writers under one.
   */
  keep(): void;
}

/** Compares where the vault in a directory lives with where it lived when `keep` was called. Writes nothing itself. */
export function checkPlace(directory: string, ring: KeyRing, sealer: Sealer): PlaceCheck {
  const keep = (): void => writePlace(directory, ring, sealer);
  let stored: Buffer;
  const file = path.join(directory, PLACE_FILE);
  try {
    if (statSync(file).size > MAX_BYTES) return { verdict: 'copied', reasons: [`${PLACE_FILE} is too long`], keep };
    stored = readFileSync(file);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
      return { verdict: 'first', reasons: [`there is no ${PLACE_FILE}`], keep };
    throw error;
  }
  const was = openPlace(stored, sealer);
  if (was === undefined) return { verdict: 'copied', reasons: [`${PLACE_FILE} does not open`], keep };
  const is = placeOf(probePlace(directory, file), (...parts) => ring.nameHash(...parts));
  return { ...comparePlaces(was, is), keep };
}

/** Reads what the machine says about where a file of the vault lies. `root`: where its own files are looked for. */
export function probePlace(directory: string, file: string, root = '/'): PlaceProbe {
  const { ino, birthtimeNs, dev } = statSync(file, { bigint: true });
  const stable = hasStableInodes(directory);
  return {
    directory: stable ? { inode: String(statSync(directory, { bigint: true }).ino) } : {},
    file: stable ? { inode: String(ino) } : {},
    // 0 where the file system does not note it.
    birth: birthtimeNs > 0n ? { time: String(birthtimeNs) } : {},
    medium: mediumOf(dev, root),
    board: told(BOARD.map((name): [string, string] => [name, path.join(root, name)])),
    machine: told(MACHINE.map((name): [string, string] => [name, path.join(root, name)])),
  };
}

const BOARD = ['proc/device-tree/serial-number', 'sys/class/dmi/id/product_uuid', 'sys/class/dmi/id/board_serial'];
const MACHINE = ['etc/machine-id'];
/** Of an SD card or eMMC, an NVMe disk, a virtual disk, a SATA or USB disk: what is readable without being root. */
const MEDIUM = ['device/cid', 'wwid', 'device/wwid', 'device/serial', 'serial', 'device/vpd_pg80'];
/** Numbers of statfs(2): file systems that make up inode numbers at each mount (FAT, exFAT, FUSE, SMB). */
const NO_INODES = new Set([0x4d44, 0x2011bab0, 0x65735546, 0xff534d42, 0xfe534d42]);

function hasStableInodes(directory: string): boolean {
  if (process.platform !== 'linux') return process.platform !== 'win32';
  // Some architectures give the number with a sign.
  return !NO_INODES.has(statfsSync(directory).type >>> 0);
}

/** Identity of the block device with a device number; a partition's is its disk's, a mapped device's what lies below it. */
function mediumOf(dev: bigint, root: string): Told {
  if (process.platform !== 'linux') return {};
  // As makedev(3) of the GNU C library lays it out.
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
  const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn);
  // 0: no block device of its own (overlay, tmpfs, btrfs).
  return major === 0n ? {} : identityOf(path.join(root, `sys/dev/block/${major}:${minor}`), 3);
}

function identityOf(device: string, depth: number): Told {
  // Not joined: the device is a symbolic link, and its parent is that of what it points to.
  const own = told(
    MEDIUM.flatMap((name): [string, string][] => [
      [name, `${device}/${name}`],
      [name, `${device}/../${name}`],
    ]),
  );
  if (Object.keys(own).length > 0 || depth === 0) return own;
  let below: string[];
  try {
    below = readdirSync(`${device}/slaves`).toSorted();
  } catch {
    // No device below it, and none that says who it is.
    return {};
  }
  const found: Record<string, string> = {};
  for (const [i, name] of below.entries())
    for (const [by, value] of Object.entries(identityOf(`${device}/slaves/${name}`, depth - 1)))
      found[`${i} ${by}`] = value;
  return found;
}

/** What some files say. One that is not there or may not be read says nothing; of two for one name the first counts. */
function told(files: readonly [name: string, file: string][]): Told {
  const found: Record<string, string> = {};
  for (const [name, file] of files) {
    if (found[name] !== undefined) continue;
    try {
      const text = readFileSync(file, 'latin1').replaceAll('\0', '').trim();
      if (isTelling(text)) found[name] = text;
    } catch {
      // Not readable here: unknown, like an empty one.
    }
  }
  return found;
}

/** Not what makers leave in when they have nothing to say. */
const isTelling = (text: string): boolean =>
  text.length >= 4 &&
  text.length <= 512 &&
  !/^(?:[0fF-]+|uninitialized|none|unknown|default string|to be filled by o\.?e\.?m\.?|not (?:specified|available|applicable))$/i.test(
    text,
  );

const toldShape = z.record(z.string(), z.string());
const placeShape = z.strictObject({
  directory: toldShape,
  file: toldShape,
  birth: toldShape,
  medium: toldShape,
  board: toldShape,
  machine: toldShape,
});

function openPlace(stored: Uint8Array, sealer: Sealer): Place | undefined {
  try {
    const parsed = placeShape.safeParse(decodeCbor(sealer.open('place', [], stored)));
    return parsed.success ? parsed.data : undefined;
  } catch (error) {
    if (error instanceof TideError) return undefined;
    throw error;
  }
}

/** The file is made under another name first: renaming changes neither its inode nor the time at which it was made. */
function writePlace(directory: string, ring: KeyRing, sealer: Sealer): void {
  const file = path.join(directory, PLACE_FILE);
  const temporary = `${file}.new`;
  rmSync(temporary, { force: true });
  const fd = openSync(temporary, 'wx', 0o600);
  try {
    const place = placeOf(probePlace(directory, temporary), (...parts) => ring.nameHash(...parts));
    writeSync(fd, sealer.seal('place', [], encodeCbor(place)));
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, file);
  syncDirectory(directory);
}
