import { Fragment, type VNode } from 'preact';
import { useState } from 'preact/hooks';

import type { AlertView, GatewaysAnswer, GatewayView, SeriesView } from '../api/contract.ts';
import { Account } from './account-table.ts';
import { AlertList } from './alert-list.ts';
import { fetchAlerts, fetchSeries } from './api.ts';
import * as format from './format.ts';
import { WhatWasLost } from './gap-list.ts';
import { html, textOf } from './html.ts';
import { useLoad, type Loaded } from './load.ts';
import { Ago, Figure, Problem, SeriesName, Title, Waiting } from './parts.ts';
import { hrefOf } from './route.ts';
import { SetPoints } from './set-points.ts';
import { Sparkline } from './sparkline.ts';
import { Presence, Troubles } from './view-fleet.ts';

type Severity = AlertView['severity'];

const SHOWN_ALERTS = 30;

/** One gateway: its series, its alerts, its set-points, what it lost. */
export function OneGatewayView({ gateway, fleet }: { gateway: string; fleet: Loaded<GatewaysAnswer> }): VNode {
  const own = fleet.data?.gateways.find((one) => one.gateway === gateway);
  const unknown = fleet.data !== null && own === undefined;
  return html`<main>
    <nav class="crumbs" aria-label="Where you are"><a href=${hrefOf({ view: 'fleet' })}>Fleet</a></nav>
    <div class="view-head">
      <${Title}>${gateway}<//>
      ${own && html`<${Presence} gateway=${own} />`}
    </div>
    ${fleet.error && html`<${Problem} doing="Loading the gateway" reason=${fleet.error} retry=${fleet.reload} />`}
    ${unknown ? html`<p class="empty">No gateway of this name is enrolled.</p>` : html`<${Contents} gateway=${gateway} own=${own} />`}
  </main>`;
}

function Contents({ gateway, own }: { gateway: string; own: GatewayView | undefined }): VNode {
  const series = useLoad(
    (signal) => fetchSeries(gateway, signal),
    [gateway],
    (change) => (change.kind === 'series' || change.kind === 'parts') && isAbout(change, gateway),
  );
  const alerts = useLoad(
    (signal) => fetchAlerts({ gateway, limit: SHOWN_ALERTS }, signal),
    [gateway],
    (change) => change.kind === 'alerts' && isAbout(change, gateway),
  );
  const list = series.data?.series ?? [];
  const open = (alerts.data?.alerts ?? []).filter((one) => one.state === 'open');
  const over = (alerts.data?.alerts ?? []).filter((one) => one.state === 'closed');
  return html`<${Fragment}>
    ${own && html`<${Facts} gateway=${own} series=${list} />`} ${own && html`<${Troubles} gateway=${own} />`}
    ${alerts.error && html`<${Problem} doing="Loading the alerts" reason=${alerts.error} retry=${alerts.reload} />`}
    ${
      open.length > 0 &&
      html`<section aria-labelledby="open-alerts">
        <h2 id="open-alerts">Open alerts</h2>
        <${AlertList} alerts=${open} gatewayShown=${false} />
      </section>`
    }
    <section aria-labelledby="series">
      <h2 id="series">Series</h2>
      ${series.error && html`<${Problem} doing="Loading the series" reason=${series.error} retry=${series.reload} />`}
      ${!series.data && !series.error && html`<${Waiting} what="Loading the series" />`}
      ${series.data && list.length === 0 && html`<${NoSeries} />`}
      ${list.length > 0 && html`<${SeriesGrid} gateway=${gateway} series=${list} severities=${worstOf(open)} />`}
    </section>
    <div class="two">
      <section aria-labelledby="earlier-alerts">
        <h2 id="earlier-alerts">Earlier alerts</h2>
        ${alerts.data && over.length === 0 && html`<p class="empty">None so far.</p>`}
        <${AlertList} alerts=${over} gatewayShown=${false} />
      </section>
      <${SetPoints} gateway=${gateway} />
    </div>
    <${WhatWasLost} gateway=${gateway} />
    <${Account} gateway=${gateway} />
  <//>`;
}

const RANK: Record<Severity, number> = { info: 0, warning: 1, critical: 2 };

