import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';

/** A file below a directory as it was read: one of a running gateway may be gone since. */
export interface FoundFile {
  file: string;
  bytes: Buffer;
}

export function filesBelow(directory: string): FoundFile[] {
  const found: FoundFile[] = [];
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    const file = path.join(directory, name);
    if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true) continue;
    try {
      found.push({ file, bytes: readFileSync(file) });
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    }
  }
  return found;
}

/** Forms in which a text may stand on a card: UTF-8, UTF-16 of both orders, hexadecimal, base64 at each of three offsets. */
export function formsOf(text: string): Map<string, Buffer> {
  const utf16 = Buffer.from(text, 'utf16le');
  const forms = new Map<string, Buffer>([
    ['UTF-8', Buffer.from(text)],
    ['UTF-16LE', utf16],
    ['UTF-16BE', Buffer.from(utf16).swap16()],
    ['hex', Buffer.from(Buffer.from(text).toString('hex'))],
    ['HEX', Buffer.from(Buffer.from(text).toString('hex').toUpperCase())],
  ]);
  for (let offset = 0; offset < 3; offset++) {
    const bytes = Buffer.concat([Buffer.alloc(offset), Buffer.from(text)]);
    // Digits that the bytes before and behind have a share in are left out.
    const whole = bytes.toString('base64').slice(offset === 0 ? 0 : 4, 4 * Math.floor(bytes.length / 3));
    forms.set(`base64, offset ${offset}`, Buffer.from(whole));
  }
  return forms;
}

/** A number as it would lie in memory, of both orders. */
export function formsOfNumber(value: number): Map<string, Buffer> {
  const little = Buffer.alloc(8);
  little.writeDoubleLE(value);
  return new Map([
    ['f64, little endian', little],
    ['f64, big endian', Buffer.from(little.toReversed())],
  ]);
}

/** Where anything of these can be found, as "needle (form) in file"; `strings` is the program of that name. */
export function found(files: readonly FoundFile[], needles: readonly (string | number)[], strings: string): string[] {
  const places: string[] = [];
  const searched = needles.map((needle) => ({
    needle,
    forms: typeof needle === 'string' ? formsOf(needle) : formsOfNumber(needle),
  }));
  for (const { file, bytes } of files) {
    for (const { needle, forms } of searched)
      for (const [form, sought] of forms) if (bytes.includes(sought)) places.push(`"${needle}" (${form}) in ${file}`);
    const readable = execFileSync(strings, ['-a', '-n', '6'], { input: bytes, maxBuffer: 1 << 29, encoding: 'latin1' });
    for (const { needle } of searched)
      if (readable.includes(String(needle))) places.push(`"${needle}" (strings) in ${file}`);
  }
  return places;
}
