import type { Account, SeriesAccount } from '@tidegate/nodes/sync';
import { DROPS } from '@tidegate/nodes/vault';

/** Why sealed readings were dropped, in few words. */
const REASONS = {
  quota: 'for want of room',
  retention: 'by age',
  shredded: 'with their key',
  revoked: 'with their grant',
  damaged: 'damaged here',
  poison: 'unreadable at the cloud',
  conflict: 'other bytes at the cloud',
} as const satisfies Record<(typeof DROPS)[number], string>;

/** The figures of a row, in the order of the equation: the first is the sum of the others and of what was dropped. */
const FIGURES = [
  ['produced', ({ produced }) => produced],
  ['retained', ({ stale }) => stale],
  ['not seen', ({ unseen }) => unseen],
  ['open', ({ open }) => open],
  ['withheld', ({ withheld }) => withheld],
  ['delivered', ({ delivered }) => delivered],
  ['waiting', ({ waiting }) => waiting],
] as const satisfies readonly (readonly [string, (row: SeriesAccount) => number])[];

/** Shown even where they are zero everywhere. */
const ALWAYS = new Set(['produced', 'delivered']);

const grouped = (count: number): string => count.toLocaleString('en-US');
const counted = (count: number, one: string, many = `${one}s`): string =>
  `${grouped(count)} ${count === 1 ? one : many}`;

/** The account as a table for people; `shown` are the series to show, the verdict is about all of them. */
export function accountText(account: Account, shown: readonly SeriesAccount[]): string {
  return [...table(shown), '', ...verdictLines(account)].join('\n');
}

/** Whether both ends can stand by it: it adds up, and the cloud found no difference. */
export const isSound = ({ adds, check }: Account): boolean => adds && check?.equal !== false;

function table(rows: readonly SeriesAccount[]): string[] {
  if (rows.length === 0) return ['no series'];
  const figures = FIGURES.filter(([name, read]) => ALWAYS.has(name) || rows.some((row) => read(row) !== 0));
  const lines = [
    ['series', ...figures.map(([name]) => name), 'dropped'],
    ...rows.map((row) => [row.series, ...figures.map(([, read]) => grouped(read(row))), remarks(row)]),
  ];
  const widths = lines[0].map((_, i) => Math.max(...lines.map((line) => line[i].length)));
  const last = widths.length - 1;
  return lines.map((line) =>
    line
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : i === last ? cell : cell.padStart(widths[i])))
      .join('  ')
      .trimEnd(),
  );
}

function remarks({ dropped, cloud, adds }: SeriesAccount): string {
  const parts = DROPS.flatMap((cause) => {
    const readings = dropped[cause] ?? 0;
    return readings > 0 ? [`${grouped(readings)} ${REASONS[cause]}`] : [];
  });
  if (cloud !== undefined) parts.push(`the cloud holds ${grouped(cloud)}`);
  if (!adds) parts.push('DOES NOT ADD UP');
  return parts.length === 0 ? '0' : parts.join(', ');
}

function verdictLines(account: Account): string[] {
  const { accepted, lost, declared, untold, earlier, series, adds, check } = account;
  const lines: string[] = [];
  for (const { incarnation, sealed, delivered, waiting, dropped } of earlier)
    lines.push(
      `before the vault was copied, restored or mended (${incarnation.slice(0, 8)}): ${grouped(sealed)} in windows of all ` +
        `lengths, ${grouped(delivered)} delivered, ${grouped(waiting)} waiting, ${grouped(dropped)} dropped`,
    );
  const wrong = series.filter((row) => !row.adds).length;
  if (accepted !== undefined) lines.push(`accepted at the door: ${counted(accepted, 'reading')}`);
  if (untold > 0) lines.push(`not seen by summaries yet, and too many to tell apart: ${counted(untold, 'reading')}`);
  if (lost !== 0)
    lines.push(
      lost < 0
        ? `${counted(-lost, 'reading is', 'readings are')} in the table that the door never accepted`
        : `in no summary: ${counted(lost, 'reading')}, ${declared >= lost ? 'declared as lost' : `${grouped(declared)} of them declared as lost`}`,
    );
  lines.push(
    adds ? 'it adds up' : `IT DOES NOT ADD UP${wrong > 0 ? ` for ${counted(wrong, 'series', 'series')}` : ''}`,
  );
  lines.push(cloudLine(check));
  return lines;
}

function cloudLine(check: Account['check']): string {
  if (check === undefined) return 'the cloud has not compared it yet';
  const at = new Date(check.time).toISOString();
  return check.equal
    ? `the cloud holds the same, checked ${at}`
    : `THE CLOUD HOLDS SOMETHING ELSE of ${counted(check.differing, 'series', 'series')}, checked ${at}`;
}
