import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { mustHaveTool } from './tools.ts';

export interface Pair {
  certFile: string;
  keyFile: string;
}

interface Wanted {
  /** Names and addresses that the certificate is for, e.g. `DNS:localhost,IP:127.0.0.1`. */
  names?: string;
  /** From and to; a year around now without it. */
  valid?: [from: Date, to: Date];
}

const DAY = 86_400_000;

/** An authority of a test's own, and certificates of it, made by openssl in a directory that `remove` takes away. */
export class Authority {
  readonly directory: string;
  readonly caFile: string;
  private readonly openssl = mustHaveTool('openssl');
  private readonly caKey: string;
  private readonly config: string;
  private made = 0;

  constructor(name = 'Test Authority') {
    this.directory = mkdtempSync(path.join(os.tmpdir(), 'tidegate-certificates-'));
    this.caFile = path.join(this.directory, 'ca.pem');
    this.caKey = path.join(this.directory, 'ca.key');
    this.config = path.join(this.directory, 'ca.conf');
    // Only "openssl ca" of OpenSSL 3.0 takes dates.
    writeFileSync(path.join(this.directory, 'index'), '');
    writeFileSync(
      this.config,
      ['[ca]', 'default_ca=own', '[own]', `new_certs_dir=${this.directory}`]
        .concat([`database=${path.join(this.directory, 'index')}`, 'rand_serial=yes', 'default_md=sha256'])
        .concat(['policy=any', 'unique_subject=no', '[any]', 'commonName=supplied', ''])
        .join('\n'),
    );
    this.key(this.caKey);
    const request = ['-x509', '-key', this.caKey, '-out', this.caFile, '-subj', `/CN=${name}`, '-days', '365'];
    this.run('req', ...request, '-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=keyCertSign');
  }

  /** A certificate for localhost and 127.0.0.1 with its key, or for other names. */
  issue(subject: string, { names = 'DNS:localhost,IP:127.0.0.1', valid }: Wanted = {}): Pair {
    const base = path.join(this.directory, `${++this.made}`);
    const pair = { certFile: `${base}.pem`, keyFile: `${base}.key` };
    const [from, to] = valid ?? [new Date(Date.now() - DAY), new Date(Date.now() + 365 * DAY)];
    this.key(pair.keyFile);
    this.run('req', '-new', '-key', pair.keyFile, '-out', `${base}.csr`, '-subj', `/CN=${subject}`);
    writeFileSync(`${base}.ext`, `subjectAltName=${names}\nextendedKeyUsage=serverAuth,clientAuth\n`);
    const signing = ['-config', this.config, '-cert', this.caFile, '-keyfile', this.caKey, '-extfile', `${base}.ext`];
    const dates = ['-startdate', stamp(from), '-enddate', stamp(to)];
    this.run('ca', '-batch', '-notext', ...signing, ...dates, '-in', `${base}.csr`, '-out', pair.certFile);
    return pair;
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  private key(file: string): void {
    this.run('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', file);
    chmodSync(file, 0o600);
  }

  private run(...args: string[]): void {
    execFileSync(this.openssl, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  }
}

/** `20261121160000Z` */
const stamp = (date: Date): string =>
  `${date
    .toISOString()
    .replaceAll(/[-:T]|\.\d+/g, '')
    .slice(0, 14)}Z`;
