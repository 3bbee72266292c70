import { hkdfSync, scryptSync } from 'node:crypto';

/**
 * A secret for one purpose, made from the vault's key, so that none has to be stored: 32 bytes in base64url. A random
 * key goes through HKDF (RFC 5869); a passphrase through scrypt (RFC 7914) first, because what comes out may lie where
 * it can be guessed at.
 */
export function derivedSecret(key: string, purpose: string): string {
  const random = /^[0-9a-f]{64,}$/i.test(key) || /^[\w+/-]{43,}={0,2}$/.test(key);
  const material = random ? key : scryptSync(key, `tidegate/${purpose}`, 32, { N: 2 ** 15, maxmem: 1 << 26 });
  return Buffer.from(hkdfSync('sha256', material, 'tidegate/v1', purpose, 32)).toString('base64url');
}

/** Node-RED's credentials file. */
export const CREDENTIALS = 'node-red credentials';
/** The editor's password in the demo. */
export const DEMO_PASSWORD = 'demo editor password';
