import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';

import { TideError } from '@tidegate/nodes/node';

import type { ArchiveEntry } from './archive-reader.ts';
import { type LineFolder, LINES, linesOf } from './lines.ts';
import {
  type Entry,
  type Folder,
  FOLDERS,
  type Manifest,
  MAX_UNPACKED,
  readManifest,
  SIGNATURE_BYTES,
  signatureHolds,
} from './manifest.ts';
import { READING_HEAD, readingOf, RECENT_HEAD, recentOf, rowsOf } from './reading-row.ts';
import { type SeriesTotal, Totals } from './totals.ts';

export interface Verified {
  manifest: Manifest;
  /** SHA-256 of the manifest: names this very backup. */
  archive: string;
  config: string | undefined;
  flows: string | undefined;
  /** Readings of each series. */
  perSeries: ReadonlyMap<string, number>;
}

const unzip = promisify<Uint8Array, { maxOutputLength: number }, Buffer>(gunzip);

/** A part, unpacked. Throws a TideError `bad-archive` for what is no gzip or would unpack without bound. */
export async function unpacked({ name, body }: ArchiveEntry): Promise<Buffer> {
  try {
    return await unzip(body, { maxOutputLength: MAX_UNPACKED });
  } catch (error) {
    const large = error instanceof RangeError;
    throw new TideError(
      'bad-archive',
      `${name} ${large ? `unpacks to more than the ${MAX_UNPACKED} bytes allowed` : 'is no gzip or is damaged'}`,
      { cause: error },
    );
  }
}

/** Holds a backup against its own manifest: every part, count, sum and the signature. Nothing is written anywhere. */
export async function verify(
  entries: AsyncIterable<ArchiveEntry>,
  progress: (readings: number) => void = () => undefined,
): Promise<Verified> {
  const check = new Check(progress);
  for await (const entry of entries) await check.take(entry);
  return check.end();
}

type Counts = Omit<Manifest['counts'], 'lost'>;

class Check {
  private readonly progress: (readings: number) => void;
  private readonly found: Entry[] = [];
  private readonly perSeries = new Map<string, number>();
  private readonly counts: Counts = { readings: 0, recent: 0, series: 0, blocks: 0, alerts: 0 };
  private readonly totals = new Totals();
  private series: string | undefined;
  /** Totals of series that are through, until the part that states them comes. */
  private readonly owed: SeriesTotal[] = [];
  private positions: { first: number; last: number } | undefined;
  private manifestBody: Uint8Array | undefined;
  private signature: Uint8Array | undefined;
  private config: string | undefined;
  private flows: string | undefined;

  constructor(progress: (readings: number) => void) {
    this.progress = progress;
  }

  async take(entry: ArchiveEntry): Promise<void> {
    const { name, place, body } = entry;
    if (place.kind === 'manifest') this.manifestBody = body;
    else if (place.kind === 'signature') this.signature = body;
    else {
      const items = place.kind === 'part' ? await this.part(place.folder, entry) : 1;
      this.found.push({ name, bytes: body.length, sha256: sha256(body), items });
    }
    if (place.kind === 'config') this.config = Buffer.from(body).toString('utf8');
    if (place.kind === 'flows') this.flows = Buffer.from(body).toString('utf8');
  }

  end(): Verified {
    const { manifestBody, signature } = this;
    if (manifestBody === undefined || signature?.length !== SIGNATURE_BYTES)
      throw bad('it ends without its signed manifest');
    const manifest = readManifest(manifestBody);
    if (!signatureHolds(manifestBody, signature, manifest.signer.publicKey))
      throw new TideError('bad-signature', 'the signature of its manifest does not fit: it was altered');
    this.compareParts(manifest);
    for (const [what, count] of Object.entries(this.counts)) {
      const stated = manifest.counts[what as keyof Counts];
      if (count !== stated) throw bad(`${what}: ${count} found, ${stated} stated`);
    }
    if (this.totals.current !== undefined || this.owed.length > 0) throw bad('the totals of some series are missing');
    const { positions } = this;
    if (positions !== undefined && (positions.first < manifest.replayFrom || positions.last >= manifest.head))
      throw bad('a recent reading lies outside the positions that the manifest states');
    return {
      manifest,
      archive: sha256(manifestBody),
      config: this.config,
      flows: this.flows,
      perSeries: this.perSeries,
    };
  }

  private compareParts({ parts }: Manifest): void {
    for (const [i, found] of this.found.entries()) {
      const stated = parts[i];
      if (stated === undefined || stated.name !== found.name) throw bad(`${found.name} is not in its manifest`);
      for (const what of ['bytes', 'sha256', 'items'] as const)
        if (stated[what] !== found[what])
          throw bad(`${found.name}: ${what} ${found[what]} found, ${stated[what]} stated in the manifest`);
    }
    const missing = parts[this.found.length];
    if (missing !== undefined) throw bad(`${missing.name} is missing`);
  }

  /** Reads a part through; the number of its items. */
  private async part(folder: Folder, entry: ArchiveEntry): Promise<number> {
    if (FOLDERS[folder] === 'bin') return this.receipts(entry);
    const bytes = await unpacked(entry);
    if (folder === 'readings') return this.readings(bytes, entry.name);
    if (folder === 'recent') return this.recent(bytes, entry.name);
    const text = bytes.toString('utf8');
    if (folder === 'totals') return this.statedTotals(text, entry.name);
    let items = 0;
    if (isLines(folder)) for (const _ of linesOf(folder, text, entry.name)) items++;
    if (folder === 'series' || folder === 'blocks' || folder === 'alerts') this.counts[folder] += items;
    return items;
  }

  /** Digests of eight bytes each. */
  private receipts({ name, body }: ArchiveEntry): number {
    if (body.length % 8 !== 0) throw bad(`${name} has ${body.length} bytes, no multiple of 8`);
    return body.length / 8;
  }

  private readings(bytes: Uint8Array, name: string): number {
    let items = 0;
    for (const row of rowsOf(bytes, READING_HEAD, name)) {
      const reading = readingOf(row);
      if (reading.series !== this.series && this.series !== undefined && reading.series < this.series)
        throw bad(`${row.place}: series "${reading.series.slice(0, 60)}" is out of order`);
      this.series = reading.series;
      const finished = this.totals.add(reading);
      if (finished !== undefined) this.owed.push(finished);
      items++;
    }
    this.counts.readings += items;
    this.progress(this.counts.readings);
    return items;
  }

  private recent(bytes: Uint8Array, name: string): number {
    let items = 0;
    for (const row of rowsOf(bytes, RECENT_HEAD, name)) {
      const position = recentOf(row).reading.position!;
      if (this.positions !== undefined && position <= this.positions.last)
        throw bad(`${row.place}: position ${position} is out of order`);
      this.positions = { first: this.positions?.first ?? position, last: position };
      items++;
    }
    this.counts.recent += items;
    return items;
  }

  private statedTotals(text: string, name: string): number {
    let items = 0;
    for (const stated of linesOf('totals', text, name)) {
      // The last series is through when its total comes.
      const found = this.owed.shift() ?? this.totals.end();
      if (JSON.stringify(found) !== JSON.stringify(stated))
        throw bad(`${name}: the total of series "${stated.series.slice(0, 60)}" does not fit its readings`);
      this.perSeries.set(stated.series, stated.readings);
      items++;
    }
    return items;
  }
}

const isLines = (folder: Folder): folder is LineFolder => Object.hasOwn(LINES, folder);

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const bad = (what: string): TideError => new TideError('bad-archive', `does not fit its manifest: ${what}`);
