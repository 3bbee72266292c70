import type { Grants } from '../privacy/grants.ts';
import { readSeriesRecords, type SeriesRecords } from '../vault/series-records.ts';
import type { Change, Vault } from '../vault/vault.ts';
import { MAX_CATALOGUE_ENTRIES, encodeCatalogue } from './catalogue.ts';
import { CATALOGUE_STREAM, type CatalogueEntry } from './messages.ts';

/**
 * Namespace of what the cloud has been told of each series; the key is its number. The value says under which incarnation:
 * the cloud keeps the names of each one apart.
 */
const ANNOUNCED = 'announced';
/** Lines of one block of the catalogue; about 16 kB of names. */
const LINES_PER_BLOCK = Math.min(250, MAX_CATALOGUE_ENTRIES);

/** An announcement under way: the changes to commit, and what to do when that failed. */
export interface Announcement {
  readonly changes: readonly Change[];
  failed(): void;
}

/** Which series the cloud knows by name, so that each name is sent once, before the first block that uses its number. */
export class Announcements {
  private readonly vault: Vault;
  private readonly told: Map<number, string>;
  private records: SeriesRecords;

  private constructor(vault: Vault, told: Map<number, string>, records: SeriesRecords) {
    this.vault = vault;
    this.told = told;
    this.records = records;
  }

  static async open(vault: Vault): Promise<Announcements> {
    const documents = await vault.documents.list(ANNOUNCED);
    const told = new Map(documents.map(({ key, value }) => [Number(key), String(value)]));
    return new Announcements(vault, told, await readSeriesRecords(vault));
  }

  /** Reads anew what people say of series. */
  async readRecords(): Promise<void> {
    this.records = await readSeriesRecords(this.vault);
  }

  /** Announces those of the series that are new, or of which something else is to be said than was. */
  announce(numbers: Iterable<number>, grants: Grants): Announcement {
    const lines: CatalogueEntry[] = [];
    const before = new Map<number, string | undefined>();
    for (const number of new Set(numbers)) {
      const entry = this.vault.series.entry(number);
      if (entry === undefined) continue;
      const said = this.saidOf(entry.name, grants);
      const more = Object.keys(said).length === 0 ? '' : ` ${JSON.stringify(said)}`;
      const digest = `${this.vault.incarnation.slice(0, 16)} ${entry.kind} ${entry.unit ?? ''}${more}`;
      if (this.told.get(number) === digest) continue;
      before.set(number, this.told.get(number));
      this.told.set(number, digest);
      const unit = entry.unit === undefined ? {} : { unit: entry.unit.slice(0, 64) };
      lines.push({ number, name: entry.name, kind: entry.kind, ...unit, ...said });
    }
    const changes: Change[] = [];
    for (let at = 0; at < lines.length; at += LINES_PER_BLOCK)
      changes.push({
        kind: 'block',
        stream: CATALOGUE_STREAM,
        body: encodeCatalogue(lines.slice(at, at + LINES_PER_BLOCK)),
      });
    for (const { number } of lines) changes.push(this.document(number, this.told.get(number)));
    return {
      changes,
      failed: () => {
        for (const [number, digest] of before) this.restore(number, digest);
      },
    };
  }

  /** Announces every series that may be sent, as if none had been. */
  announceAgain(grants: Grants): Announcement {
    const numbers = this.toldAndGranted(grants);
    for (const number of numbers) this.told.delete(number);
    return this.announce(numbers, grants);
  }

  /** Announces those that were announced and of which something else is to be said now. */
  announceChanged(grants: Grants): Announcement {
    return this.announce(this.toldAndGranted(grants), grants);
  }

  /** Forgets the series that may not be sent any more: should they be granted again, they are announced again. */
  forgetRefused(grants: Grants): Announcement {
    const before = new Map<number, string | undefined>();
    for (const [number, digest] of this.told) {
      const name = this.vault.series.name(number);
      if (name === undefined || !grants.allowsAny(name)) before.set(number, digest);
    }
    for (const number of before.keys()) this.told.delete(number);
    return {
      changes: [...before.keys()].map((number) => this.document(number, undefined)),
      failed: () => {
        for (const [number, digest] of before) this.restore(number, digest);
      },
    };
  }

  private toldAndGranted(grants: Grants): number[] {
    return [...this.told.keys()].filter((number) => {
      const name = this.vault.series.name(number);
      return name !== undefined && grants.allowsAny(name);
    });
  }

  /** A series that may not leave is not pointed to either. */
  private saidOf(name: string, grants: Grants): Pick<CatalogueEntry, 'sensor' | 'since' | 'retired' | 'continues'> {
    const { sensor, retired, continues } = this.records.get(name) ?? {};
    const before = continues !== undefined && grants.allowsAny(continues) ? this.numberOf(continues) : undefined;
    return {
      ...(sensor && { sensor: sensor.id, since: sensor.since.time }),
      ...(retired && { retired: retired.time }),
      ...(before !== undefined && { continues: before }),
    };
  }

  private numberOf(name: string): number | undefined {
    for (const entry of this.vault.series.entries()) if (entry.name === name) return entry.number;
    return undefined;
  }

  private document(number: number, value: string | undefined): Change {
    return { kind: 'document', namespace: ANNOUNCED, key: String(number), value };
  }

  private restore(number: number, digest: string | undefined): void {
    if (digest === undefined) this.told.delete(number);
    else this.told.set(number, digest);
  }
}
