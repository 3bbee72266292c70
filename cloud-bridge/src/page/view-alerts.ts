import type { VNode } from 'preact';
import { useState } from 'preact/hooks';

import type { AlertView } from '../api/contract.ts';
import { AlertList } from './alert-list.ts';
import { fetchAlerts } from './api.ts';
import * as format from './format.ts';
import { html, textOf } from './html.ts';
import { useLoad } from './load.ts';
import { Problem, Title, Waiting } from './parts.ts';

const PAGE = 100;
const MOST = 1000;

interface Filter {
  text: string;
  severity: string;
  state: string;
}

/** Every alert of every gateway, newest first. */
export function AlertsView(): VNode {
  const [limit, setLimit] = useState(PAGE);
  const [filter, setFilter] = useState<Filter>({ text: '', severity: '', state: '' });
  const { data, error, reload } = useLoad(
    (signal) => fetchAlerts({ limit }, signal),
    [limit],
    (change) => change.kind === 'alerts',
  );
  const all = data?.alerts ?? [];
  const shown = all.filter((alert) => passes(alert, filter));
  return html`<main>
    <div class="view-head">
      <${Title}>Alerts<//>
      ${data && html`<p class="view-note">${noteOf(all.length, shown.length, all.length >= limit)}</p>`}
    </div>
    ${error && html`<${Problem} doing="Loading the alerts" reason=${error} retry=${reload} />`}
    ${!data && !error && html`<${Waiting} what="Loading the alerts" />`}
    ${data && all.length > 0 && html`<${Filters} filter=${filter} change=${setFilter} />`}
    ${data && all.length === 0 && html`<${NoAlerts} />`}
    ${shown.length > 0 && html`<${AlertList} alerts=${shown} gatewayShown />`}
    ${all.length > 0 && shown.length === 0 && html`<p class="empty">No alert matches this filter.</p>`}
    ${
      all.length >= limit &&
      limit < MOST &&
      html`<button type="button" class="more" onClick=${() => setLimit(Math.min(MOST, limit * 3))}>
        Show older alerts
      </button>`
    }
  </main>`;
}

function Filters({ filter, change }: { filter: Filter; change: (filter: Filter) => void }): VNode {
  const set = (key: keyof Filter) => (event: Event) => change({ ...filter, [key]: textOf(event) });
  return html`<form class="filters" role="search" onSubmit=${(event: Event) => event.preventDefault()}>
    <label>
      <span>Containing</span>
      <input type="search" value=${filter.text} onInput=${set('text')} placeholder="series, gateway or reason" />
    </label>
    <label>
      <span>Severity</span>
      <select value=${filter.severity} onChange=${set('severity')}>
        <option value="">any</option>
        <option value="critical">critical</option>
        <option value="warning">warning</option>
        <option value="info">info</option>
      </select>
    </label>
    <label>
      <span>State</span>
      <select value=${filter.state} onChange=${set('state')}>
        <option value="">open and closed</option>
        <option value="open">open</option>
        <option value="closed">closed</option>
      </select>
    </label>
  </form>`;
}

function NoAlerts(): VNode {
  return html`<div class="calm">
    <h2>All calm</h2>
    <p>
      No alert has come in. When a detector on a gateway finds something unusual, it stands here a moment later, with
      the reason in words.
    </p>
  </div>`;
}

function passes(alert: AlertView, filter: Filter): boolean {
  if (filter.severity !== '' && alert.severity !== filter.severity) return false;
  if (filter.state !== '' && alert.state !== filter.state) return false;
  const text = `${alert.series} ${alert.gateway} ${alert.text} ${alert.kind}`.toLowerCase();
  return filter.text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

function noteOf(all: number, shown: number, more: boolean): string {
  const newest = more ? `the newest ${format.count(all)}` : format.plural(all, 'alert', 'alerts');
  return shown === all ? newest : `${format.count(shown)} of ${newest}`;
}
