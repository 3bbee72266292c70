import { X509Certificate, createPrivateKey, type KeyObject } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { TideError, reasonOf } from './errors.ts';

/** Where the certificates of one end of a TLS connection lie: paths of PEM files, never the certificates themselves. */
export interface TlsFiles {
  /** Authorities to trust for the other end. */
  caFile?: string;
  /** This end's certificate, those that lead to its authority behind it, and its private key: both or none. */
  certFile?: string;
  keyFile?: string;
}

/** What stood in the files, PEM. */
export interface TlsMaterial {
  ca?: string;
  cert?: string;
  key?: string;
}

/** What a certificate says of itself, for people. */
export interface CertificateFacts {
  subject: string;
  /** Epoch milliseconds. */
  validTo: number;
}

const MAX_BYTES = 1 << 20;

/**
 * Reads the files, or takes what was read before while none of them has changed, so that a certificate that was renewed
 * on the disk is taken up at the next connection.
 */
export class TlsStore {
  private readonly files: TlsFiles;
  private stamp = '';
  private material: TlsMaterial = {};

  constructor(files: TlsFiles) {
    this.files = files;
  }

  /** Throws TideErrors `bad-ca-file`, `bad-certificate`, `bad-key`, `key-readable`, which name the file and what to do. */
  read(): TlsMaterial {
    return this.changed() ?? this.material;
  }

  /** What the files hold, if that is not what was read last. Throws as `read`, and again at the next call. */
  changed(): TlsMaterial | undefined {
    const stamp = Object.values(this.files).map(stampOf).join(' ');
    if (stamp === this.stamp) return undefined;
    this.material = readTls(this.files);
    this.stamp = stamp;
    return this.material;
  }

  /** This end's certificate as last read; undefined when it has none. */
  get certificate(): CertificateFacts | undefined {
    return this.material.cert === undefined ? undefined : certificateFacts(this.material.cert);
  }
}

function readTls({ caFile, certFile, keyFile }: TlsFiles): TlsMaterial {
  if ((certFile === undefined) !== (keyFile === undefined))
    throw new TideError(
      'bad-certificate',
      certFile === undefined
        ? `key file ${keyFile}: there is no certificate to it; name both or none`
        : `certificate ${certFile}: there is no key file to it; name both or none`,
    );
  return {
    ...(caFile === undefined ? {} : { ca: readCertificates('bad-ca-file', 'CA file', caFile) }),
    ...(certFile === undefined || keyFile === undefined ? {} : readPair(certFile, keyFile)),
  };
}

function readPair(certFile: string, keyFile: string): { cert: string; key: string } {
  const cert = readCertificates('bad-certificate', 'certificate', certFile);
  const key = readPrivate(keyFile);
  let object: KeyObject;
  try {
    object = createPrivateKey(key);
  } catch (error) {
    const hint = key.includes('ENCRYPTED') ? 'it is encrypted; store it without a passphrase' : reasonOf(error);
    throw new TideError('bad-key', `key file ${keyFile} holds no private key that can be used: ${hint}`, {
      cause: error,
    });
  }
  if (!new X509Certificate(cert).checkPrivateKey(object))
    throw new TideError('bad-key', `key file ${keyFile} does not belong to the certificate ${certFile}`);
  return { cert, key };
}

function readCertificates(code: string, what: string, file: string): string {
  const text = readText(code, what, file);
  if (!text.includes('-----BEGIN CERTIFICATE-----'))
    throw new TideError(code, `${what} ${file} holds no certificates in PEM form`);
  try {
    certificateFacts(text);
  } catch (error) {
    throw new TideError(code, `${what} ${file} cannot be read: ${reasonOf(error)}`, { cause: error });
  }
  return text;
}

function readPrivate(file: string): string {
  const text = readText('bad-key', 'key file', file);
  const mode = statSync(file).mode & 0o777;
  if (process.platform !== 'win32' && (mode & 0o077) !== 0)
    throw new TideError(
      'key-readable',
      `key file ${file} is open to others (mode ${mode.toString(8).padStart(4, '0')}); run: chmod 600 ${file}`,
    );
  return text;
}

function readText(code: string, what: string, file: string): string {
  try {
    const { size } = statSync(file);
    if (size > MAX_BYTES)
      throw new TideError(code, `${what} ${file} has ${size} bytes, at most ${MAX_BYTES} are allowed`);
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof TideError) throw error;
    throw new TideError(code, `${what} ${file} cannot be read: ${reasonOf(error)}`, { cause: error });
  }
}

/** Changes whenever a file is replaced, rewritten or closed to others. */
function stampOf(file: string | undefined): string {
  if (file === undefined) return '-';
  try {
    const { dev, ino, size, mtimeMs, mode } = statSync(file);
    return [dev, ino, size, mtimeMs, mode].join(':');
  } catch (error) {
    // Why it is away, reading it says.
    return reasonOf(error);
  }
}

function certificateFacts(pem: string): CertificateFacts {
  const { subject, validTo } = new X509Certificate(pem);
  return { subject: (subject ?? '').replaceAll('\n', ', '), validTo: Date.parse(validTo) };
}
