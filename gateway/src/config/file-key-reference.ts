import { readFile, realpath, stat } from 'node:fs/promises';
import path from 'node:path';

import { reasonOf, TideError } from '@tidegate/nodes/node';
import type { KeyReference } from '@tidegate/nodes/vault';
import { parseDocument } from 'yaml';

import { CONFIG_FILE } from './file-config.ts';
import { writeWhole } from './file-whole.ts';
import { parseConfig } from './parse.ts';

/**
 * Writes where the vault's key is into gateway.yaml and leaves everything else, comments too, as it is. A power cut leaves
 * the old file or the new one. Throws TideError `configuration` when the file cannot be written.
 */
export async function writeKeyReference(directory: string, key: KeyReference): Promise<void> {
  try {
    // A file that is kept elsewhere stays there.
    const file = await realpath(path.join(directory, CONFIG_FILE));
    const document = parseDocument(await readFile(file, 'utf8'));
    document.setIn(['vault', 'key'], document.createNode(key));
    const text = document.toString();
    parseConfig(text);
    await writeWhole(file, text, (await stat(file)).mode & 0o777);
  } catch (error) {
    const file = path.join(directory, CONFIG_FILE);
    throw new TideError('configuration', `${file} cannot be changed: ${reasonOf(error)}`, { cause: error });
  }
}
