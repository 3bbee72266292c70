import { TideError } from '@tidegate/nodes/node';

import { MAX_HEADER, openHeader, type Opener, parseHeader } from './age/age-header.ts';
import { PAYLOAD_NONCE, payloadKey, StreamOpener } from './age/age-stream.ts';
import { ABOUT, checkAbout, type Place, placeOf } from './manifest.ts';
import { shown, TarReader } from './tar.ts';

export interface ArchiveEntry {
  name: string;
  place: Place;
  body: Uint8Array;
}

/**
 * The entries of a backup in their order, each whole and of bounded size. Throws a TideError that names what is wrong
 * with the file: not-age, armoured, wrong-key, wrong-passphrase, truncated, altered, bad-archive, newer-format.
 */
export async function* entriesIn(file: AsyncIterable<Uint8Array>, opener: Opener): AsyncGenerator<ArchiveEntry> {
  const tar = new TarReader(orderOfEntries());
  let first = true;
  for await (const plain of plainBytes(file, opener)) {
    for (const { name, body } of tar.push(plain)) {
      if (first) checkAbout(Buffer.from(body).toString('utf8'));
      first = false;
      yield { name, place: placeOf(name)!, body };
    }
  }
  tar.end();
}

/** Opens the file for whoever only wants to know whether the key fits. */
export async function fileKeyOf(file: AsyncIterable<Uint8Array>, opener: Opener): Promise<Uint8Array> {
  let start = Buffer.alloc(0);
  for await (const bytes of file) {
    start = Buffer.concat([start, bytes]);
    if (start.length >= MAX_HEADER) break;
  }
  return openHeader(parseHeader(start), opener);
}

async function* plainBytes(file: AsyncIterable<Uint8Array>, opener: Opener): AsyncGenerator<Uint8Array> {
  let start: Buffer | undefined = Buffer.alloc(0);
  let stream: StreamOpener | undefined;
  for await (const bytes of file) {
    if (stream !== undefined) {
      yield stream.push(bytes);
      continue;
    }
    start = Buffer.concat([start ?? Buffer.alloc(0), bytes]);
    if (start.length < MAX_HEADER) continue;
    ({ stream, rest: start } = await opened(start, opener));
    yield stream.push(start);
  }
  if (stream === undefined) {
    ({ stream, rest: start } = await opened(start ?? Buffer.alloc(0), opener));
    yield stream.push(start);
  }
  yield stream.end();
}

async function opened(start: Buffer, opener: Opener): Promise<{ stream: StreamOpener; rest: Buffer }> {
  const header = parseHeader(start);
  const fileKey = await openHeader(header, opener);
  const begin = header.length + PAYLOAD_NONCE;
  if (start.length < begin) throw new TideError('truncated', 'is cut off: nothing follows its header');
  const stream = new StreamOpener(payloadKey(fileKey, start.subarray(header.length, begin)));
  return { stream, rest: start.subarray(begin) };
}

/** Refuses what no backup holds before its body is read: foreign names, too large, twice, out of order. */
function orderOfEntries(): (entry: { name: string; size: number }) => void {
  const numbers = new Map<string, number>();
  let last = '';
  return ({ name, size }) => {
    const place = placeOf(name);
    if (place === undefined) throw bad(`entry "${shown(name)}" belongs to no backup`);
    if (size > place.limit) throw bad(`entry ${name} has ${size} bytes; allowed are ${place.limit}`);
    if (last === '' && name !== ABOUT) throw bad(`its first entry is "${shown(name)}", not ${ABOUT}`);
    if (last === 'signature') throw bad(`entry ${name} stands behind the signature`);
    if (last === 'manifest' && place.kind !== 'signature') throw bad(`entry ${name} stands behind the manifest`);
    const series = place.kind === 'part' ? place.folder : place.kind;
    const number = place.kind === 'part' ? place.number : 1;
    if (number !== (numbers.get(series) ?? 0) + 1) throw bad(`entry ${name} is there twice or out of order`);
    numbers.set(series, number);
    last = place.kind;
  };
}

const bad = (what: string): TideError => new TideError('bad-archive', `holds no backup of a vault: ${what}`);
