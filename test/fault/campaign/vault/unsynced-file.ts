import { Image } from './image.ts';
import type { Random } from '../random.ts';

/** What was done to a file's contents. */
export type Change = { index: number; kind: 'write'; offset: number; data: Uint8Array } | Resize;
interface Resize {
  index: number;
  kind: 'size';
  size: number;
}

const SECTOR = 512;

/** A file: what is certainly on the disk, and what was done to it since, which may be there or not. */
export class UnsyncedFile {
  readonly inode: bigint;
  private durable: Image;
  pending: Change[] = [];

  constructor(inode: bigint, bytes?: Uint8Array) {
    this.inode = inode;
    // Of its own: the same record is played more than once.
    this.durable = new Image(bytes && Uint8Array.from(bytes));
  }

  /** A sync that began at an index of the log has ended: what came before it is on the disk. */
  synced(before: number): void {
    const later = this.pending.findIndex(({ index }) => index >= before);
    const covered = this.pending.splice(0, later === -1 ? this.pending.length : later);
    for (const change of covered) apply(this.durable, change);
  }

  /**
   * A sync has failed. The kernel takes the pages for clean then, and what of them did not reach the disk is lost: no
   * later sync brings it there.
   */
  syncFailed(before: number, random: Random): void {
    const later = this.pending.findIndex(({ index }) => index >= before);
    const covered = this.pending.splice(0, later === -1 ? this.pending.length : later);
    this.durable = survivors(this.durable, covered, random, false);
  }

  /** What a power cut leaves of it. `garbage`: a sector that was being written may hold anything. */
  afterCut(random: Random, garbage: boolean): Image {
    return survivors(this.durable, this.pending, random, garbage);
  }

  /** What the process sees. */
  get current(): Image {
    const image = this.durable.clone();
    for (const change of this.pending) apply(image, change);
    return image;
  }
}

function apply(image: Image, change: Change): void {
  if (change.kind === 'write') image.write(change.offset, change.data);
  else image.resize(change.size);
}

function survivors(durable: Image, pending: readonly Change[], random: Random, garbage: boolean): Image {
  const image = durable.clone();
  const fate = random.fraction();
  if (pending.length === 0 || fate < 0.15) return image;
  if (fate < 0.3 && !garbage) {
    for (const change of pending) apply(image, change);
    return image;
  }
  // The prefix up to a shrinking of the file is one version; beyond it each sector is of any age.
  const cuts = pending.flatMap((change, i) => (change.kind === 'size' ? [i] : []));
  const from = cuts.length > 0 && random.chance(0.8) ? random.pick(cuts) + 1 : 0;
  const next = cuts.find((i) => i >= from) ?? pending.length;
  for (const change of pending.slice(0, from)) apply(image, change);
  const open = pending.slice(from, fate < 0.6 ? from + random.below(next - from + 1) : next);
  writeSectors(image, open, random, garbage, fate);
  return image;
}

/** Of each sector one of the versions that it had; the file is as long as it was after one of the writes. */
function writeSectors(image: Image, open: readonly Change[], random: Random, garbage: boolean, fate: number): void {
  const sizes = [image.size];
  const versions = new Map<number, Change[]>();
  for (const change of open) {
    if (change.kind === 'size') continue;
    const { offset, data } = change;
    const end = offset + data.length;
    sizes.push(Math.max(sizes.at(-1)!, end));
    for (let sector = Math.floor(offset / SECTOR); sector * SECTOR < end; sector++) {
      const all = versions.get(sector);
      if (all === undefined) versions.set(sector, [change]);
      else all.push(change);
    }
  }
  const most = fate < 0.8 ? sizes.at(-1)! : random.pick(sizes);
  const kept = random.pick([0.02, 0.5, 0.95]);
  for (const [sector, all] of versions) {
    const count = random.chance(kept) ? all.length : random.below(all.length + 1);
    for (const change of all.slice(0, count)) writeSector(image, sector, change, most);
    if (garbage && count < all.length && random.chance(0.3))
      writeSector(
        image,
        sector,
        { ...all.at(-1)!, kind: 'write', offset: sector * SECTOR, data: random.bytes(SECTOR) },
        most,
      );
  }
  if (most > image.size) image.resize(most);
}

function writeSector(image: Image, sector: number, change: Change, most: number): void {
  if (change.kind === 'size') return;
  const from = Math.max(change.offset, sector * SECTOR);
  const to = Math.min(change.offset + change.data.length, (sector + 1) * SECTOR, most);
  if (to > from) image.write(from, change.data.subarray(from - change.offset, to - change.offset));
}
