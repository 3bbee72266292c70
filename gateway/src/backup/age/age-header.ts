/**
 * The header of an age file (age-encryption.org/v1, C2SP/C2SP age.md): the file key, wrapped once for each recipient or
 * once under a passphrase, and a MAC over it.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  hkdfSync,
  randomBytes,
  scrypt,
  timingSafeEqual,
} from 'node:crypto';
import { promisify } from 'node:util';

import { TideError } from '@tidegate/nodes/node';

import { ephemeralPair, sharedSecret, type X25519Pair } from './age-keys.ts';

const VERSION = 'age-encryption.org/v1';
const ARMOUR = '-----BEGIN AGE ENCRYPTED FILE-----';
const X25519_INFO = `${VERSION}/X25519`;
const SCRYPT_SALT = `${VERSION}/scrypt`;
const FILE_KEY = 16;
const TAG = 16;
const SALT = 16;
const COLUMNS = 64;
/** Largest header that is read, bytes: some hundred recipients. */
export const MAX_HEADER = 64 * 1024;
/** Largest work factor that is accepted: 2^20 takes 1 GiB of memory. */
export const MAX_WORK_FACTOR = 20;

interface Stanza {
  type: string;
  args: string[];
  body: Uint8Array;
}

export interface ParsedHeader {
  stanzas: Stanza[];
  /** Bytes from the begin of the file to the payload's nonce. */
  length: number;
  /** What the MAC covers, and the MAC. */
  covered: Uint8Array;
  mac: Uint8Array;
}

/** Who can open a file: holders of one of some keys, or whoever knows a passphrase. */
export type Access = { recipients: readonly Uint8Array[] } | { passphrase: string; workFactor: number };
export type Opener = { identities: readonly X25519Pair[] } | { passphrase: string };

/** A new file key and the header that wraps it. */
export async function makeHeader(access: Access): Promise<{ fileKey: Uint8Array; header: Uint8Array }> {
  const fileKey = randomBytes(FILE_KEY);
  const stanzas =
    'recipients' in access
      ? access.recipients.map((recipient) => wrapForRecipient(fileKey, recipient))
      : [await wrapWithPassphrase(fileKey, access.passphrase, access.workFactor)];
  const covered = Buffer.from(`${VERSION}\n${stanzas.map(stanzaText).join('')}---`, 'utf8');
  const mac = unpadded(macOf(fileKey, covered));
  return { fileKey, header: Buffer.concat([covered, Buffer.from(` ${mac}\n`)]) };
}

/** Reads a header from the first bytes of a file (MAX_HEADER of them, or all). Throws TideErrors that name what is wrong. */
export function parseHeader(start: Uint8Array): ParsedHeader {
  const bytes = Buffer.from(start.buffer, start.byteOffset, Math.min(start.length, MAX_HEADER));
  const lines = new Lines(bytes);
  const first = lines.next() ?? '';
  if (first === ARMOUR)
    throw new TideError(
      'armoured',
      'is an age file in text form (armor); make it binary: age -d FILE | age -e -o NEW …',
    );
  if (first.startsWith('age-encryption.org/') && first !== VERSION)
    throw new TideError('newer-format', `is an age file of version "${first.slice(19, 40)}"; v1 is what can be read`);
  if (first !== VERSION) throw new TideError('not-age', 'is not an age file');
  const stanzas: Stanza[] = [];
  for (;;) {
    const before = lines.at;
    const line = lines.next();
    if (line === undefined) throw damagedHeader(start.length >= MAX_HEADER ? 'is too long' : 'ends too early');
    if (line.startsWith('--- ')) {
      const mac = base64(line.slice(4));
      if (mac?.length !== 32) throw damagedHeader('ends in no MAC');
      return { stanzas, length: lines.at, covered: bytes.subarray(0, before + 3), mac };
    }
    stanzas.push(readStanza(line, lines));
  }
}

/** The file key. Throws `wrong-key`, `wrong-passphrase`, `bad-header` and what says which of the two is needed. */
export async function openHeader(header: ParsedHeader, opener: Opener): Promise<Uint8Array> {
  const fileKey =
    'passphrase' in opener
      ? await withPassphrase(header, opener.passphrase)
      : withIdentities(header, opener.identities);
  if (!timingSafeEqual(macOf(fileKey, header.covered), header.mac))
    throw damagedHeader('was altered (its MAC does not fit)');
  return fileKey;
}

export const needsPassphrase = ({ stanzas }: ParsedHeader): boolean => stanzas.some(({ type }) => type === 'scrypt');

function wrapForRecipient(fileKey: Uint8Array, recipient: Uint8Array): Stanza {
  const own = ephemeralPair();
  const key = wrapKey(sharedSecret(own.privateKey, recipient), own.publicKey, recipient);
  return { type: 'X25519', args: [unpadded(own.publicKey)], body: seal(key, fileKey) };
}

async function wrapWithPassphrase(fileKey: Uint8Array, passphrase: string, workFactor: number): Promise<Stanza> {
  const salt = randomBytes(SALT);
  const key = await stretched(passphrase, salt, workFactor);
  return { type: 'scrypt', args: [unpadded(salt), String(workFactor)], body: seal(key, fileKey) };
}

