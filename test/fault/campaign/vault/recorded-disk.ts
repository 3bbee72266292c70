import path from 'node:path';
import { ENTRY, type LogEntry } from './disk-log.ts';
import type { Image } from './image.ts';
import type { StoredFile } from './layout.ts';
import { Random } from '../random.ts';
import { UnsyncedFile } from './unsynced-file.ts';

/** What was done to the names of a directory. A directory's own entry has no file. */
interface Naming {
  index: number;
  kind: 'put' | 'remove' | 'move';
  path: string;
  /** Of a move: where from. */
  from?: string;
  file?: UnsyncedFile | undefined;
}

type Names = Map<string, UnsyncedFile | undefined>;

/**
 * A directory as a disk might hold it, from the record of all operations on it. Like ext4, and as harsh as POSIX lets it
 * be: a sync of a file makes its contents and size durable and nothing else; names are durable after a sync of their
 * directory; all other changes may have happened or not, sector by sector and in any order, names of one directory in
 * order.
 */
export class RecordedDisk {
  private readonly root: string;
  private readonly random: Random;
  private readonly files = new Map<bigint, UnsyncedFile>();
  private readonly directories = new Map<bigint, string>();
  private readonly begun = new Map<number, number>();
  private readonly names: Names = new Map();
  private pending: Naming[] = [];
  private index = 0;

  /** `before`: what lay in the directory when the record began, all of it durable. */
  constructor(root: string, before: readonly StoredFile[], inodeOfRoot: bigint, seed: string) {
    this.root = root;
    this.random = new Random(`${seed}/lost`);
    this.directories.set(inodeOfRoot, root);
    for (const { path: name, inode, bytes } of before) {
      const file = bytes === undefined ? undefined : new UnsyncedFile(inode, bytes);
      if (file === undefined) this.directories.set(inode, name);
      else this.files.set(inode, file);
      this.names.set(name, file);
    }
  }

  /** Takes the next operation. */
  take(entry: LogEntry): void {
    const { inode, offset, paths } = entry;
    const index = this.index++;
    const file = this.files.get(inode);
    switch (entry.entry) {
      case ENTRY.create: {
        const created = new UnsyncedFile(inode);
        this.files.set(inode, created);
        this.pending.push({ index, kind: 'put', path: paths[0], file: created });
        break;
      }
      case ENTRY.mkdir:
        this.directories.set(inode, paths[0]);
        if (paths[0] !== this.root) this.pending.push({ index, kind: 'put', path: paths[0] });
        break;
      case ENTRY.write:
        file?.pending.push({ index, kind: 'write', offset, data: entry.data });
        break;
      case ENTRY.size:
        file?.pending.push({ index, kind: 'size', size: offset });
        break;
      case ENTRY.rename:
        this.pending.push({ index, kind: 'move', path: paths[1], from: paths[0], file });
        break;
      case ENTRY.link:
        this.pending.push({ index, kind: 'put', path: paths[1], file });
        break;
      case ENTRY.unlink:
      case ENTRY.rmdir:
        this.pending.push({ index, kind: 'remove', path: paths[0] });
        break;
      case ENTRY.syncBegin:
        this.begun.set(offset, index);
        break;
      case ENTRY.syncEnd:
        this.syncEnded(inode, this.begun.get(offset) ?? 0, entry.result === 0);
        break;
    }
  }

  /** What a power cut now would leave. */
  cut(random: Random, garbage = false): StoredFile[] {
    const names = new Map(this.names);
    const global = random.below(this.pending.length + 1);
    const each = new Map<string, number>();
    const inOrder = random.chance(0.6);
    for (const [i, naming] of this.pending.entries()) {
      const directory = path.dirname(naming.path);
      if (!each.has(directory)) each.set(directory, random.below(this.pending.length + 1));
      if (i < (inOrder ? global : each.get(directory)!)) applyNaming(names, naming);
    }
    return this.stored(names, (file) => file.afterCut(random, garbage));
  }

  /** What the process saw: for a comparison with what really lies there. */
  current(): StoredFile[] {
    const names = new Map(this.names);
    for (const naming of this.pending) applyNaming(names, naming);
    return this.stored(names, (file) => file.current);
  }

  private syncEnded(inode: bigint, begun: number, succeeded: boolean): void {
    const file = this.files.get(inode);
    if (file !== undefined) {
      if (succeeded) file.synced(begun);
      else file.syncFailed(begun, this.random);
    }
    const directory = this.directories.get(inode);
    if (directory !== undefined && succeeded) this.directorySynced(directory, begun);
  }

  /** Names of one directory are durable in order, and a file that moved here has left where it was. */
  private directorySynced(directory: string, begun: number): void {
    const covered = new Map([[directory, begun]]);
    for (const { index, path: to, from } of this.pending)
      if (from !== undefined && index < begun && path.dirname(to) === directory && !covered.has(path.dirname(from)))
        covered.set(path.dirname(from), index);
    this.pending = this.pending.filter((naming) => {
      if (naming.index >= (covered.get(path.dirname(naming.path)) ?? -1)) return true;
      applyNaming(this.names, naming);
      return false;
    });
  }

  private stored(names: Names, image: (file: UnsyncedFile) => Image): StoredFile[] {
    const images = new Map<UnsyncedFile, Image>();
    return [...names]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, file]) => {
        if (file === undefined) return { path: name, inode: 0n, bytes: undefined };
        if (!images.has(file)) images.set(file, image(file));
        return { path: name, inode: file.inode, bytes: images.get(file)!.content };
      });
  }
}

function applyNaming(names: Names, { kind, path: name, from, file }: Naming): void {
  if (kind === 'remove') names.delete(name);
  else if (kind === 'put') names.set(name, file);
  else if (from !== undefined && names.has(from)) {
    const below = [...names].filter(([known]) => known === from || known.startsWith(`${from}/`));
    for (const [known] of below) names.delete(known);
    for (const [known, moved] of below) names.set(`${name}${known.slice(from.length)}`, moved ?? file);
  }
}
