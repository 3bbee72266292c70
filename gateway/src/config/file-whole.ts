import { open, rename, rm } from 'node:fs/promises';
import path from 'node:path';

/** What a write that was cut short leaves beside the file it was for. */
export const UNFINISHED = '.new';

/** Writes a file, or replaces it: a crash or a power cut leaves what was there or all of the new one, never a part of it. */
export async function writeWhole(file: string, text: string, mode = 0o600): Promise<void> {
  const temporary = `${file}${UNFINISHED}`;
  await rm(temporary, { force: true });
  const handle = await open(temporary, 'wx', mode);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, file);
  if (process.platform === 'win32') return;
  const folder = await open(path.dirname(file), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
