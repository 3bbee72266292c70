import type { VNode } from 'preact';
import { useMemo, useState } from 'preact/hooks';

import type { AlertView, SeriesView, SummaryView } from '../api/contract.ts';
import { AlertList } from './alert-list.ts';
import { fetchAlerts } from './api.ts';
import { chartData, gapsOf, overall } from './chart-data.ts';
import { Chart } from './chart.ts';
import { CourseReader, type Course } from './course.ts';
import * as format from './format.ts';
import { html } from './html.ts';
import { useLoad, useNow } from './load.ts';
import { Ago, Figure, Problem, SeriesName, Title, Waiting } from './parts.ts';
import { RangeBar } from './range-bar.ts';
import { intervalOf, type Interval } from './ranges.ts';
import { hrefOf, type Range } from './route.ts';
import { WindowTable } from './window-table.ts';

const SHOWN_ALERTS = 200;

/** One series: its course with bands, gaps and alerts, over a range that moves with the clock or stands still. */
export function OneSeriesView({ gateway, series, range }: { gateway: string; series: string; range: Range }): VNode {
  const reader = useMemo(() => new CourseReader(gateway, series), []);
  const rangeKey = JSON.stringify(range);
  const own = useMemo(() => range, [rangeKey]);
  const course = useLoad(
    (signal) => reader.read(own, signal),
    [rangeKey],
    (change) => (change.kind === 'parts' || change.kind === 'series') && change.gateway === gateway,
    10_000,
  );
  const alerts = useLoad(
    (signal) => fetchAlerts({ gateway, limit: SHOWN_ALERTS }, signal),
    [gateway],
    (change) => change.kind === 'alerts' && change.gateway === gateway,
  );
  const ownAlerts = (alerts.data?.alerts ?? []).filter((alert) => alert.series === series);
  const view = course.data?.series;
  return html`<main>
    <nav class="crumbs" aria-label="Where you are">
      <a href=${hrefOf({ view: 'fleet' })}>Fleet</a>
      <a href=${hrefOf({ view: 'gateway', gateway })}>${gateway}</a>
    </nav>
    <div class="view-head">
      <${Title}><${SeriesName} series=${series} /><//>
      ${view && html`<${LastValue} series=${view} />`}
    </div>
    ${course.error && html`<${Problem} doing="Loading the series" reason=${course.error} retry=${course.reload} />`}
    ${alerts.error && html`<${Problem} doing="Loading its alerts" reason=${alerts.error} retry=${alerts.reload} />`}
    ${!course.data && !course.error && html`<${Waiting} what="Loading the series" />`}
    ${course.data && !view && html`<p class="empty">This gateway has sent no series of this name.</p>`}
    ${view && html`<${CourseCard} gateway=${gateway} series=${view} range=${own} course=${course.data} alerts=${ownAlerts} />`}
    ${
      view &&
      html`<section aria-labelledby="alerts">
        <h2 id="alerts">Alerts of this series</h2>
        ${ownAlerts.length === 0 && html`<p class="empty">None so far.</p>`}
        <${AlertList} alerts=${ownAlerts} gatewayShown=${false} />
      </section>`
    }
  </main>`;
}

function LastValue({ series }: { series: SeriesView }): VNode {
  return html`<p class="last-value">
    <strong>${format.value(series.lastValue, series.unit, series.kind)}</strong>
    ${series.lastTime !== null && html`<${Ago} at=${series.lastTime} />`}
  </p>`;
}

