import type { VNode } from 'preact';
import { useMemo, useState } from 'preact/hooks';

import type { AlertView, SeriesView, SummaryView } from '../api/contract.ts';
import { chartData, endOf, foreignNote, gapsOf, inUnit, overall, unitOf } from './chart-data.ts';
import { Chart } from './chart.ts';
import { Facts, Legend, Readout, StateShares } from './course-figures.ts';
import type { Course } from './course.ts';
import * as format from './format.ts';
import { html } from './html.ts';
import { useNow } from './load.ts';
import { RangeBar } from './range-bar.ts';
import { intervalOf, type Interval } from './ranges.ts';
import { hrefOf, type Range } from './route.ts';
import { WindowTable } from './window-table.ts';

/** The course of a series over a range: chart, figures, and the same as a table. */
export function CourseCard(props: {
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
  const unit = unitOf(course.windows, series);
  const data = useMemo(() => chartData(inUnit(course.windows, unit)), [course, unit]);
  const gaps = gapsOf(course.windows, course.resolution, interval, series);
  const shown = course.windows.filter((window) => endOf(window) > interval.from && window.windowStart < interval.to);
  const go = (to: Range): void => {
    location.hash = hrefOf({ view: 'series', gateway, series: series.series, range: to });
  };
  const within = alerts.filter((alert) => alert.time < interval.to && (alert.closed ?? now) > interval.from);
  const drawn = inUnit(shown, unit);
  const note = foreignNote(shown, unit);
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
            <${Readout} window=${hovered ?? shown.at(-1)} newest=${hovered === undefined} series=${series} />
            <div class="chart-frame">
              <${Chart}
                data=${data}
                interval=${interval}
                gaps=${gaps}
                alerts=${within}
                kind=${series.kind}
                label=${labelOf(series.series, unit, interval, drawn)}
                zoom=${go}
                reset=${() => go({ span: 'auto' })}
                hover=${setRow}
              />
              <span class="chart-unit" aria-hidden="true">${unit}</span>
              ${shown.length === 0 && html`<p class="chart-empty">Nothing was measured in this time.</p>`}
            </div>
            <${Legend} gaps=${gaps.length > 0} alerts=${within.length > 0} kind=${series.kind} />
            ${note !== null && html`<p class="set-aside">${note}</p>`}
          </div>`
    }
    <${Facts} windows=${drawn} gaps=${gaps} unit=${unit} kind=${series.kind} resolution=${course.resolution} />
    ${series.kind !== 'number' && html`<${StateShares} windows=${shown} />`}
    <${WindowTable} windows=${shown} kind=${series.kind} unit=${unit} />
  </section>`;
}

function windowAt(course: Course, x: number | undefined): SummaryView | undefined {
  if (x === undefined) return undefined;
  return course.windows.find((window) => x * 1000 > window.windowStart && x * 1000 < endOf(window));
}

function labelOf(series: string, unit: string | null, interval: Interval, windows: readonly SummaryView[]): string {
  const { mean, min, max } = overall(windows);
  const stretch = `from ${format.exactTime(interval.from)} to ${format.exactTime(interval.to)}`;
  if (mean === null || min === null || max === null) return `Chart of ${series} ${stretch}: no data.`;
  const show = (value: number): string => format.value(value, unit);
  return `Chart of ${series} ${stretch}: mean ${show(mean)}, between ${show(min)} and ${show(max)}.`;
}