function withIdentities(header: ParsedHeader, identities: readonly X25519Pair[]): Uint8Array {
  if (needsPassphrase(header))
    throw new TideError('needs-passphrase', 'was made with a passphrase: give it with --passphrase');
  const wrapped = header.stanzas.filter(({ type }) => type === 'X25519');
  for (const { args, body } of wrapped) {
    const share = base64(args[0] ?? '');
    if (args.length !== 1 || share?.length !== 32 || body.length !== FILE_KEY + TAG)
      throw damagedHeader('names a recipient in no way that is known');
    for (const { privateKey, publicKey } of identities) {
      const fileKey = open(wrapKey(sharedSecret(privateKey, share), share, publicKey), body);
      if (fileKey !== undefined) return fileKey;
    }
  }
  throw new TideError(
    'wrong-key',
    wrapped.length === 0
      ? 'was made for no recipient of kind age1…'
      : `was made for ${wrapped.length === 1 ? 'another recipient' : `${wrapped.length} other recipients`}: none of the keys given opens it`,
  );
}

async function withPassphrase({ stanzas }: ParsedHeader, passphrase: string): Promise<Uint8Array> {
  const stanza = stanzas.find(({ type }) => type === 'scrypt');
  if (stanza === undefined)
    throw new TideError(
      'needs-identity',
      'was made for recipients, not with a passphrase: give a key with --identity KEYFILE',
    );
  const salt = base64(stanza.args[0] ?? '');
  const factor = stanza.args[1] ?? '';
  // The clause that keeps a passphrase's file for one reader: a scrypt stanza stands alone.
  if (
    stanzas.length !== 1 ||
    stanza.args.length !== 2 ||
    salt?.length !== SALT ||
    !/^[1-9]\d?$/.test(factor) ||
    stanza.body.length !== FILE_KEY + TAG
  )
    throw damagedHeader('holds a passphrase in no way that is known');
  if (Number(factor) > MAX_WORK_FACTOR)
    throw new TideError('too-much-work', `asks for scrypt with 2^${factor}; at most 2^${MAX_WORK_FACTOR} is allowed`);
  const fileKey = open(await stretched(passphrase, salt, Number(factor)), stanza.body);
  if (fileKey === undefined) throw new TideError('wrong-passphrase', 'does not open with this passphrase');
  return fileKey;
}

const scryptKey = promisify<string, Uint8Array, number, { N: number; r: number; p: number; maxmem: number }, Buffer>(
  scrypt,
);

function stretched(passphrase: string, salt: Uint8Array, workFactor: number): Promise<Buffer> {
  const N = 2 ** workFactor;
  const salted = Buffer.concat([Buffer.from(SCRYPT_SALT), salt]);
  return scryptKey(passphrase, salted, 32, { N, r: 8, p: 1, maxmem: 128 * 8 * N + (1 << 22) });
}

function wrapKey(shared: Uint8Array, share: Uint8Array, recipient: Uint8Array): Uint8Array {
  return Buffer.from(hkdfSync('sha256', shared, Buffer.concat([share, recipient]), X25519_INFO, 32));
}

function macOf(fileKey: Uint8Array, covered: Uint8Array): Uint8Array {
  const key = Buffer.from(hkdfSync('sha256', fileKey, '', 'header', 32));
  return createHmac('sha256', key).update(covered).digest();
}

/** Under a nonce of zeroes: each key seals once. */
function seal(key: Uint8Array, plain: Uint8Array): Uint8Array {
  const cipher = createCipheriv('chacha20-poly1305', key, Buffer.alloc(12), { authTagLength: TAG });
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function open(key: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
  const decipher = createDecipheriv('chacha20-poly1305', key, Buffer.alloc(12), { authTagLength: TAG });
  decipher.setAuthTag(sealed.subarray(-TAG));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(0, -TAG)), decipher.final()]);
  } catch {
    // Not sealed under this key; whether another one fits is the caller's question.
    return undefined;
  }
}

/** Text of a stanza: `-> type args`, then the body in lines of 64 columns, the last one shorter than that. */
function stanzaText({ type, args, body }: Stanza): string {
  const text = unpadded(body);
  let lines = '';
  for (let at = 0; at <= text.length; at += COLUMNS) lines += `${text.slice(at, at + COLUMNS)}\n`;
  return `-> ${[type, ...args].join(' ')}\n${lines}`;
}

function readStanza(line: string, lines: Lines): Stanza {
  const [arrow, type, ...args] = line.split(' ');
  if (arrow !== '->' || type === undefined || [type, ...args].some((arg) => !/^[\x21-\x7e]+$/.test(arg)))
    throw damagedHeader('holds a line that is no recipient');
  let text = '';
  for (;;) {
    const part = lines.next();
    if (part === undefined || part.length > COLUMNS) throw damagedHeader('ends too early');
    text += part;
    if (part.length < COLUMNS) break;
  }
  const body = base64(text);
  if (body === undefined) throw damagedHeader('holds a recipient that is no base64');
  return { type, args, body };
}

class Lines {
  at = 0;
  private readonly bytes: Buffer;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  /** Undefined when no whole line is left. */
  next(): string | undefined {
    const end = this.bytes.indexOf(0x0a, this.at);
    if (end < 0) return undefined;
    const line = this.bytes.toString('latin1', this.at, end);
    this.at = end + 1;
    return line;
  }
}

const unpadded = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64').replaceAll('=', '');

/** Canonical base64 without padding, else undefined. */
function base64(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, 'base64');
  return unpadded(bytes) === text ? bytes : undefined;
}

const damagedHeader = (what: string): TideError => new TideError('bad-header', `has a header that ${what}`);
