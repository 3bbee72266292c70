import type { VNode } from 'preact';

import * as format from './format.ts';
import { html } from './html.ts';
import { moved, usualSpan, zoomed, type Extent, type Interval } from './ranges.ts';
import { hrefOf, SPANS, type Range, type Span } from './route.ts';

const NAMES: Record<(typeof SPANS)[number], string> = {
  '15m': '15 min',
  '1h': '1 h',
  '6h': '6 h',
  '24h': '24 h',
  all: 'all',
};

/** Which stretch of time: the usual ones as links, and steps in time and length as buttons (also by keyboard). */
export function RangeBar(props: {
  gateway: string;
  series: string;
  range: Range;
  interval: Interval;
  extent: Extent;
  go: (range: Range) => void;
}): VNode {
  const { gateway, series, range, interval, extent, go } = props;
  const fixed = 'from' in range;
  const current: Span | null = fixed ? null : range.span === 'auto' ? usualSpan(extent, Date.now()) : range.span;
  const step = (label: string, sign: string, to: Interval): VNode =>
    html`<button type="button" class="step-button" aria-label=${label} title=${label} onClick=${() => go(to)}>
      ${sign}
    </button>`;
  return html`<div class="range-bar">
    <nav class="spans" aria-label="Range">
      ${SPANS.map(
        (span) =>
          html`<a
            href=${hrefOf({ view: 'series', gateway, series, range: { span } })}
            aria-current=${span === current ? 'true' : undefined}
            >${NAMES[span]}</a
          >`,
      )}
    </nav>
    <div class="steps" role="group" aria-label="Move and zoom">
      ${step('Earlier', '←', moved(interval, -0.5))} ${step('Later', '→', moved(interval, 0.5))}
      ${step('Zoom in', '+', zoomed(interval, 0.5))} ${step('Zoom out', '−', zoomed(interval, 2))}
    </div>
    ${
      fixed
        ? html`<p class="range-note">
            ${format.exactTime(interval.from)}, ${format.duration(interval.to - interval.from)}
            <button type="button" class="link" onClick=${() => go({ span: 'auto' })}>Back to now</button>
          </p>`
        : html`<p class="range-note hint">Drag across the chart to zoom.</p>`
    }
  </div>`;
}
