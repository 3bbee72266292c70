import type { VNode } from 'preact';

import type { SeriesView, SummaryView } from '../api/contract.ts';
import { middleBand, overall, stateTimes, type Overall } from './chart-data.ts';
import * as format from './format.ts';
import { html } from './html.ts';
import { Figure } from './parts.ts';
import type { Interval } from './ranges.ts';
import { lengthOf } from './window-table.ts';

const bare = (value: number | null): string => format.value(value, null);

/** The window under the pointer, else the newest: the figures that the picture only hints at. */
export function Readout(props: { window: SummaryView | undefined; newest: boolean; series: SeriesView }): VNode {
  const { window, series } = props;
  if (window === undefined) return html`<p class="readout"></p>`;
  // Spaces stand in the expressions: the template trims those beside the end of a line.
  return html`<p class="readout">
    <span>
      ${props.newest ? 'Newest window ' : 'Window '}
      <strong>${format.preciseTime(window.windowStart)}</strong>${`, ${lengthOf(window)}`}
    </span>
    ${series.kind === 'boolean' ? html`<span>on in <strong>${format.share(window.mean)}</strong></span>` : html`<${Levels} window=${window} unit=${window.unit ?? (window.mixed ? null : series.unit)} />`}
    <span><strong>${format.count(window.count)}</strong> readings</span>
  </p>`;
}

function Levels({ window, unit }: { window: SummaryView; unit: string | null }): VNode {
  const middle = middleBand(window);
  if (window.mixed) return html`<span>the unit changed in it: no figures</span>`;
  return html`<span class="levels">
    <span>mean <strong>${format.value(window.mean, unit)}</strong></span>
    ${middle && html`<span>p10–p90 <strong>${format.quantile(middle.p10)} – ${format.quantile(middle.p90)}</strong></span>`}
    <span>min–max <strong>${bare(window.min)} – ${bare(window.max)}</strong></span>
  </span>`;
}

export function Legend({ gaps, alerts, kind }: { gaps: boolean; alerts: boolean; kind: string }): VNode {
  return html`<ul class="legend" aria-label="Legend">
    <li class="mean">${kind === 'boolean' ? 'share of readings that were on' : 'mean'}</li>
    ${kind === 'number' && html`<li class="narrow">p10 to p90</li>`}
    ${kind === 'number' && html`<li class="wide">min to max</li>`} ${gaps && html`<li class="gap">no data</li>`}
    ${alerts && html`<li class="mark">alert</li>`}
  </ul>`;
}

/** Of which length the windows are, and that coarser ones stand in where finer ones are still on their way. */
function windowsNote(windows: readonly SummaryView[], resolution: number): string {
  const note = `in windows of ${format.duration(resolution * 1000)}`;
  const coarse = windows.filter((window) => window.resolution > resolution).length;
  return coarse === 0 ? note : `${note}; ${format.plural(coarse, 'longer one', 'longer ones')} until these are here`;
}

/** Share of the time for which a switch was on; null when nothing is known of it. */
function shareOn({ states }: Overall): number | null {
  const total = (states ?? []).reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  if (total === 0) return null;
  return ((states ?? []).find(({ state }) => state === true)?.milliseconds ?? 0) / total;
}

/** How the time was shared between the states of a switch or a machine, longest first. */
export function StateShares(props: { windows: readonly SummaryView[] }): VNode | null {
  const states = stateTimes(props.windows);
  if (states === null)
    return html`<p class="empty">More than 16 different states in one window: their times are not kept.</p>`;
  const total = states.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  if (total === 0) return null;
  return html`<table class="states" aria-label="Time in each state">
    <thead>
      <tr>
        <th scope="col" class="words">State</th>
        <th scope="col">Share of the time</th>
        <th scope="col">Time</th>
      </tr>
    </thead>
    <tbody>
      ${states.map(
        ({ state, milliseconds }) =>
          html`<tr key=${String(state)}>
            <th scope="row" class="words">${format.value(state, null)}</th>
            <td>${format.share(milliseconds / total)}</td>
            <td>${format.duration(milliseconds)}</td>
          </tr>`,
      )}
    </tbody>
  </table>`;
}

export function Facts(props: {
  windows: readonly SummaryView[];
  gaps: readonly Interval[];
  unit: string | null;
  kind: string;
  resolution: number;
}): VNode {
  const all = overall(props.windows);
  const missing = props.gaps.reduce((sum, { from, to }) => sum + to - from, 0);
  const show = (value: number | null): string => format.value(value, props.unit);
  return html`<dl class="figures small">
    <${Figure} label="Readings" value=${format.count(all.count)} note=${windowsNote(props.windows, props.resolution)} />
    ${props.kind === 'boolean' && html`<${Figure} label="On" value=${format.share(shareOn(all) ?? all.mean)} note=${shareOn(all) === null ? 'of the readings' : 'of the time'} />`}
    ${props.kind !== 'number' && html`<${Figure} label="Changes" value=${format.count(all.changes)} />`}
    ${props.kind === 'number' && html`<${Figure} label="Mean" value=${show(all.mean)} />`}
    ${props.kind === 'number' && html`<${Figure} label="Lowest" value=${show(all.min)} />`}
    ${props.kind === 'number' && html`<${Figure} label="Highest" value=${show(all.max)} />`}
    <${Figure}
      label="In an anomaly"
      value=${format.plural(all.anomalies, 'reading', 'readings')}
      tone=${all.anomalies > 0 ? 'bad' : undefined}
    />
    <${Figure}
      label="No data for"
      value=${missing === 0 ? '0 s' : format.duration(missing)}
      tone=${missing > 0 ? 'warn' : undefined}
    />
    ${all.uncertain + all.bad > 0 && html`<${Figure} label="Doubtful" value=${`${format.count(all.uncertain)} uncertain, ${format.count(all.bad)} bad`} tone="warn" />`}
  </dl>`;
}
