import { TideError } from '../node/errors.ts';
import { VarintReader, writeVarint, zigzag, unzigzag } from './varint.ts';

/**
 * Receipts of one commit as columns. A receipt (ingest/receipt.ts) is 32 bits of client, 16 bits of packet identifier, 16 bits
 * of content. Clients count their packet identifiers up, so that of a client with ten messages in a commit little more than
 * the contents' bits remains. The layout, integers little-endian:
 *
 *     format (1 byte: 1)
 *     for each number of receipts that clients have here, ascending: number, how many clients have it   (varints)
 *     0                                                                                                  (varint)
 *     the clients' 32 bits, in that order                                                                (4 bytes each)
 *     for each client: its first packet identifier (2 bytes), then runs of (difference, length) until its number is
 *       reached; differences are modulo 65,536, as signed zigzag varints
 *     the contents' 16 bits, in the same order                                                           (2 bytes each)
 *
 * The order of receipts within a commit is lost, except among those of one client. Pure.
 */
const FORMAT = 1;
const CLIENT_BYTES = 4;
const ID_BYTES = 2;
const CONTENT_BYTES = 2;
/** A run at its longest: a difference of three bytes and a length of five. */
const RUN_BYTES = 8;

/** Packs the receipts of one commit: about 3 bytes each for clients with ten messages in it, 8 for clients with one. */
export function encodeReceipts(receipts: BigUint64Array | readonly bigint[]): Uint8Array {
  const words = new Uint32Array(BigUint64Array.from(receipts).buffer);
  const clients = byClient(words);
  const bytes = new Uint8Array(
    2 + clients.length * (10 + CLIENT_BYTES + ID_BYTES) + receipts.length * (RUN_BYTES + CONTENT_BYTES),
  );
  bytes[0] = FORMAT;
  let at = writeSizes(bytes, 1, clients);
  for (const { client } of clients) at = writeBytes(bytes, at, client, CLIENT_BYTES);
  for (const { messages } of clients) at = writeIds(bytes, at, messages);
  for (const { messages } of clients)
    for (const message of messages) at = writeBytes(bytes, at, message & 0xffff, CONTENT_BYTES);
  return bytes.slice(0, at);
}

/** Unpacks; throws TideError `bad-receipts` for what `encodeReceipts` does not write. */
export function decodeReceipts(bytes: Uint8Array): BigUint64Array {
  try {
    return decode(bytes);
  } catch (error) {
    if (error instanceof RangeError) throw bad(error.message);
    throw error;
  }
}

interface Client {
  client: number;
  /** Packet identifier and content: the lower halves of its receipts, in order of arrival. */
  messages: number[];
}

function byClient(words: Uint32Array): Client[] {
  const clients = new Map<number, Client>();
  for (let i = 0; i < words.length; i += 2) {
    const [message, client] = [words[i], words[i + 1]];
    const known = clients.get(client);
    if (known === undefined) clients.set(client, { client, messages: [message] });
    else known.messages.push(message);
  }
  return [...clients.values()].toSorted((a, b) => a.messages.length - b.messages.length);
}

function writeSizes(bytes: Uint8Array, start: number, clients: readonly Client[]): number {
  let at = start;
  for (let i = 0; i < clients.length;) {
    const size = clients[i].messages.length;
    let end = i;
    while (end < clients.length && clients[end].messages.length === size) end++;
    at = writeVarint(bytes, writeVarint(bytes, at, size), end - i);
    i = end;
  }
  return writeVarint(bytes, at, 0);
}

function writeIds(bytes: Uint8Array, start: number, messages: readonly number[]): number {
  let last = messages[0] >>> 16;
  let at = writeBytes(bytes, start, last, ID_BYTES);
  for (let i = 1; i < messages.length;) {
    const step = stepOf(last, messages[i] >>> 16);
    const begin = i;
    while (i < messages.length && stepOf(last, messages[i] >>> 16) === step) last = messages[i++] >>> 16;
    at = writeVarint(bytes, writeVarint(bytes, at, zigzag(step)), i - begin);
  }
  return at;
}

/** From one packet identifier to the next, -32,768..32,767. */
const stepOf = (from: number, to: number): number => ((to - from) << 16) >> 16;

function writeBytes(bytes: Uint8Array, at: number, value: number, count: number): number {
  for (let i = 0; i < count; i++) bytes[at + i] = value >>> (8 * i);
  return at + count;
}

function decode(bytes: Uint8Array): BigUint64Array {
  const reader = new VarintReader(bytes);
  if (bytes[0] !== FORMAT) throw bad(`their format is ${bytes[0] ?? 'missing'}; this version reads ${FORMAT}`);
  reader.at = 1;
  const sizes = readSizes(reader, bytes.length);
  const clients = sizes.map(() => readBytes(reader, CLIENT_BYTES));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (total * CONTENT_BYTES > bytes.length - reader.at)
    throw bad(`${total} receipts do not fit into ${bytes.length} bytes`);
  const words = new Uint32Array(2 * total);
  let next = 0;
  for (const [i, size] of sizes.entries()) {
    for (const id of readIds(reader, size)) {
      words[next++] = id << 16;
      words[next++] = clients[i];
    }
  }
  for (let i = 0; i < words.length; i += 2) words[i] |= readBytes(reader, CONTENT_BYTES);
  if (reader.at !== bytes.length) throw bad(`${bytes.length - reader.at} bytes follow their end`);
  return new BigUint64Array(words.buffer);
}

/** The number of receipts of each client. */
function readSizes(reader: VarintReader, room: number): number[] {
  const sizes: number[] = [];
  for (let size = reader.next(); size !== 0; size = reader.next()) {
    const count = reader.next();
    if ((sizes.length + count) * CLIENT_BYTES > room || size * CONTENT_BYTES > room)
      throw bad(`${count} clients with ${size} receipts each do not fit into ${room} bytes`);
    for (let i = 0; i < count; i++) sizes.push(size);
  }
  return sizes;
}

function* readIds(reader: VarintReader, size: number): Generator<number> {
  let id = readBytes(reader, ID_BYTES);
  yield id;
  for (let left = size - 1; left > 0;) {
    const step = unzigzag(reader.next());
    const run = reader.next();
    if (run === 0 || run > left) throw bad(`a run of ${run} packet identifiers, ${left} are left`);
    for (let i = 0; i < run; i++) yield (id = (id + step) & 0xffff);
    left -= run;
  }
}

function readBytes(reader: VarintReader, count: number): number {
  let value = 0;
  for (const [i, byte] of reader.take(count).entries()) value |= byte << (8 * i);
  return value >>> 0;
}

function bad(reason: string): TideError {
  return new TideError('bad-receipts', `receipts cannot be read: ${reason}`);
}
