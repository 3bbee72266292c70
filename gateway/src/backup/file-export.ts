import { open, rename, stat, type FileHandle } from 'node:fs/promises';
import path from 'node:path';

import { reasonOf, TideError } from '@tidegate/nodes/node';

import { codeOf } from '../error-code.ts';
import { type Access, makeHeader, MAX_HEADER, openHeader, parseHeader } from './age/age-header.ts';
import { recipientText } from './age/age-keys.ts';
import type { ExportSource } from './exports.ts';

export interface ExportResult {
  file: string;
  bytes: number;
  readings: number;
  /** Bytes that were there from an earlier call. */
  resumedAt: number;
}

export interface ExportProgress {
  bytes: number;
  readings: number;
  /** Of all that there is to write, 0 to 1. */
  share: number;
}

/** Name of a file that is not whole yet. */
export const partOf = (file: string): string => `${file}.part`;

/**
 * Writes an export to a file, or goes on with one that was interrupted. The file gets its name when it is whole and on
 * the disk; until then it is FILE.part. Throws TideError `exists`, `disk-full`, `foreign-part`, `wrong-passphrase`.
 */
export async function exportTo(
  file: string,
  source: ExportSource,
  access: Access,
  watch: { progress: (now: ExportProgress) => void; note: (line: string) => void },
): Promise<ExportResult> {
  const target = path.resolve(file);
  if ((await sizeOf(target)) !== undefined)
    throw new TideError('exists', `${file} is there already; name another file, or move it away`);
  const readers = readersOf(access);
  const part = partOf(target);
  const there = await sizeOf(part);
  const resumedAt = there === undefined ? undefined : await goOn(part, target, source, access, readers, there, watch);
  if (resumedAt === undefined) await source.begin(target, { ...(await makeHeader(access)), readers });
  const handle = await open(part, resumedAt === undefined ? 'w' : 'r+', 0o600);
  let written: Omit<ExportResult, 'resumedAt' | 'file'>;
  try {
    await handle.truncate(resumedAt ?? 0);
    written = await pull(handle, part, target, source, resumedAt ?? 0, watch.progress);
  } catch (error) {
    if (!(error instanceof TideError) || error.code !== 'cannot-resume' || resumedAt === undefined) throw error;
    watch.note(`${error.message}; beginning anew`);
    await handle.truncate(0);
    await source.begin(target, { ...(await makeHeader(access)), readers });
    written = await pull(handle, part, target, source, 0, watch.progress);
  } finally {
    await handle.close();
  }
  await rename(part, target);
  await syncDirectory(path.dirname(target));
  await source.finish(target);
  return { file: target, resumedAt: resumedAt ?? 0, ...written };
}

/** Where to go on; undefined to begin anew. */
async function goOn(
  part: string,
  target: string,
  source: ExportSource,
  access: Access,
  readers: string,
  size: number,
  watch: { note: (line: string) => void },
): Promise<number | undefined> {
  const answer = await source.resume(target, readers, size);
  if ('reason' in answer) {
    // What is not ours must not be written over: an export that was interrupted begins with the header of age.
    const header = await headOf(part);
    if (header !== '' && !header.startsWith('age-encryption.org/v1\n'))
      throw new TideError('foreign-part', `${part} is there and is no interrupted export; move it away`);
    watch.note(`${part}: ${answer.reason}; beginning anew`);
    return undefined;
  }
  // Whoever goes on with another passphrase would learn only later that the first one opens the file.
  if ('passphrase' in access) {
    try {
      await openHeader(parseHeader(Buffer.from(await headOf(part), 'latin1')), access);
    } catch (error) {
      if (!(error instanceof TideError) || error.code !== 'wrong-passphrase') throw error;
      throw new TideError('wrong-passphrase', `${part} was begun with another passphrase; give that one, or remove it`);
    }
  }
  watch.note(`going on with ${part} at byte ${answer.offset}`);
  return answer.offset;
}

async function pull(
  handle: FileHandle,
  part: string,
  target: string,
  source: ExportSource,
  from: number,
  progress: (now: ExportProgress) => void,
): Promise<{ bytes: number; readings: number }> {
  let bytes = from;
  for (;;) {
    const piece = await source.next(target, bytes);
    await write(handle, part, piece.bytes, bytes);
    bytes += piece.bytes.length;
    progress({ bytes, readings: piece.readings, share: piece.share });
    if (piece.done) return { bytes, readings: piece.readings };
  }
}

async function write(handle: FileHandle, part: string, bytes: Uint8Array, at: number): Promise<void> {
  try {
    for (let done = 0; done < bytes.length;) {
      const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, at + done);
      done += bytesWritten;
    }
    await handle.sync();
  } catch (error) {
    const full = ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(codeOf(error) ?? '');
    throw new TideError(
      full ? 'disk-full' : 'io',
      `${part}: ${full ? 'no room is left' : reasonOf(error)}; ${at} bytes are kept: make room and call again to go on`,
      { cause: error },
    );
  }
}

async function sizeOf(file: string): Promise<number | undefined> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function headOf(file: string): Promise<string> {
  const handle = await open(file, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(MAX_HEADER), 0, MAX_HEADER, 0);
    return buffer.toString('latin1', 0, bytesRead);
  } finally {
    await handle.close();
  }
}

async function syncDirectory(directory: string): Promise<void> {
  // Windows does not open directories; there the rename is as durable as it gets.
  if (process.platform === 'win32') return;
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

const readersOf = (access: Access): string =>
  'passphrase' in access ? 'a passphrase' : access.recipients.map(recipientText).toSorted().join(' ');
