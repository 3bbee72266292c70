import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';

import { TideError } from '@tidegate/nodes/node';

import { codeOf } from '../error-code.ts';
import { MAX_CONFIG_BYTES, parseConfig } from './parse.ts';
import type { GatewayConfig } from './schema.ts';

export const CONFIG_FILE = 'gateway.yaml';

/** Reads DIR/gateway.yaml. */
export async function readConfig(directory: string): Promise<GatewayConfig> {
  const file = path.join(directory, CONFIG_FILE);
  let text: string;
  try {
    const { size } = await stat(file);
    if (size > MAX_CONFIG_BYTES)
      throw new TideError('configuration', `${file}: has ${size} bytes, allowed: at most ${MAX_CONFIG_BYTES}`);
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT')
      throw new TideError(
        'no-gateway',
        `${directory} holds no ${CONFIG_FILE}; make a gateway with: tidegate init ${directory}`,
      );
    throw error;
  }
  return parseConfig(text, CONFIG_FILE);
}
