import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';

import { TideError } from '@tidegate/nodes/node';
import { z } from 'zod';

import { writeWhole } from '../config/file-whole.ts';
import { codeOf } from '../error-code.ts';

/** In a gateway's directory from before the first byte of an import until after its last. */
export const MARKER = 'import.json';

const shape = z.object({ archive: z.string(), file: z.string() });
export type Marker = z.infer<typeof shape>;

export async function readMarker(directory: string): Promise<Marker | undefined> {
  try {
    return shape.parse(JSON.parse(await readFile(path.join(directory, MARKER), 'utf8')));
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined;
    // One that cannot be read says as much as a whole one: an import has begun here.
    return { archive: '', file: 'a backup' };
  }
}

export const writeMarker = (directory: string, marker: Marker): Promise<void> =>
  writeWhole(path.join(directory, MARKER), `${JSON.stringify(marker)}\n`);

export const removeMarker = (directory: string): Promise<void> => rm(path.join(directory, MARKER), { force: true });

/** Throws a TideError `half-imported`: a vault that holds half of what it should must not go on as if it were whole. */
export async function refuseHalfImported(directory: string): Promise<void> {
  const marker = await readMarker(directory);
  if (marker !== undefined)
    throw new TideError(
      'half-imported',
      `${directory} holds a part of ${marker.file} only; finish it: tidegate import ${marker.file} --into ${directory}, or begin it anew with --anew`,
    );
}
