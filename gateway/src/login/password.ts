import { createHash, randomBytes, scrypt, timingSafeEqual } from 'node:crypto';

/** scrypt (RFC 7914) with N=2^15, r=8, p=1: 32 MB and some 50 ms on a gateway. */
const COST = { logN: 15, r: 8, p: 1 };
const KEY_BYTES = 32;
/** Longest password that is hashed, characters. */
export const MAX_PASSWORD = 1024;

const FORM = /^scrypt\$(\d{1,2})\$(\d{1,2})\$(\d{1,2})\$([\w-]{22,})\$([\w-]{43})$/;

const base64url = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url');

/** `scrypt$logN$r$p$salt$hash`, salt and hash in base64url. */
export async function hashPassword(password: string, salt: Uint8Array = randomBytes(16)): Promise<string> {
  const hash = await derive(password, salt, COST);
  return ['scrypt', COST.logN, COST.r, COST.p, base64url(salt), base64url(hash)].join('$');
}

export async function passwordMatches(password: string, stored: string): Promise<boolean> {
  const parts = FORM.exec(stored);
  if (parts === null || password.length > MAX_PASSWORD) return false;
  const [, logN = '', r = '', p = '', salt = '', hash = ''] = parts;
  const cost = { logN: Number(logN), r: Number(r), p: Number(p) };
  if (cost.logN > 20 || cost.r > 32 || cost.p > 16) return false;
  return timingSafeEqual(await derive(password, Buffer.from(salt, 'base64url'), cost), Buffer.from(hash, 'base64url'));
}

/** A password that a person can type: five groups of four letters and digits without look-alikes, 99 bits. */
export function makePassword(random: Uint8Array = randomBytes(20)): string {
  const alphabet = 'abcdefghjkmnpqrstuvwxyz23456789';
  const letters = Array.from(random.subarray(0, 20), (byte) => alphabet[byte % alphabet.length]);
  return [0, 4, 8, 12, 16].map((i) => letters.slice(i, i + 4).join('')).join('-');
}

function derive(password: string, salt: Uint8Array, cost: typeof COST): Promise<Buffer> {
  const N = 2 ** cost.logN;
  const maxmem = 256 * N * cost.r;
  return new Promise((resolve, reject) => {
    scrypt(password.normalize('NFC'), salt, KEY_BYTES, { N, r: cost.r, p: cost.p, maxmem }, (error, key) =>
      error === null ? resolve(key) : reject(error),
    );
  });
}

/** How many checks may wait for their turn; beyond that the answer is no. */
const MAX_WAITING = 1_000;

/**
 * Checks names and passwords against stored hashes, one at a time, because each takes 32 MB and some 50 ms. What was
 * right once is remembered as a salted digest, so that sensors that all reconnect at once do not queue; the answer takes
 * as long for a name that does not exist.
 */
export class PasswordCheck {
  private readonly hashes: ReadonlyMap<string, string>;
  private readonly salt = randomBytes(32);
  private readonly known = new Map<string, Buffer>();
  private turn: Promise<unknown> = Promise.resolve();
  private waiting = 0;

  constructor(users: readonly { name: string; passwordHash: string }[]) {
    this.hashes = new Map(users.map(({ name, passwordHash }) => [name, passwordHash]));
  }

  matches(name: string, password: string): Promise<boolean> {
    if (password.length > MAX_PASSWORD || this.waiting >= MAX_WAITING) return Promise.resolve(false);
    const digest = createHash('sha256').update(this.salt).update(password).digest();
    if (this.remembers(name, digest)) return Promise.resolve(true);
    this.waiting++;
    const answer = this.turn.then(() => this.check(name, password, digest));
    this.turn = answer.then(
      () => this.waiting--,
      () => this.waiting--,
    );
    return answer;
  }

  private async check(name: string, password: string, digest: Buffer): Promise<boolean> {
    if (this.remembers(name, digest)) return true;
    const stored = this.hashes.get(name);
    const matches = (await passwordMatches(password, stored ?? NOBODY)) && stored !== undefined;
    if (matches) this.known.set(name, digest);
    return matches;
  }

  private remembers(name: string, digest: Buffer): boolean {
    const known = this.known.get(name);
    return known !== undefined && timingSafeEqual(known, digest);
  }
}

/** A well-formed hash of no password. */
const NOBODY = `scrypt$15$8$1$${'A'.repeat(22)}$${'A'.repeat(43)}`;
