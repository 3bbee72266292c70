import { grouped } from '../replay/progress.ts';
import type { DrillResult } from './drill-result.ts';
import { linkText } from './link-shape.ts';

const NAMES: Record<number, string> = { 86_400: '1 d', 3_600: '1 h', 900: '15 min', 60: '1 min' };

/** The catch-up as lines of text, two columns. */
export function drillTable(result: DrillResult): string[] {
  const { backlog, wire, live, alerts, frames, share, overtaking } = result;
  const rows: [string, string][] = [
    ['outage', `${result.days} days, ${grouped(result.series)} series`],
    ['link, each way', linkText(result.link)],
    ['waited when it was back', `${grouped(backlog.blocks)} blocks, ${megabytes(backlog.bytes)}`],
    ['connected again after', seconds(result.connected)],
    ...result.complete.map(({ resolution, parts, seconds: at }): [string, string] => [
      `whole at ${NAMES[resolution] ?? `${resolution} s`} after`,
      at === null ? 'not within the drill' : `${seconds(at)}  (${grouped(parts)} windows)`,
    ]),
    ['up to date after', result.upToDate === null ? 'not within the drill' : seconds(result.upToDate)],
    ['of the link used', percent(share.whole)],
    [
      `  while filling at 1 min (${seconds(result.fineSeconds)})`,
      share.fine === null ? 'nothing to fill' : percent(share.fine),
    ],
    ['live windows late by', live === null ? '-' : `${live.p50.toFixed(1)} s (p50), ${live.max.toFixed(1)} s (max)`],
    [
      'alerts at the cloud after',
      alerts === null
        ? '-'
        : `${[alerts.p50, alerts.p99, alerts.max].map((ms) => `${Math.round(ms)} ms`).join(', ')} (p50, p99, max of ${grouped(alerts.raised)})`,
    ],
    ...(overtaking === undefined
      ? []
      : [
          [
            '  frames of backlog before each',
            `${overtaking.before.p50} (p50), ${overtaking.before.max} (max); ${grouped(overtaking.after)} went after the last alert`,
          ] satisfies [string, string],
        ]),
    ['on the wire', `${megabytes(wire.up)} up, ${megabytes(wire.down)} down`],
    ['  bytes a window', wire.bytesAWindow === null ? '-' : wire.bytesAWindow.toFixed(1)],
    ['frames sent, of these again', `${grouped(frames.sent)}, ${grouped(frames.again)}`],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`);
}

function seconds(value: number): string {
  return value < 120 ? `${value.toFixed(1)} s` : `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
const percent = (share: number): string => `${Math.round(share * 100)} %`;
