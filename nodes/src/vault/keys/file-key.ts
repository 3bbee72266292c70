import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  openSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { TideError, reasonOf } from '../../node/errors.ts';
import { HEADER_FILE, syncDirectory } from './file-header.ts';
import { MIN_PASSPHRASE } from './derivation.ts';
import type { KeyReference } from '../vault.ts';

const MAX_SECRET_BYTES = 4096;

/** A key reference in words, for messages: it names the place, never the secret. */
export function describeKey(key: KeyReference): string {
  if ('file' in key) return `key file ${key.file}`;
  if ('env' in key) return `environment variable ${key.env}`;
  return `systemd credential ${key.credential}`;
}

/**
 * Reads the secret that a reference names. A file must lie outside the vault's directory (whoever copies the one must
 * not get the other with it) and must be readable by its owner alone.
 */
export function readKey(key: KeyReference, vaultDirectory: string): string {
  const secret = readReference(key, vaultDirectory).trim();
  if (secret === '') throw new TideError('no-key', `${describeKey(key)} is empty`);
  if (secret.length < MIN_PASSPHRASE)
    throw new TideError(
      'weak-key',
      `${describeKey(key)} holds ${secret.length} characters; a passphrase has at least ${MIN_PASSPHRASE}`,
    );
  return secret;
}

/** Makes a key file with 32 random bytes in hexadecimal, readable by its owner alone. Never overwrites. */
export function createKeyFile(file: string): void {
  const temporary = `${file}.new`;
  try {
    // A part of a key would be taken for all of it: it gets its name once it is whole.
    rmSync(temporary, { force: true });
    const fd = openSync(temporary, 'wx', 0o600);
    try {
      writeSync(fd, `${randomBytes(32).toString('hex')}\n`);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    if (existsSync(file)) throw new Error('it is there already');
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw new TideError('no-key', `key file ${file} cannot be made: ${reasonOf(error)}`, { cause: error });
  }
  // A vault whose key file vanished in a power cut is lost.
  syncDirectory(path.dirname(file));
}

/**
 * Makes the key file of a vault that is about to be made; true when it did. A vault that is there already has its key
 * somewhere else than here, so that nothing is made for it.
 */
export function ensureKeyFile(file: string, vaultDirectory: string): boolean {
  if (existsSync(file)) return false;
  if (isInside(path.resolve(file), path.resolve(vaultDirectory))) throw insideVault(`key file ${file}`, vaultDirectory);
  if (existsSync(path.join(vaultDirectory, HEADER_FILE)))
    throw new TideError(
      'no-key',
      `key file ${file} is missing, and the vault in ${vaultDirectory} was made with it: put it back from your copy`,
    );
  createKeyFile(file);
  return true;
}

function readReference(key: KeyReference, vaultDirectory: string): string {
  if ('env' in key) {
    const secret = process.env[key.env];
    if (secret === undefined)
      throw new TideError('no-key', `environment variable ${key.env}, which holds the vault's key, is not set`);
    return secret;
  }
  if ('credential' in key) {
    if (!/^[\w.@-]+$/.test(key.credential) || /^\.+$/.test(key.credential))
      throw new TideError('no-key', `"${key.credential}" is no name of a systemd credential: letters, digits, . _ - @`);
    const directory = process.env['CREDENTIALS_DIRECTORY'];
    if (directory === undefined || directory === '')
      throw new TideError(
        'no-key',
        `no systemd credentials here (CREDENTIALS_DIRECTORY is not set); "LoadCredential=${key.credential}:…" in the unit gives one`,
      );
    return readSecretFile(path.join(directory, key.credential), `systemd credential ${key.credential}`, undefined);
  }
  return readSecretFile(key.file, `key file ${key.file}`, vaultDirectory);
}

function readSecretFile(file: string, what: string, vaultDirectory: string | undefined): string {
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch (error) {
    throw new TideError('no-key', `${what} cannot be read: ${reasonOf(error)}`, { cause: error });
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new TideError('no-key', `${what} is not a file`);
    if (vaultDirectory !== undefined && isInside(realpathSync(file), vaultDirectory))
      throw insideVault(what, vaultDirectory);
    const others = stat.mode & 0o077;
    if (others !== 0 && vaultDirectory !== undefined && process.platform !== 'win32')
      throw new TideError(
        'key-exposed',
        `${what} is open to others (mode ${(stat.mode & 0o777).toString(8).padStart(4, '0')}); run: chmod 600 ${file}`,
      );
    if (stat.size > MAX_SECRET_BYTES)
      throw new TideError('no-key', `${what} has ${stat.size} bytes; at most ${MAX_SECRET_BYTES} are allowed`);
    const secret = Buffer.alloc(MAX_SECRET_BYTES);
    return secret.toString('utf8', 0, readSync(fd, secret, 0, secret.length, 0));
  } finally {
    closeSync(fd);
  }
}

function insideVault(what: string, vaultDirectory: string): TideError {
  return new TideError(
    'key-inside-vault',
    `${what} lies inside the vault's directory ${vaultDirectory}; a copy of the one would carry the other: choose another place`,
  );
}

function isInside(file: string, directory: string): boolean {
  const relative = path.relative(directory, file);
  return relative !== '..' && !relative.startsWith(`..${path.sep}`) && !path.isAbsolute(relative);
}
