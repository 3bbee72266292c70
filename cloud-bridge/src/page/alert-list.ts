import type { VNode } from 'preact';

import type { AlertView } from '../api/contract.ts';
import * as format from './format.ts';
import { html } from './html.ts';
import { Ago, SeriesName, Time } from './parts.ts';
import { hrefOf } from './route.ts';

const HALF_WINDOW_MS = 30 * 60_000;

/** Alerts, newest first: how grave, since when, on what, and why. */
export function AlertList({ alerts, gatewayShown }: { alerts: readonly AlertView[]; gatewayShown: boolean }): VNode {
  return html`<ul class="alerts">
    ${alerts.map(
      (alert) =>
        html`<${AlertRow} key=${`${alert.gateway} ${alert.id}`} alert=${alert} gatewayShown=${gatewayShown} />`,
    )}
  </ul>`;
}

function AlertRow({ alert, gatewayShown }: { alert: AlertView; gatewayShown: boolean }): VNode {
  const { gateway, series } = alert;
  const around = { from: alert.time - HALF_WINDOW_MS, to: (alert.closed ?? alert.time) + HALF_WINDOW_MS };
  return html`<li class=${`alert ${alert.severity} ${alert.state}`}>
    <div class="alert-head">
      <span class=${`severity ${alert.severity}`}>${alert.severity}</span>
      <a class="alert-series" href=${hrefOf({ view: 'series', gateway, series, range: around })}>
        <${SeriesName} series=${series} />
      </a>
      <span class=${`state ${alert.state}`}>${stateOf(alert)}</span>
    </div>
    <p class="alert-text">${alert.text}</p>
    <p class="alert-foot">
      <span><${Time} at=${alert.time} /> · <${Ago} at=${alert.time} /></span>
      ${gatewayShown && html`<span>at <a href=${hrefOf({ view: 'gateway', gateway })}>${gateway}</a></span>`}
      <span>${valueOf(alert)}</span>
      <span>${alert.kind}</span>
    </p>
  </li>`;
}

function stateOf(alert: AlertView): string {
  if (alert.state === 'open') return 'open';
  return alert.closed === null ? 'closed' : `closed after ${format.duration(alert.closed - alert.time)}`;
}

function valueOf(alert: AlertView): string {
  const value = format.value(alert.value, alert.unit);
  const { low, high } = alert.expected ?? {};
  if (low !== undefined && high !== undefined)
    return `${value}, expected ${format.number(low)} to ${format.value(high, alert.unit)}`;
  if (low !== undefined) return `${value}, expected at least ${format.value(low, alert.unit)}`;
  if (high !== undefined) return `${value}, expected at most ${format.value(high, alert.unit)}`;
  return value;
}
