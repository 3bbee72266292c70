import { setImmediate as turn } from 'node:timers/promises';
import { GAPS, gapSchema } from '../gaps.ts';
import type { Vault } from '../vault.ts';
import { type Missing, MissingReadings } from './missing.ts';
import type { QueryRequest } from './request.ts';
import { coveredSeries } from './rows.ts';

/** Gaps that are looked at before the event loop gets its turn. */
const GAPS_AT_ONCE = 200;

/** What the vault has declared as lost of the time and the series that were asked for. */
export async function missingIn(vault: Vault, { series, from, to, resolution }: QueryRequest): Promise<Missing[]> {
  const gaps = await vault.documents.list(GAPS);
  if (gaps.length === 0) return [];
  const names = await coveredSeries(vault.series, series);
  // Summaries are of whole windows.
  const window = resolution === undefined ? 1 : resolution * 1000;
  const missing = new MissingReadings({
    from: Math.floor(from / window) * window,
    to: Math.ceil(to / window) * window,
    series: new Set(names.map((name) => vault.series.number(name))),
    all: names.length === [...vault.series.entries()].length,
  });
  for (const [i, { value }] of gaps.entries()) {
    const { success, data } = gapSchema.safeParse(value);
    if (success) missing.add(data);
    if (i % GAPS_AT_ONCE === GAPS_AT_ONCE - 1) await turn();
  }
  return missing.list();
}