function CourseCard(props: {
  gateway: string;
  series: SeriesView;
  range: Range;
  course: Course;
  alerts: readonly AlertView[];
}): VNode {
  const { gateway, series, range, course, alerts } = props;
  const now = useNow(5_000);
  const [row, setRow] = useState<number | null>(null);
  const interval = intervalOf(range, series, Math.max(now, course.windows.at(-1)?.windowStart ?? 0));
  const data = useMemo(() => chartData(course.windows, course.resolution), [course]);
  const gaps = gapsOf(course.windows, course.resolution, interval, series);
  const shown = course.windows.filter(
    ({ windowStart }) => windowStart + course.resolution * 1000 > interval.from && windowStart < interval.to,
  );
  const go = (to: Range): void => {
    location.hash = hrefOf({ view: 'series', gateway, series: series.series, range: to });
  };
  const within = alerts.filter((alert) => alert.time < interval.to && (alert.closed ?? now) > interval.from);
  const hovered = row === null ? undefined : windowAt(course, data.x[row]);
  return html`<section class="card course" aria-label="Course">
    <${RangeBar}
      gateway=${gateway}
      series=${series.series}
      range=${range}
      interval=${interval}
      extent=${series}
      go=${go}
    />
    ${
      series.kind === 'string'
        ? html`<p class="empty">The values are words: there is no curve. The table below has them.</p>`
        : html`<div>
            <${Readout}
              window=${hovered ?? shown.at(-1)}
              newest=${hovered === undefined}
              series=${series}
              resolution=${course.resolution}
            />
            <div class="chart-frame">
              <${Chart}
                data=${data}
                interval=${interval}
                gaps=${gaps}
                alerts=${within}
                unit=${series.unit}
                kind=${series.kind}
                label=${labelOf(series, interval, shown)}
                zoom=${go}
                reset=${() => go({ span: 'auto' })}
                hover=${setRow}
              />
              ${shown.length === 0 && html`<p class="chart-empty">Nothing was measured in this time.</p>`}
            </div>
            <${Legend} gaps=${gaps.length > 0} alerts=${within.length > 0} />
          </div>`
    }
    <${Facts} windows=${shown} gaps=${gaps} unit=${series.unit} kind=${series.kind} resolution=${course.resolution} />
    <${WindowTable} windows=${shown} series=${series} resolution=${course.resolution} />
  </section>`;
}

const bare = (value: number | null): string => format.value(value, null);

/** The window under the pointer, else the newest: the figures that the picture only hints at. */
function Readout(props: {
  window: SummaryView | undefined;
  newest: boolean;
  series: SeriesView;
  resolution: number;
}): VNode {
  const { window, series } = props;
  if (window === undefined) return html`<p class="readout"></p>`;
  return html`<p class="readout">
    <span>${props.newest ? 'Newest window' : 'Window'} <strong>${format.exactTime(window.windowStart)}</strong></span>
    <span>mean <strong>${bare(window.mean)}${series.unit !== null && ` ${series.unit}`}</strong></span>
    <span>p10–p90 <strong>${bare(window.p10)} – ${bare(window.p90)}</strong></span>
    <span>min–max <strong>${bare(window.min)} – ${bare(window.max)}</strong></span>
    <span><strong>${format.count(window.count)}</strong> readings</span>
  </p>`;
}

function Legend({ gaps, alerts }: { gaps: boolean; alerts: boolean }): VNode {
  return html`<ul class="legend" aria-label="Legend">
    <li class="mean">mean</li>
    <li class="narrow">p10 to p90</li>
    <li class="wide">min to max</li>
    ${gaps && html`<li class="gap">no data</li>`} ${alerts && html`<li class="mark">alert</li>`}
  </ul>`;
}

function Facts(props: {
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
    <${Figure}
      label="Readings"
      value=${format.count(all.count)}
      note=${`in windows of ${format.duration(props.resolution * 1000)}`}
    />
    ${props.kind !== 'string' && html`<${Figure} label="Mean" value=${show(all.mean)} />`}
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

function windowAt(course: Course, x: number | undefined): SummaryView | undefined {
  if (x === undefined) return undefined;
  const start = (x - course.resolution / 2) * 1000;
  return course.windows.find(({ windowStart }) => windowStart === start);
}

function labelOf(series: SeriesView, interval: Interval, windows: readonly SummaryView[]): string {
  const { mean, min, max } = overall(windows);
  const stretch = `from ${format.exactTime(interval.from)} to ${format.exactTime(interval.to)}`;
  if (mean === null || min === null || max === null) return `Chart of ${series.series} ${stretch}: no data.`;
  const show = (value: number): string => format.value(value, series.unit);
  return `Chart of ${series.series} ${stretch}: mean ${show(mean)}, between ${show(min)} and ${show(max)}.`;
}
