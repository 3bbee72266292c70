import { existsSync } from 'node:fs';
import path from 'node:path';

import { reasonOf, TideError } from '@tidegate/nodes/node';
import { type KeyReference, readKey } from '@tidegate/nodes/vault';

/** What `--to` takes, in words. */
export const TO = 'file:PATH, env:NAME or credential:NAME';

/** What is wrong with a key's place, not with the vault. */
const OF_ITS_PLACE: ReadonlySet<string> = new Set(['no-key', 'weak-key', 'key-exposed', 'key-inside-vault']);

/** The reference that `--to` names. Throws TideError `usage`. */
export function referenceFrom(text: string): KeyReference {
  const [, kind, name] = /^(file|env|credential):(.+)$/.exec(text) ?? [];
  // Not what was given: it could be the key itself.
  if (kind === undefined || name === undefined || isWrongName(kind, name))
    throw new TideError('usage', `--to says where the new key is, allowed: ${TO}; never the key itself`);
  if (kind === 'file') return { file: path.resolve(name) };
  return kind === 'env' ? { env: name } : { credential: name };
}

/** Throws TideError `usage`, with what to do, unless the new key can be read by this process. */
export function checkNewKey(key: KeyReference, vaultDirectory: string): void {
  if ('file' in key && !existsSync(key.file))
    throw new TideError('usage', `--to file:${key.file}: there is no such file; make it: tidegate key new ${key.file}`);
  try {
    readKey(key, vaultDirectory);
  } catch (error) {
    throw aboutNewKey(error, key);
  }
}

/** An error that the new key was met with, as one of the command line where it is one. */
export function aboutNewKey(error: unknown, key: KeyReference): unknown {
  if (!(error instanceof TideError) || !OF_ITS_PLACE.has(error.code)) return error;
  return new TideError('usage', `--to ${textOf(key)}: ${reasonOf(error)}${advice(key, error.code)}`, { cause: error });
}

/** A file says for itself what is wrong with it; what a process is given has to be given to the right one. */
function advice(key: KeyReference, code: string): string {
  if ('file' in key || code !== 'no-key') return '';
  const how = 'env' in key ? 'set it where the gateway is started' : 'name it in the unit of the gateway';
  return `. A running gateway reads it itself: ${how}, and start it anew. A key to put there is made by: tidegate key new FILE`;
}

const isWrongName = (kind: string, name: string): boolean =>
  (kind === 'env' && !/^[A-Za-z_]\w*$/.test(name)) || (kind === 'credential' && !/^[\w.-]+$/.test(name));

function textOf(key: KeyReference): string {
  if ('file' in key) return `file:${key.file}`;
  return 'env' in key ? `env:${key.env}` : `credential:${key.credential}`;
}
