/** Tar as POSIX.1-1988 (ustar) has it, for regular files with short names: what `tar` of any system lists and unpacks. */
import { TideError } from '@tidegate/nodes/node';

const BLOCK = 512;
const MAX_NAME = 100;
const MAX_SIZE = 8 ** 11 - 1;

export interface TarEntry {
  name: string;
  size: number;
}

/** Header, body and padding of one file. `time`: epoch milliseconds. */
export function tarMember(name: string, body: Uint8Array, time: number): Uint8Array {
  const padding = (BLOCK - (body.length % BLOCK)) % BLOCK;
  return Buffer.concat([tarHeader(name, body.length, time), body, Buffer.alloc(padding)]);
}

/** What closes an archive. */
export const tarEnd = (): Uint8Array => Buffer.alloc(2 * BLOCK);

function tarHeader(name: string, size: number, time: number): Uint8Array {
  if (Buffer.byteLength(name) > MAX_NAME || size > MAX_SIZE) throw new TypeError(`${name}: too long for a tar entry`);
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, length: number): void => {
    header.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at, 'latin1');
  };
  header.write(name, 0, 'latin1');
  octal(0o600, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(Math.max(0, Math.floor(time / 1000)), 136, 12);
  header.write('0', 156, 'latin1');
  header.write('ustar\u000000', 257, 'latin1');
  header.write(`${checksum(header).toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}

/** Takes a tar stream apart. Hands out nothing but the names and bodies of regular files; nothing is ever unpacked. */
export class TarReader {
  private held: Buffer = Buffer.alloc(0);
  private entry: TarEntry | undefined;
  private ended = false;
  private readonly check: (entry: TarEntry) => void;

  /** `check` throws for an entry that must not be taken in; it is called before its body is read. */
  constructor(check: (entry: TarEntry) => void) {
    this.check = check;
  }

  /** Entries that are whole with these bytes. Throws a TideError `bad-archive`. */
  *push(bytes: Uint8Array): Generator<{ name: string; body: Uint8Array }> {
    this.held = Buffer.concat([this.held, bytes]);
    for (;;) {
      if (this.entry === undefined) {
        if (this.held.length < BLOCK) return;
        const header = this.held.subarray(0, BLOCK);
        this.held = this.held.subarray(BLOCK);
        if (header.every((byte) => byte === 0)) this.ended = true;
        else this.begin(header);
        continue;
      }
      const { name, size } = this.entry;
      const padded = Math.ceil(size / BLOCK) * BLOCK;
      if (this.held.length < padded) return;
      const body = Uint8Array.from(this.held.subarray(0, size));
      this.held = this.held.subarray(padded);
      this.entry = undefined;
      yield { name, body };
    }
  }

  end(): void {
    if (!this.ended || this.entry !== undefined || this.held.length > 0)
      throw bad('it ends within an entry: it is not whole');
  }

  private begin(header: Buffer): void {
    if (this.ended) throw bad('there is something behind its end');
    const sum = header.toString('latin1', 148, 156).replaceAll(/[\0 ]/g, '');
    if (!/^[0-7]+$/.test(sum) || Number.parseInt(sum, 8) !== checksum(header))
      throw bad('an entry has no valid header');
    const field = (at: number, length: number): string => header.toString('latin1', at, at + length).split('\0', 1)[0];
    const size = field(124, 12).trim();
    const name = field(0, MAX_NAME);
    const type = field(156, 1);
    if (field(345, 155) !== '' || (type !== '' && type !== '0'))
      throw bad(`entry "${shown(name)}" is no regular file with a short name`);
    if (!/^[0-7]{1,11}$/.test(size)) throw bad(`entry "${shown(name)}" has no valid size`);
    this.entry = { name, size: Number.parseInt(size, 8) };
    this.check(this.entry);
  }
}

/** Sum of the header's bytes, its own field taken as spaces. */
function checksum(header: Uint8Array): number {
  let sum = 8 * 0x20;
  for (let i = 0; i < BLOCK; i++) if (i < 148 || i >= 156) sum += header[i];
  return sum;
}

/** A name as it may stand in a message: a foreign one can hold anything. */
export const shown = (name: string): string => name.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 80);

const bad = (what: string): TideError => new TideError('bad-archive', `holds no archive of a vault: ${what}`);
