import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';

import { TideError } from '@tidegate/nodes/node';
import { z } from 'zod';

export const FORMAT = 'tidegate-backup';
export const FORMAT_VERSION = 1;
export const ABOUT = 'about.json';
export const MANIFEST = 'manifest.json';
export const SIGNATURE = 'manifest.sig';
export const SIGNATURE_BYTES = 64;
const CONFIG = 'gateway/gateway.yaml';
const FLOWS = 'gateway/flows.json';

/** Folders of the archive, in the order in which they stand in it; files in them are numbered from 000001. */
export const FOLDERS = {
  series: 'ndjson.gz',
  documents: 'ndjson.gz',
  consumers: 'ndjson.gz',
  checkpoints: 'ndjson.gz',
  causes: 'ndjson.gz',
  receipts: 'bin',
  rejections: 'ndjson.gz',
  streams: 'ndjson.gz',
  blocks: 'ndjson.gz',
  alerts: 'ndjson.gz',
  recent: 'csv.gz',
  readings: 'csv.gz',
  totals: 'ndjson.gz',
} as const;
export type Folder = keyof typeof FOLDERS;

/** Bytes of rows in one part before it is compressed, about; with one row more than that at most. */
export const PART_BYTES = 2 << 20;
/** Bounds of what is read: largest part as it lies in the archive, and unpacked. A row is at most some 12 MiB. */
export const MAX_PART = 32 << 20;
export const MAX_UNPACKED = 48 << 20;
const MAX_SMALL = 1 << 20;
const MAX_CONFIG = 16 << 20;
const MAX_MANIFEST = 64 << 20;

export const partName = (folder: Folder, number: number): string =>
  `${folder}/${String(number).padStart(6, '0')}.${FOLDERS[folder]}`;

export type Place =
  | { kind: 'part'; folder: Folder; number: number; limit: number }
  | { kind: 'about' | 'manifest' | 'signature' | 'config' | 'flows'; limit: number };

const FIXED: Record<string, Place> = {
  [ABOUT]: { kind: 'about', limit: MAX_SMALL },
  [MANIFEST]: { kind: 'manifest', limit: MAX_MANIFEST },
  [SIGNATURE]: { kind: 'signature', limit: SIGNATURE_BYTES },
  [CONFIG]: { kind: 'config', limit: MAX_SMALL },
  [FLOWS]: { kind: 'flows', limit: MAX_CONFIG },
};
export const CONFIG_ENTRY = CONFIG;
export const FLOWS_ENTRY = FLOWS;

/** What an entry of this name is; undefined for a name that no backup holds. */
export function placeOf(name: string): Place | undefined {
  if (Object.hasOwn(FIXED, name)) return FIXED[name];
  const [, folder = '', digits = '', ending] = /^([a-z]+)\/(\d{6})\.([a-z.]+)$/.exec(name) ?? [];
  if (!Object.hasOwn(FOLDERS, folder) || FOLDERS[folder as Folder] !== ending) return undefined;
  return { kind: 'part', folder: folder as Folder, number: Number(digits), limit: MAX_PART };
}

const count = z.number().int().nonnegative();
const hex = (bytes: number): z.ZodString => z.string().regex(new RegExp(`^[0-9a-f]{${2 * bytes}}$`));
const entry = z.object({ name: z.string().max(64), bytes: count, sha256: hex(32), items: count });
export type Entry = z.infer<typeof entry>;

const manifest = z.object({
  format: z.literal(FORMAT),
  version: z.literal(FORMAT_VERSION),
  gateway: z.string().max(64),
  /** Epoch milliseconds of the cut. */
  created: z.number(),
  /** Of the vault that was copied. */
  incarnation: hex(16),
  /** Position of the next reading, and the first that some consumer has still to see. */
  head: count,
  replayFrom: count,
  counts: z.object({ readings: count, recent: count, series: count, blocks: count, alerts: count, lost: count }),
  signer: z.object({ publicKey: hex(32), is: z.enum(['gateway', 'vault']) }),
  parts: z.array(entry).max(1_000_000),
});
export type Manifest = z.infer<typeof manifest>;

const aboutShape = z.looseObject({ format: z.string(), version: z.number() });

/** What a person who opens the archive reads first. */
export function aboutText(facts: Pick<Manifest, 'gateway' | 'created' | 'incarnation'>): string {
  const { gateway, created, incarnation } = facts;
  return `${JSON.stringify(
    {
      format: FORMAT,
      version: FORMAT_VERSION,
      gateway,
      created: new Date(created).toISOString(),
      incarnation,
      what: {
        'readings/': 'measured values, series by series; CSV, compressed: zcat readings/*.csv.gz',
        'recent/': 'the newest of these once more, in the order in which they came, then their position and source',
        'totals/': 'for each series of readings/: count, first and last time, exact sum',
        'series/': 'names, units and numbers of the series',
        'documents/': 'grants, shared values, the identity of the gateway with its secret keys',
        'checkpoints/, consumers/, causes/, receipts/': 'memory of the detectors and of open windows',
        'blocks/, streams/, alerts/': 'what was waiting for the cloud',
        'rejections/': 'messages that could not be read',
        'gateway/': 'configuration and flows',
        'manifest.json': 'size and SHA-256 of every part; manifest.sig is its Ed25519 signature',
      },
      restore: 'tidegate import FILE --into DIR',
    },
    null,
    2,
  )}\n`;
}

/** Throws a TideError `newer-format` or `bad-archive`. */
export function checkAbout(text: string): void {
  const about = aboutShape.safeParse(parsed(text, ABOUT));
  if (!about.success || about.data.format !== FORMAT)
    throw new TideError('bad-archive', `holds no backup of a Tidegate vault: ${ABOUT} says nothing of one`);
  if (about.data.version > FORMAT_VERSION)
    throw new TideError(
      'newer-format',
      `is a backup of format ${about.data.version}; this tidegate reads ${FORMAT_VERSION}: install a newer one`,
    );
}

export function readManifest(bytes: Uint8Array): Manifest {
  const read = manifest.safeParse(parsed(Buffer.from(bytes).toString('utf8'), MANIFEST));
  if (!read.success)
    throw new TideError('bad-archive', `${MANIFEST} does not fit: ${read.error.issues[0]?.path.join('.')}`);
  return read.data;
}

export const manifestBytes = (value: Manifest): Uint8Array =>
  Buffer.from(`${JSON.stringify(value, null, 1)}\n`, 'utf8');

/** RFC 8410: what stands before a raw Ed25519 key in DER. */
const PRIVATE_DER = Buffer.from('302e020100300506032b657004220420', 'hex');
const PUBLIC_DER = Buffer.from('302a300506032b6570032100', 'hex');

/** Ed25519 (RFC 8032) over the manifest's bytes as they lie in the archive. */
export function signManifest(bytes: Uint8Array, privateKey: Uint8Array): Uint8Array {
  const key = createPrivateKey({ key: Buffer.concat([PRIVATE_DER, privateKey]), format: 'der', type: 'pkcs8' });
  return sign(null, bytes, key);
}

export function signatureHolds(bytes: Uint8Array, signature: Uint8Array, publicKey: string): boolean {
  const der = Buffer.concat([PUBLIC_DER, Buffer.from(publicKey, 'hex')]);
  return verify(null, bytes, createPublicKey({ key: der, format: 'der', type: 'spki' }), signature);
}

function parsed(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new TideError('bad-archive', `holds no backup of a vault: ${what} is no JSON`, { cause: error });
  }
}
