import { randomBytes } from 'node:crypto';
import { chmodSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { TideError } from '@tidegate/nodes/node';
import { makeIdentity, type Identity } from '@tidegate/nodes/sync';

/** Everything secret that a cloud has; it lies in DIR/keys, readable by its user only. */
export interface CloudKeys {
  /** What gateways trust: they take frames from nobody else. */
  identity: Identity;
  /** Bearer token for writing through the API. */
  apiToken: string;
  /** Password of the merge worker at the embedded broker. */
  brokerPassword: string;
}

const SECRET = /^[0-9a-f]{64}$/;
const KEY_BYTES = 32;

/** Reads the keys of a cloud's directory; those that are not there yet are made. */
export function loadKeys(directory: string): CloudKeys {
  const folder = path.join(directory, 'keys');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  chmodSync(folder, 0o700);
  return {
    identity: parseIdentity(...readOrMake(path.join(folder, 'identity.json'), () => writeIdentity(makeIdentity()))),
    apiToken: parseSecret(...readOrMake(path.join(folder, 'api-token'), makeSecret)),
    brokerPassword: parseSecret(...readOrMake(path.join(folder, 'broker-password'), makeSecret)),
  };
}

/** A link to a finished file either comes to be whole or finds that another process was first: then theirs counts. */
function readOrMake(file: string, make: () => string): [text: string, file: string] {
  try {
    return [readFileSync(file, 'utf8'), file];
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
  const draft = `${file}.${randomBytes(6).toString('hex')}`;
  writeFileSync(draft, make(), { mode: 0o600, flag: 'wx', flush: true });
  try {
    linkSync(draft, file);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  } finally {
    rmSync(draft);
  }
  return [readFileSync(file, 'utf8'), file];
}

const makeSecret = (): string => `${hex(randomBytes(KEY_BYTES))}\n`;

function parseSecret(text: string, file: string): string {
  const secret = text.trim();
  if (!SECRET.test(secret))
    throw new TideError('bad-key-file', `${file} should hold 64 hexadecimal digits, found ${secret.length} characters`);
  return secret;
}

function writeIdentity({ sign, agree }: Identity): string {
  return `${JSON.stringify({ sign: inHex(sign), agree: inHex(agree) }, null, 2)}\n`;
}

function inHex({ publicKey, privateKey }: Identity['sign']): object {
  return { publicKey: hex(publicKey), privateKey: hex(privateKey) };
}

function parseIdentity(text: string, file: string): Identity {
  let parsed: Record<string, Record<string, unknown> | undefined>;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new TideError('bad-key-file', `${file} is not JSON`, { cause: error });
  }
  const key = (use: 'sign' | 'agree', half: 'publicKey' | 'privateKey'): Uint8Array => {
    const value = parsed[use]?.[half];
    if (typeof value !== 'string' || !SECRET.test(value))
      throw new TideError('bad-key-file', `${file}: ${use}.${half} should be 64 hexadecimal digits`);
    return Uint8Array.from(Buffer.from(value, 'hex'));
  };
  const pair = (use: 'sign' | 'agree'): Identity['sign'] => ({
    publicKey: key(use, 'publicKey'),
    privateKey: key(use, 'privateKey'),
  });
  return { sign: pair('sign'), agree: pair('agree') };
}

const hex = (key: Uint8Array): string => Buffer.from(key).toString('hex');

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}
