/**
 * Bech32 (BIP 173) without its limit of 90 characters, as age writes its keys: a readable prefix, `1`, and five bits a
 * character with a checksum that finds any four wrong characters.
 */
const ALPHABET = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
const GENERATOR = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];
const CHECKSUM = 6;
const MAX_TEXT = 4_096;

export interface Bech32 {
  prefix: string;
  data: Uint8Array;
}

/** The text of some bytes under a prefix in lower case. */
export function encodeBech32(prefix: string, data: Uint8Array): string {
  const words = regroup(data, 8, 5, true) ?? [];
  const check = polymod([...expand(prefix), ...words, 0, 0, 0, 0, 0, 0]) ^ 1;
  for (let i = CHECKSUM - 1; i >= 0; i--) words.push((check >>> (5 * i)) & 31);
  return `${prefix}1${words.map((word) => ALPHABET[word]).join('')}`;
}

/** Reads all lower or all upper case; the prefix comes back in lower case. Undefined when the text is no Bech32. */
export function decodeBech32(text: string): Bech32 | undefined {
  const lower = text.toLowerCase();
  if (text.length > MAX_TEXT || (text !== lower && text !== text.toUpperCase())) return undefined;
  const split = lower.lastIndexOf('1');
  if (split < 1 || lower.length - split - 1 < CHECKSUM) return undefined;
  const prefix = lower.slice(0, split);
  const words = Array.from(lower.slice(split + 1), (character) => ALPHABET.indexOf(character));
  if (words.includes(-1) || polymod([...expand(prefix), ...words]) !== 1) return undefined;
  const data = regroup(words.slice(0, -CHECKSUM), 5, 8, false);
  return data === undefined ? undefined : { prefix, data: Uint8Array.from(data) };
}

function polymod(words: readonly number[]): number {
  let check = 1;
  for (const word of words) {
    const top = check >>> 25;
    check = ((check & 0x1ffffff) << 5) ^ word;
    for (const [i, generator] of GENERATOR.entries()) if (((top >>> i) & 1) === 1) check ^= generator;
  }
  return check >>> 0;
}

function expand(prefix: string): number[] {
  const codes = Array.from(prefix, (character) => character.charCodeAt(0));
  return [...codes.map((code) => code >>> 5), 0, ...codes.map((code) => code & 31)];
}

/** Groups of `from` bits as groups of `to` bits; padding that is too long or not zero is undefined. */
function regroup(groups: Iterable<number>, from: number, to: number, pad: boolean): number[] | undefined {
  const out: number[] = [];
  let held = 0;
  let bits = 0;
  for (const group of groups) {
    held = ((held << from) | group) & 0xfff;
    bits += from;
    while (bits >= to) {
      bits -= to;
      out.push((held >>> bits) & ((1 << to) - 1));
    }
  }
  const rest = (held << (to - bits)) & ((1 << to) - 1);
  if (pad && bits > 0) out.push(rest);
  else if (!pad && (bits >= from || rest !== 0)) return undefined;
  return out;
}
