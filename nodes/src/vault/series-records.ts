import { z } from 'zod';
import type { Clock } from '../node/clock.ts';
import { TideError } from '../node/errors.ts';
import { earlierNames, MAX_CHAIN } from '../reading/series-chain.ts';
import type { Change, Vault } from './vault.ts';

/** Namespace of what people say of series, among the vault's documents; the key is the name. */
export const SERIES_RECORDS = 'series';

const MAX_NAME = 1_024;
const MAX_SENSOR = 128;

/** When something was said: epoch milliseconds, and the first position of the journal that came after it. */
const moment = z.strictObject({ time: z.number(), position: z.number().int().min(0) });
const recordSchema = z.strictObject({
  sensor: z.strictObject({ id: z.string().min(1).max(MAX_SENSOR), since: moment }).optional(),
  continues: z.string().min(1).max(MAX_NAME).optional(),
  retired: moment.optional(),
});

/** What people say of a series, beside what its readings say themselves. */
export interface SeriesRecord {
  /** What measures it, since it was last replaced. */
  sensor?: { id: string; since: z.infer<typeof moment> } | undefined;
  /** Name under which it was known before. */
  continues?: string | undefined;
  /** Nothing more is expected of it. */
  retired?: z.infer<typeof moment> | undefined;
}

export type SeriesRecords = ReadonlyMap<string, SeriesRecord>;

/** A series with what is said of it. */
export interface SeriesDescription extends SeriesRecord {
  series: string;
  kind?: 'number' | 'boolean' | 'string' | undefined;
  unit?: string | undefined;
}

/** A record with the positions of another journal: `here` has where a position of the old one lies. What cannot be read stays as it is. */
export function recordMoved(value: unknown, here: (position: number) => number): unknown {
  const { success, data } = recordSchema.safeParse(value);
  if (!success) return value;
  const { sensor, retired } = data;
  const moved = ({ time, position }: z.infer<typeof moment>): z.infer<typeof moment> => ({
    time,
    position: here(position),
  });
  return {
    ...data,
    ...(sensor && { sensor: { ...sensor, since: moved(sensor.since) } }),
    ...(retired && { retired: moved(retired) }),
  };
}

/** By name of series. A record that this version cannot read counts as none. */
export async function readSeriesRecords({ documents }: Pick<Vault, 'documents'>): Promise<SeriesRecords> {
  const records = new Map<string, SeriesRecord>();
  for (const { key, value } of await documents.list(SERIES_RECORDS)) {
    const { success, data } = recordSchema.safeParse(value);
    if (success) records.set(key, data);
  }
  return records;
}

/** The names under which a series was known before, newest first. */
export function namesBefore(records: SeriesRecords, series: string): string[] {
  return earlierNames(series, (name) => records.get(name)?.continues);
}

/**
 * What people say of the series of a vault. Nothing that was measured is changed by it: a renamed series keeps its readings under
 * the name, and under the grants, under which they came.
 */
export class SeriesRegistry {
  private readonly vault: Vault;
  private readonly clock: Clock;

  constructor(vault: Vault, clock: Clock) {
    this.vault = vault;
    this.clock = clock;
  }

  /** All series of the vault, and names that have a record alone, in order of name. */
  async list(): Promise<SeriesDescription[]> {
    const records = await readSeriesRecords(this.vault);
    const found = new Map<string, SeriesDescription>();
    for (const { name, kind, unit } of this.vault.series.entries())
      found.set(name, { series: name, kind, unit, ...records.get(name) });
    for (const [name, record] of records) if (!found.has(name)) found.set(name, { series: name, ...record });
    return [...found.values()].toSorted((a, b) => (a.series < b.series ? -1 : 1));
  }

  /** Another sensor measures a series from now on: what was learnt of the old one is forgotten. */
  async replace(series: string, sensor: string): Promise<void> {
    const id = sensor.trim().toWellFormed();
    if (id === '' || id.length > MAX_SENSOR)
      throw new TideError('bad-sensor', `a sensor is named by 1 to ${MAX_SENSOR} characters; this one by ${id.length}`);
    const record = await this.known(series);
    await this.write([series, { ...record, sensor: { id, since: this.now() } }]);
  }

  /** Nothing more is expected of a series: its alerts close, and silence is no alarm. A later reading makes it live again. */
  async retire(series: string): Promise<void> {
    await this.write([series, { ...(await this.known(series)), retired: this.now() }]);
  }

  async revive(series: string): Promise<void> {
    await this.write([series, { ...(await this.known(series)), retired: undefined }]);
  }

  /** What was `from` is called `to` from now on, which may not have come yet. `from` is retired, `to` goes on from it. */
  async rename(from: string, to: string): Promise<void> {
    const before = await this.known(from);
    const records = await readSeriesRecords(this.vault);
    const name = to.toWellFormed();
    if (name === '' || name.length > MAX_NAME)
      throw new TideError('bad-series', `a series name has 1 to ${MAX_NAME} characters; this one has ${name.length}`);
    if (name === from || namesBefore(records, from).includes(name))
      throw new TideError('bad-rename', `"${from}" would go on from itself`);
    if (namesBefore(records, from).length >= MAX_CHAIN - 1)
      throw new TideError('bad-rename', `"${from}" was renamed ${MAX_CHAIN} times already`);
    for (const [other, { continues }] of records)
      if (continues === from && other !== name)
        throw new TideError('bad-rename', `"${from}" is called "${other}" already`);
    const record = records.get(name) ?? {};
    if (record.continues !== undefined && record.continues !== from)
      throw new TideError('bad-rename', `"${name}" goes on from "${record.continues}" already`);
    const [old, now] = [from, name].map((one) => this.entry(one)?.kind);
    if (now !== undefined && now !== old)
      throw new TideError('bad-rename', `"${from}" is a ${old} and "${name}" a ${now}: they cannot be one series`);
    await this.write(
      [from, { ...before, retired: before.retired ?? this.now() }],
      [name, { ...record, continues: from, retired: undefined }],
    );
  }

  /** Takes a renaming back: the two are series of their own again. */
  async separate(series: string): Promise<void> {
    const records = await readSeriesRecords(this.vault);
    const record = records.get(series);
    if (record?.continues === undefined) throw new TideError('bad-rename', `"${series}" goes on from no other series`);
    const { continues } = record;
    await this.write(
      [series, { ...record, continues: undefined }],
      [continues, { ...records.get(continues), retired: undefined }],
    );
  }

  private async known(series: string): Promise<SeriesRecord> {
    const record = (await readSeriesRecords(this.vault)).get(series);
    if (record === undefined && this.entry(series) === undefined)
      throw new TideError('unknown-series', `the vault has no series "${series}"`);
    return record ?? {};
  }

  private entry(series: string): { kind: 'number' | 'boolean' | 'string' } | undefined {
    for (const entry of this.vault.series.entries()) if (entry.name === series) return entry;
    return undefined;
  }

  private now(): { time: number; position: number } {
    return { time: this.clock.now(), position: this.vault.journal.head };
  }

  private async write(...records: [series: string, record: SeriesRecord][]): Promise<void> {
    const changes = records.map(([key, { sensor, continues, retired }]): Change => {
      const said = {
        ...(sensor && { sensor }),
        ...(continues !== undefined && { continues }),
        ...(retired && { retired }),
      };
      return {
        kind: 'document',
        namespace: SERIES_RECORDS,
        key,
        value: Object.keys(said).length === 0 ? undefined : said,
      };
    });
    await this.vault.commit(changes);
  }
}
