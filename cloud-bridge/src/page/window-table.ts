import type { VNode } from 'preact';
import { useState } from 'preact/hooks';

import type { SeriesView, SummaryView } from '../api/contract.ts';
import * as format from './format.ts';
import { isForeign } from './chart-data.ts';
import { html } from './html.ts';

const MOST_ROWS = 200;

/** The windows of the chart as a table, newest first: for who does not see the chart, and for exact figures. */
export function WindowTable(props: {
  windows: readonly SummaryView[];
  kind: SeriesView['kind'];
  /** The unit in which the chart is drawn: a column tells those of windows in others. */
  unit: string | null;
}): VNode {
  const words = props.kind === 'string';
  const states = props.kind !== 'number';
  const units = props.windows.some((window) => isForeign(window, props.unit));
  const [open, setOpen] = useState(words);
  const rows = open ? props.windows.slice(-MOST_ROWS).toReversed() : [];
  return html`<details
    class="windows"
    open=${open}
    onToggle=${(event: Event) => setOpen(event.target instanceof HTMLDetailsElement && event.target.open)}
  >
    <summary>Windows as a table</summary>
    <div class="scroll" tabindex="0" role="region" aria-label="Windows">
      <table>
        <thead>
          <tr>
            <th scope="col">From (${format.zone(props.windows.at(-1)?.windowStart ?? 0)})</th>
            <th scope="col">For</th>
            <th scope="col">Readings</th>
            ${!words && ['Mean', 'Min', 'p10', 'p50', 'p90', 'Max'].map((name) => html`<th scope="col">${name}</th>`)}
            ${units && html`<th scope="col" class="words">Unit</th>`} ${states && html`<th scope="col">Changes</th>`}
            <th scope="col" class=${words ? 'words' : ''}>Last</th>
          </tr>
        </thead>
        <tbody>
          ${rows.map((window) => html`<${Row} key=${window.windowStart} window=${window} words=${words} states=${states} units=${units} />`)}
        </tbody>
      </table>
    </div>
    ${props.windows.length > MOST_ROWS && html`<p class="empty">The newest ${MOST_ROWS} of ${format.count(props.windows.length)} windows.</p>`}
  </details>`;
}

/** `15 min`, and whether more of it is to come. */
export function lengthOf({ resolution, whole }: SummaryView): string {
  return `${format.duration(resolution * 1000)}${whole ? '' : ', so far'}`;
}

function Row(props: { window: SummaryView; words: boolean; states: boolean; units: boolean }): VNode {
  const { window, words, states, units } = props;
  const { mean, min, p10, p50, p90, max } = window;
  return html`<tr>
    <th scope="row">${format.preciseTime(window.windowStart)}</th>
    <td>${lengthOf(window)}</td>
    <td>${format.count(window.count)}</td>
    ${!words && [mean, min].map((value) => html`<td>${format.value(value, null)}</td>`)}
    ${!words && [p10, p50, p90].map((value) => html`<td>${value === null ? '–' : format.quantile(value)}</td>`)}
    ${!words && html`<td>${format.value(max, null)}</td>`}
    ${units && html`<td class="words">${window.mixed ? 'several' : (window.unit ?? '–')}</td>`}
    ${states && html`<td>${window.changes === null ? '–' : format.count(window.changes)}</td>`}
    <td class=${words ? 'words' : ''}>${format.value(window.last?.value ?? null, null)}</td>
  </tr>`;
}
