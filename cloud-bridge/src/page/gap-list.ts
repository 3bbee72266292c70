import type { VNode } from 'preact';

import type { GapView } from '../api/contract.ts';
import { fetchGaps } from './api.ts';
import { coveredBy, isGone, lostWhat, lostWhy, ofWhich } from './gap-words.ts';
import { html } from './html.ts';
import { useLoad } from './load.ts';
import { Problem, Time } from './parts.ts';

const SHOWN = 30;

/** What a gateway gave up or lost: every loss that it declares, newest first. */
export function WhatWasLost({ gateway }: { gateway: string }): VNode {
  const { data, error, reload } = useLoad(
    (signal) => fetchGaps({ gateway, limit: SHOWN }, signal),
    [gateway],
    (change) => change.kind === 'gaps' && (change.gateway === null || change.gateway === gateway),
  );
  return html`<section aria-labelledby="lost">
    <h2 id="lost">What was lost</h2>
    ${error && html`<${Problem} doing="Loading what was lost" reason=${error} retry=${reload} />`}
    ${data && data.gaps.length === 0 && html`<p class="empty">Nothing: the gateway has declared no gap.</p>`}
    ${
      data &&
      data.gaps.length > 0 &&
      html`<ul class="alerts">
        ${data.gaps.map((gap, i) => html`<${GapRow} key=${i} gap=${gap} />`)}
      </ul>`
    }
  </section>`;
}

function GapRow({ gap }: { gap: GapView }): VNode {
  return html`<li class=${`alert ${isGone(gap) ? 'warning' : 'info'}`}>
    <div class="alert-head">
      <span class=${`severity ${isGone(gap) ? 'warning' : 'info'}`}>${gap.cause}</span>
      <strong>${`${lostWhat(gap)} ${ofWhich(gap)}`.trim()}</strong>
      <span class="state">${gap.stream ?? ''}</span>
    </div>
    <p class="alert-text">${`${lostWhy(gap)}; ${coveredBy(gap)}.`}</p>
    <p class="alert-foot">
      <span>from <${Time} at=${gap.timeFrom} /> to <${Time} at=${gap.timeTo} /></span>
      <span>declared <${Time} at=${gap.at} /></span>
    </p>
  </li>`;
}
