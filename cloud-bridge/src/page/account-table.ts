import type { VNode } from 'preact';

import type { AccountAnswer, SeriesAccountView } from '../api/contract.ts';
import { droppedWords, verdictWords, wrongWords } from './account-words.ts';
import { fetchAccount } from './api.ts';
import * as format from './format.ts';
import { html } from './html.ts';
import { useLoad } from './load.ts';
import { Ago, Problem } from './parts.ts';

const MOST_ROWS = 500;

/** What became of every reading of a gateway, as both ends say it; what differs comes first. */
export function Account({ gateway }: { gateway: string }): VNode {
  const { data, error, reload } = useLoad(
    (signal) => fetchAccount(gateway, signal),
    [gateway],
    (change) => change.kind === 'accounts' && (change.gateway === null || change.gateway === gateway),
  );
  return html`<section aria-labelledby="account">
    <h2 id="account">Accounting</h2>
    ${error && html`<${Problem} doing="Loading the account" reason=${error} retry=${reload} />`}
    ${data && html`<${Verdict} account=${data} />`}
    ${data && data.series.length > 0 && html`<${AccountTable} account=${data} />`}
  </section>`;
}

function Verdict({ account }: { account: AccountAnswer }): VNode {
  const { checkedAt } = account;
  return html`<p class="empty" role="status">
    ${verdictWords(account)} ${checkedAt !== null && html`<span>Compared <${Ago} at=${checkedAt} />.</span>`}
  </p>`;
}

function AccountTable({ account }: { account: AccountAnswer }): VNode {
  const rows = account.series.slice(0, MOST_ROWS);
  const sound = account.series.every(({ agrees, addsUp }) => agrees && addsUp);
  const address = `/api/v1/account?${new URLSearchParams({ gateway: account.gateway, format: 'csv' }).toString()}`;
  return html`<details class="windows" open=${!sound}>
    <summary>Readings of each series, and what became of them</summary>
    <div class="scroll" tabindex="0" role="region" aria-label="Readings of each series">
      <table>
        <thead>
          <tr>
            <th scope="col">Series</th>
            ${['Summarised', 'Open', 'Withheld', 'Delivered', 'Held here', 'Waiting'].map((name) => html`<th scope="col">${name}</th>`)}
            <th scope="col" class="words">Dropped</th>
          </tr>
        </thead>
        <tbody>
          ${rows.map((row) => html`<${Row} key=${row.series} row=${row} />`)}
        </tbody>
      </table>
    </div>
    <p class="empty">
      ${account.series.length > MOST_ROWS && `The first ${MOST_ROWS} of ${format.count(account.series.length)} series. `}
      <a href=${address} download>All of it as a table (CSV)</a>
    </p>
  </details>`;
}

function Row({ row }: { row: SeriesAccountView }): VNode {
  const { taken, open, withheld, delivered, held, waiting } = row;
  const words = [wrongWords(row), droppedWords(row)].filter((text) => text !== '').join('; ');
  return html`<tr>
    <th scope="row">${row.series}</th>
    ${[taken, open, withheld, delivered, held, waiting].map((figure) => html`<td>${figure === null ? '–' : format.count(figure)}</td>`)}
    <td class="words">${words === '' ? 'none' : words}</td>
  </tr>`;
}
