import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';

import type { AlertView, GatewaysAnswer } from '../api/contract.ts';
import { fetchAlerts, fetchGateways } from './api.ts';
import * as format from './format.ts';
import { html } from './html.ts';
import { live } from './live.ts';
import { useConnection, useLoad, useNow, type Loaded } from './load.ts';
import { Title } from './parts.ts';
import { hrefOf, parseRoute, type Route } from './route.ts';
import { AlertsView } from './view-alerts.ts';
import { FleetView } from './view-fleet.ts';
import { OneGatewayView } from './view-gateway.ts';
import { OneSeriesView } from './view-series.ts';

const NEWEST_ALERTS = 5;

/** What stands around every view: where one is, how many alerts are open, whether the page is live. */
export function Shell(): VNode {
  const route = useRoute();
  const fleet = useLoad(fetchGateways, [], (change) => change.kind !== 'state', 15_000);
  const alerts = useLoad(
    (signal) => fetchAlerts({ limit: NEWEST_ALERTS }, signal),
    [],
    (change) => change.kind === 'alerts',
  );
  const open = (fleet.data?.gateways ?? []).reduce((sum, one) => sum + one.openAlerts, 0);
  const place = placeOf(route);
  useEffect(() => {
    document.title = `${open > 0 ? `(${open}) ` : ''}${place} · Tidegate`;
  }, [open, place]);
  useFocusOnTitle(place);
  return html`<div class="shell">
    <a class="skip" href="#title" onClick=${focusTitle}>Skip to the content</a>
    <header>
      <a class="brand" href=${hrefOf({ view: 'fleet' })}
        ><img src="/page/icon.svg" alt="" width="30" height="30" />Tidegate</a
      >
      <nav aria-label="Views">
        <${NavLink} route=${{ view: 'fleet' }} current=${route.view === 'fleet' ? 'page' : route.view !== 'alerts'}
          >Fleet<//
        >
        <${NavLink} route=${{ view: 'alerts' }} current=${route.view === 'alerts' && 'page'}>
          Alerts${open > 0 && html`<span class="badge"><span class="unseen">open: </span>${format.count(open)}</span>`}
        <//>
      </nav>
      <${LiveSign} />
    </header>
    <${Lost} />
    <${View} route=${route} fleet=${fleet} newest=${alerts.data?.alerts ?? []} />
    <${NewAlert} alerts=${alerts.data?.alerts ?? null} />
    <${Foot} />
  </div>`;
}

function View(props: { route: Route; fleet: Loaded<GatewaysAnswer>; newest: readonly AlertView[] }): VNode {
  const { route, fleet, newest } = props;
  if (route.view === 'fleet') return html`<${FleetView} fleet=${fleet} newest=${newest} />`;
  if (route.view === 'alerts') return html`<${AlertsView} />`;
  if (route.view === 'gateway')
    return html`<${OneGatewayView} key=${route.gateway} gateway=${route.gateway} fleet=${fleet} />`;
  if (route.view === 'unknown') return html`<${NoSuchPage} address=${route.address} />`;
  const { gateway, series, range } = route;
  return html`<${OneSeriesView} key=${`${gateway} ${series}`} gateway=${gateway} series=${series} range=${range} />`;
}

function NoSuchPage({ address }: { address: string }): VNode {
  return html`<main>
    <div class="view-head"><${Title}>There is no such page<//></div>
    <p>Nothing is at <code>${address}</code>. <a href=${hrefOf({ view: 'fleet' })}>To the fleet</a></p>
  </main>`;
}

function NavLink(props: { route: Parameters<typeof hrefOf>[0]; current: 'page' | boolean; children: unknown }): VNode {
  return html`<a href=${hrefOf(props.route)} aria-current=${props.current === false ? undefined : String(props.current)}
    >${props.children}</a
  >`;
}

function LiveSign(): VNode {
  const connection = useConnection();
  const words = { connecting: 'connecting', live: 'live', lost: 'not connected' }[connection];
  return html`<p class=${`live ${connection}`} role="status">${words}</p>`;
}

function Lost(): VNode | null {
  const connection = useConnection();
  const [since, setSince] = useState(0);
  useEffect(() => setSince(Date.now()), [connection]);
  if (connection !== 'lost') return null;
  return html`<div class="connection-lost" role="alert">
    <p>
      <strong>The connection to the cloud is lost</strong> since ${format.time(since, Date.now())}. What you see may be
      old; the page tries again by itself.
    </p>
    <button type="button" onClick=${() => live.tryNow()}>Try now</button>
  </div>`;
}

/** Says a new alert to screen readers, wherever on the page one is. */
function NewAlert({ alerts }: { alerts: readonly AlertView[] | null }): VNode {
  const seen = useRef<number | null>(null);
  const [words, setWords] = useState('');
  useEffect(() => {
    if (alerts === null) return;
    const newest = alerts.find(
      (alert) => alert.state === 'open' && alert.cursor > (seen.current ?? Number.POSITIVE_INFINITY),
    );
    seen.current = Math.max(seen.current ?? 0, ...alerts.map(({ cursor }) => cursor));
    if (newest !== undefined) setWords(`New ${newest.severity} alert on ${newest.series}: ${newest.text}`);
  }, [alerts]);
  return html`<p class="unseen" role="status">${words}</p>`;
}

function Foot(): VNode {
  const now = useNow(60_000);
  return html`<footer>
    <p>Times in ${format.zone(now)}</p>
    <p>Tidegate, Apache-2.0</p>
  </footer>`;
}

function useRoute(): Route {
  const [route, setRoute] = useState<Route>(() => parseRoute(location.hash));
  useEffect(() => {
    const changed = (): void => setRoute(parseRoute(location.hash));
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  return route;
}

/** When another view opens, the focus goes to its title and the page to its top; not on the first view. */
function useFocusOnTitle(place: string): void {
  const first = useRef(true);
  useEffect(() => {
    if (!first.current) {
      scrollTo(0, 0);
      document.getElementById('title')?.focus({ preventScroll: true });
    }
    first.current = false;
  }, [place]);
}

/** The address after `#` is the view's: the link may not change it. */
function focusTitle(event: Event): void {
  event.preventDefault();
  document.getElementById('title')?.focus();
}

function placeOf(route: Route): string {
  if (route.view === 'series') return `${route.series} at ${route.gateway}`;
  if (route.view === 'gateway') return route.gateway;
  return { fleet: 'Fleet', alerts: 'Alerts', unknown: 'No such page' }[route.view];
}
