import type { VNode } from 'preact';
import { useState } from 'preact/hooks';

import type { AlertView, GatewaysAnswer, GatewayView } from '../api/contract.ts';
import { AlertList } from './alert-list.ts';
import * as format from './format.ts';
import { html, textOf } from './html.ts';
import type { Loaded } from './load.ts';
import { Ago, Figure, Problem, Title, Waiting } from './parts.ts';
import { hrefOf } from './route.ts';

/** From this many gateways on there is a box to find one. */
const FILTER_FROM = 6;

/** All gateways: who is there, who is not, what waits. */
export function FleetView({ fleet, newest }: { fleet: Loaded<GatewaysAnswer>; newest: readonly AlertView[] }): VNode {
  const [wanted, setWanted] = useState('');
  const all = fleet.data?.gateways ?? [];
  const shown = all.filter(({ gateway }) => gateway.toLowerCase().includes(wanted.toLowerCase())).toSorted(byTrouble);
  return html`<main>
    <div class="view-head"><${Title}>Fleet<//></div>
    ${fleet.error && html`<${Problem} doing="Loading the fleet" reason=${fleet.error} retry=${fleet.reload} />`}
    ${!fleet.data && !fleet.error && html`<${Waiting} what="Loading the fleet" />`}
    ${fleet.data && all.length === 0 && html`<${NoGateways} />`}
    ${all.length > 0 && html`<${Totals} gateways=${all} />`}
    ${
      all.length >= FILTER_FROM &&
      html`<form class="filters" role="search" onSubmit=${(event: Event) => event.preventDefault()}>
        <label>
          <span>Gateway</span>
          <input
            type="search"
            value=${wanted}
            placeholder="part of its name"
            onInput=${(event: Event) => setWanted(textOf(event))}
          />
        </label>
      </form>`
    }
    ${
      all.length > 0 &&
      html`<section aria-labelledby="gateways">
        <h2 id="gateways">Gateways</h2>
        ${shown.length === 0 && html`<p class="empty">No gateway has that in its name.</p>`}
        <ul class="gateways">
          ${shown.map((gateway) => html`<${GatewayCard} key=${gateway.gateway} gateway=${gateway} />`)}
        </ul>
      </section>`
    }
    ${
      newest.length > 0 &&
      html`<section aria-labelledby="newest">
        <div class="section-head">
          <h2 id="newest">Newest alerts</h2>
          <a href=${hrefOf({ view: 'alerts' })}>All alerts</a>
        </div>
        <${AlertList} alerts=${newest} gatewayShown />
      </section>`
    }
  </main>`;
}

function Totals({ gateways }: { gateways: readonly GatewayView[] }): VNode {
  const sum = (of: (gateway: GatewayView) => number): number => gateways.reduce((total, one) => total + of(one), 0);
  const online = sum((one) => Number(one.online));
  const open = sum((one) => one.openAlerts);
  const missing = sum((one) => one.blocksMissing);
  return html`<dl class="figures">
    <${Figure}
      label="Gateways online"
      value=${`${format.count(online)} of ${format.count(gateways.length)}`}
      tone=${online === gateways.length ? 'good' : 'warn'}
    />
    <${Figure} label="Series" value=${format.count(sum((one) => one.series))} />
    <${Figure} label="Summaries stored" value=${format.count(sum((one) => one.parts))} />
    <${Figure} label="Open alerts" value=${format.count(open)} tone=${open > 0 ? 'bad' : 'good'} />
    <${Figure}
      label="Blocks on their way"
      value=${format.count(missing)}
      note=${missing === 0 ? 'up to date' : 'catching up'}
      tone=${missing === 0 ? 'good' : 'warn'}
    />
  </dl>`;
}

function GatewayCard({ gateway }: { gateway: GatewayView }): VNode {
  return html`<li class=${`gateway ${gateway.online ? 'online' : 'offline'}`}>
    <h3><a href=${hrefOf({ view: 'gateway', gateway: gateway.gateway })}>${gateway.gateway}</a></h3>
    <${Presence} gateway=${gateway} />
    <dl class="facts">
      <div>
        <dt>Series</dt>
        <dd>${format.count(gateway.series)}</dd>
      </div>
      <div class=${gateway.openAlerts > 0 ? 'bad' : ''}>
        <dt>Open alerts</dt>
        <dd>${format.count(gateway.openAlerts)}</dd>
      </div>
      <div class=${gateway.blocksMissing > 0 ? 'warn' : ''}>
        <dt>Backlog</dt>
        <dd>${gateway.blocksMissing === 0 ? 'none' : format.plural(gateway.blocksMissing, 'block', 'blocks')}</dd>
      </div>
      <div>
        <dt>Last heard</dt>
        <dd>${gateway.lastSeen === null ? 'never' : html`<${Ago} at=${gateway.lastSeen} />`}</dd>
      </div>
    </dl>
    <${Troubles} gateway=${gateway} />
  </li>`;
}

/** Online, or since when not. */
export function Presence({ gateway }: { gateway: GatewayView }): VNode {
  if (gateway.online) return html`<p class="presence online">online</p>`;
  if (gateway.lastSeen === null) return html`<p class="presence new">enrolled, not heard of yet</p>`;
  return html`<p class="presence offline">offline, last heard <${Ago} at=${gateway.lastSeen} /></p>`;
}

/** What the cloud refused of a gateway, and copies that contradict each other. */
export function Troubles({ gateway }: { gateway: GatewayView }): VNode | null {
  if (gateway.refused === 0 && gateway.forks === 0) return null;
  return html`<ul class="troubles">
    ${
      gateway.refused > 0 &&
      html`<li>
        ${`${format.plural(gateway.refused, 'frame', 'frames')} refused (${kindsText(gateway)})`}${gateway.refusedReason !== null && `: ${gateway.refusedReason}`}
      </li>`
    }
    ${
      gateway.forks > 0 &&
      html`<li>${format.plural(gateway.forks, 'summary', 'summaries')} came twice with different contents (fork)</li>`
    }
  </ul>`;
}

/** `fenced 3, retry 1`, the most frequent first. */
function kindsText({ refusedKinds }: GatewayView): string {
  return Object.entries(refusedKinds)
    .toSorted((a, b) => b[1] - a[1])
    .map(([kind, count]) => `${kind} ${count}`)
    .join(', ');
}

function NoGateways(): VNode {
  return html`<div class="calm">
    <h2>No gateway yet</h2>
    <p>A gateway appears here as soon as it has been enrolled. Three steps:</p>
    <ol>
      <li>
        Where the cloud runs, make a one-time token for it:
        <code class="command">tidegate-cloud enroll NAME</code>
      </li>
      <li>
        On the gateway, make its directory with that token; it asks which series may leave the site:
        <code class="command">tidegate init DIR --enrol TOKEN</code>
      </li>
      <li>Start it: <code class="command">tidegate run DIR</code></li>
    </ol>
    <p>This page shows it without reloading.</p>
  </div>`;
}

const rank = (one: GatewayView): number => (one.openAlerts > 0 ? 0 : one.online ? 2 : 1);

function byTrouble(a: GatewayView, b: GatewayView): number {
  return rank(a) - rank(b) || a.gateway.localeCompare(b.gateway);
}
