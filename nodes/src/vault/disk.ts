import { TideError } from '../node/errors.ts';

/**
 * The disk cannot give these bytes of an open file: a bad block, damage like any other. Every other failure, such as a
 * file that cannot be opened for want of descriptors or memory, may pass, and nothing may be declared lost for it.
 */
export class BadBlock extends TideError {
  constructor(message: string, options?: ErrorOptions) {
    super('io', message, options);
    this.name = 'BadBlock';
  }
}

/** Whether the disk failed in a way that says nothing of what lies on it: trying again later may do. */
export function mayPass(thrown: unknown): boolean {
  return thrown instanceof TideError && thrown.code === 'io' && !(thrown instanceof BadBlock);
}

/**
 * A directory of files as the vault's journal, segments and snapshots use it. Calls are synchronous: they are made in
 * the writer's thread. Failures are TideErrors: `disk-full` (ENOSPC, EDQUOT, EFBIG), `io` (everything else).
 */
export interface Disk {
  /** Names of the files, sorted; a directory that is not there has none. */
  names(): string[];
  /** An existing file. */
  open(name: string): DiskFile;
  /** A new and empty file, for its owner alone (mode 0600); one of that name is emptied. */
  create(name: string): DiskFile;
  rename(from: string, to: string): void;
  /** Removes a file; one that is not there is no error. */
  remove(name: string): void;
  /** Makes creations, renames and removals durable. */
  sync(): void;
  /** A directory below this one, made when it is first written to. */
  below(name: string): Disk;
}

export interface DiskFile {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Bytes from an offset on, fewer than asked for at the end of the file. Throws BadBlock for bytes that cannot be read. */
  read(offset: number, length: number): Uint8Array;
  write(offset: number, bytes: Uint8Array): void;
  /** Contents written so far are on the disk (fdatasync). After a failure it is unknown what is. */
  sync(): void;
  /** The same without keeping this thread. */
  syncLater(): Promise<void>;
  close(): void;
}

/** Something in the vault that is not as it was written. */
export interface Finding {
  /** Where: a file, a record, a row, in words. */
  place: string;
  /** removed, reordered, duplicated, altered, rolled-back, torn (an unfinished write at the end, nothing lost). */
  kind: 'removed' | 'reordered' | 'duplicated' | 'altered' | 'rolled-back' | 'torn';
  /** What it means, for a person. */
  text: string;
  /** What is affected, where it is known: positions (from inclusive, to exclusive) and times of readings. */
  positions?: readonly [from: number, to: number];
  times?: readonly [from: number, to: number];
}
