import type { ComponentChildren, VNode } from 'preact';

import * as format from './format.ts';
import { html } from './html.ts';
import { useNow } from './load.ts';

/** The small pieces that every view uses. */

export function Ago({ at }: { at: number }): VNode {
  const now = useNow(5_000);
  return html`<time datetime=${new Date(at).toISOString()} title=${format.exactTime(at)}>${format.ago(at, now)}</time>`;
}

export function Time({ at }: { at: number }): VNode {
  const now = useNow(60_000);
  return html`<time datetime=${new Date(at).toISOString()} title=${format.exactTime(at)}
    >${format.time(at, now)}</time
  >`;
}

/** A series' path with its last step made strong; long paths may break after each step. */
export function SeriesName({ series }: { series: string }): VNode {
  const { path, name } = format.splitSeries(series);
  const steps = path.split('/').slice(0, -1);
  return html`<span class="series-name">
    ${steps.map((step) => [html`<span class="step">${step}/</span>`, html`<wbr />`])}
    <strong>${name}</strong>
  </span>`;
}

export function Problem({ doing, reason, retry }: { doing: string; reason: string; retry?: () => void }): VNode {
  return html`<div class="problem" role="alert">
    <p><strong>${doing} did not work:</strong> ${reason}.</p>
    ${retry && html`<button type="button" onClick=${retry}>Try again</button>`}
  </div>`;
}

export function Waiting({ what }: { what: string }): VNode {
  return html`<p class="waiting" role="status">${what} …</p>`;
}

export function Figure(props: {
  label: string;
  value: ComponentChildren;
  note?: ComponentChildren;
  tone?: 'good' | 'warn' | 'bad' | undefined;
}): VNode {
  return html`<div class=${`figure ${props.tone ?? ''}`}>
    <dt>${props.label}</dt>
    <dd>
      <span class="figure-value">${props.value}</span>
      ${props.note !== undefined && html`<span class="figure-note">${props.note}</span>`}
    </dd>
  </div>`;
}

/** The title of a view: takes the focus when the view opens, so that a screen reader says where one is. */
export function Title({ children }: { children: ComponentChildren }): VNode {
  return html`<h1 id="title" tabindex="-1">${children}</h1>`;
}