/** The gravest severity of each series. */
function worstOf(alerts: readonly AlertView[]): Map<string, Severity> {
  const worst = new Map<string, Severity>();
  for (const { series, severity } of alerts) {
    const known = worst.get(series);
    if (known === undefined || RANK[severity] > RANK[known]) worst.set(series, severity);
  }
  return worst;
}

const isAbout = (change: { gateway: string | null }, gateway: string): boolean =>
  change.gateway === null || change.gateway === gateway;

function Facts({ gateway, series }: { gateway: GatewayView; series: readonly SeriesView[] }): VNode {
  const newest = Math.max(...series.map(({ lastTime }) => lastTime ?? Number.NEGATIVE_INFINITY));
  return html`<dl class="figures">
    <${Figure} label="Series" value=${format.count(gateway.series)} />
    <${Figure}
      label="Open alerts"
      value=${format.count(gateway.openAlerts)}
      tone=${gateway.openAlerts > 0 ? 'bad' : 'good'}
    />
    <${Figure}
      label="Backlog"
      value=${gateway.blocksMissing === 0 ? 'none' : format.plural(gateway.blocksMissing, 'block', 'blocks')}
      note=${gateway.blocksMissing === 0 ? 'up to date' : 'catching up'}
      tone=${gateway.blocksMissing === 0 ? 'good' : 'warn'}
    />
    <${Figure}
      label="Declared gaps"
      value=${gateway.gaps === 0 ? 'none' : format.count(gateway.gaps)}
      note=${gateway.gaps === 0 ? 'nothing was lost' : 'listed below'}
      tone=${gateway.gaps === 0 ? 'good' : 'warn'}
    />
    <${Figure} label="Newest value" value=${Number.isFinite(newest) ? html`<${Ago} at=${newest} />` : 'none'} />
    <${Figure}
      label="Summaries stored"
      value=${format.count(gateway.parts)}
      note=${gateway.software === null ? undefined : `sent by ${gateway.software}`}
    />
  </dl>`;
}

function SeriesGrid(props: {
  gateway: string;
  series: readonly SeriesView[];
  severities: ReadonlyMap<string, Severity>;
}): VNode {
  const [wanted, setWanted] = useState('');
  const words = wanted.toLowerCase().split(/\s+/);
  // What asks for somebody first, what is over last.
  const rank = ({ series, retired }: SeriesView): number =>
    props.severities.has(series) ? 0 : retired === null ? 1 : 2;
  const shown = props.series
    .filter(({ series }) => words.every((word) => series.toLowerCase().includes(word)))
    .toSorted((a, b) => rank(a) - rank(b));
  return html`<div>
    <form class="filters" role="search" onSubmit=${(event: Event) => event.preventDefault()}>
      <label>
        <span>Containing</span>
        <input
          type="search"
          value=${wanted}
          placeholder="part of the name, e.g. pump temp"
          onInput=${(event: Event) => setWanted(textOf(event))}
        />
      </label>
      <p class="filter-note" role="status">
        ${shown.length === props.series.length ? format.plural(shown.length, 'series', 'series') : `${format.count(shown.length)} of ${format.count(props.series.length)} series`}
      </p>
    </form>
    <ul class="tiles">
      ${shown.map(
        (one) =>
          html`<${SeriesTile}
            key=${one.series}
            gateway=${props.gateway}
            series=${one}
            severity=${props.severities.get(one.series)}
          />`,
      )}
    </ul>
  </div>`;
}

function SeriesTile(props: { gateway: string; series: SeriesView; severity: Severity | undefined }): VNode {
  const { gateway, series, severity } = props;
  const address = hrefOf({ view: 'series', gateway, series: series.series, range: { span: 'auto' } });
  return html`<li class=${severity === undefined ? 'tile' : `tile open ${severity}`}>
    <a href=${address}>
      <${SeriesName} series=${series.series} />
      <span class="tile-value">${format.value(series.lastValue, series.unit, series.kind)}</span>
      ${severity !== undefined && html`<span class="tile-alert">${severity}</span>`}
      ${severity === undefined && series.retired !== null && html`<span class="tile-over">retired</span>`}
      <${Sparkline} gateway=${gateway} series=${series} />
    </a>
  </li>`;
}

function NoSeries(): VNode {
  return html`<div class="calm">
    <h3>Nothing has arrived yet</h3>
    <p>
      A series appears when its first window closes on the gateway and has been sent. Only series with a grant leave the
      site: ask the gateway's operator which ones have one.
    </p>
  </div>`;
}
