import { Fragment, type VNode } from 'preact';
import { useMemo } from 'preact/hooks';

import type { SeriesView } from '../api/contract.ts';
import { AlertList } from './alert-list.ts';
import { fetchAlerts } from './api.ts';
import { CourseCard } from './course-card.ts';
import { CourseReader } from './course.ts';
import * as format from './format.ts';
import { html } from './html.ts';
import { useLoad } from './load.ts';
import { Ago, Problem, SeriesName, Title, Waiting } from './parts.ts';
import { hrefOf, type Range } from './route.ts';

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
    ${view && html`<${Story} gateway=${gateway} series=${view} />`}
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

/** What people say of the series: its sensor, its earlier names, its end. */
function Story({ gateway, series }: { gateway: string; series: SeriesView }): VNode | null {
  const { sensor, sensorSince, retired, earlier } = series;
  if (sensor === null && retired === null && earlier.length === 0) return null;
  const linkTo = (name: string): string => hrefOf({ view: 'series', gateway, series: name, range: { span: 'auto' } });
  return html`<p class="story">
    ${retired !== null && html`<span>Retired since ${format.exactTime(retired)}.</span>`}
    ${sensor !== null && html`<span>Measured by <strong>${sensor}</strong>${sensorSince !== null && ` since ${format.exactTime(sensorSince)}`}.</span>`}
    ${
      earlier.length > 0 &&
      html`<span>
        Known before as${' '}
        ${earlier.map((name, i) => html`<${Fragment} key=${name}>${i > 0 && ', '}<a href=${linkTo(name)}>${name}</a><//>`)}.
      </span>`
    }
  </p>`;
}

function LastValue({ series }: { series: SeriesView }): VNode {
  return html`<p class="last-value">
    <strong>${format.value(series.lastValue, series.unit, series.kind)}</strong>
    ${series.lastTime !== null && html`<${Ago} at=${series.lastTime} />`}
  </p>`;
}
