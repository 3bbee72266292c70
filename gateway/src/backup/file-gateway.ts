import { readFile } from 'node:fs/promises';
import path from 'node:path';

import { CONFIG_FILE } from '../config/file-config.ts';
import { FLOW_FILE } from '../device/file-flow.ts';
import { codeOf } from '../error-code.ts';

/** A gateway's configuration and flows: without the same flows the memory of its nodes belongs to nobody. */
export async function gatewayFiles(directory: string): Promise<{ config?: string; flows?: string }> {
  const [config, flows] = await Promise.all([
    textIn(path.join(directory, CONFIG_FILE)),
    textIn(path.join(directory, FLOW_FILE)),
  ]);
  return { ...(config === undefined ? {} : { config }), ...(flows === undefined ? {} : { flows }) };
}

async function textIn(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
