import type { VNode } from 'preact';
import { useState } from 'preact/hooks';

import type { DocumentView } from '../api/contract.ts';
import { fetchState, RequestError, writeState } from './api.ts';
import { html, textOf } from './html.ts';
import { inWords, useLoad } from './load.ts';
import { Ago, Problem } from './parts.ts';
import { typedValue, typeOf, VALUE_TYPES, type ValueType } from './typed-value.ts';

/** Where this tab keeps the API token; it is gone when the tab is closed. */
const TOKEN = 'tidegate-api-token';

interface Draft {
  key: string;
  type: ValueType;
  text: string;
}

const EMPTY: Draft = { key: '', type: 'number', text: '' };

/** Values that the cloud sets and the gateway keeps, each with whether the gateway has stored it. */
export function SetPoints({ gateway }: { gateway: string }): VNode {
  const [draft, setDraft] = useState<Draft>(EMPTY);
  const { data, error, reload } = useLoad(
    (signal) => fetchState(gateway, signal),
    [gateway],
    (change) => change.kind === 'state' && (change.gateway === null || change.gateway === gateway),
  );
  return html`<section class="set-points" aria-labelledby="set-points">
    <h2 id="set-points">Set-points</h2>
    ${error && html`<${Problem} doing="Loading the set-points" reason=${error} retry=${reload} />`}
    ${
      data?.documents.length === 0 &&
      html`<p class="empty">None yet. A value set here reaches the gateway's flows through a tide-state node.</p>`
    }
    ${data && data.documents.length > 0 && html`<${Documents} documents=${data.documents} change=${setDraft} />`}
    <${Form} gateway=${gateway} draft=${draft} change=${setDraft} written=${reload} />
  </section>`;
}

function Documents(props: { documents: readonly DocumentView[]; change: (draft: Draft) => void }): VNode {
  return html`<table class="documents" role="table">
    <thead>
      <tr role="row">
        <th scope="col" role="columnheader">Key</th>
        <th scope="col" role="columnheader">Value</th>
        <th scope="col" role="columnheader">At the gateway</th>
        <th scope="col" role="columnheader"><span class="unseen">Change</span></th>
      </tr>
    </thead>
    <tbody>
      ${props.documents.map(
        (one) =>
          html`<tr role="row" key=${one.key}>
            <th scope="row" role="rowheader">${one.key}</th>
            <td role="cell"><code>${JSON.stringify(one.value)}</code></td>
            <td role="cell">
              <span class=${one.applied ? 'applied' : 'pending'}>${one.applied ? 'in force' : 'on its way'}</span>
              <small>set <${Ago} at=${one.stamp.wall} /></small>
            </td>
            <td role="cell">
              <button
                type="button"
                aria-label=${`Change ${one.key}`}
                onClick=${() => props.change({ key: one.key, ...typeOf(one.value) })}
              >
                Change
              </button>
            </td>
          </tr>`,
      )}
    </tbody>
  </table>`;
}

function Form(props: { gateway: string; draft: Draft; change: (draft: Draft) => void; written: () => void }): VNode {
  const { draft, change } = props;
  const [token, setToken] = useState(() => sessionStorage.getItem(TOKEN) ?? '');
  const [outcome, setOutcome] = useState<{ good: boolean; text: string } | null>(null);
  const [busy, setBusy] = useState(false);
  const put = (part: Partial<Draft>) => change({ ...draft, ...part });

  const write = async (): Promise<void> => {
    const typed = typedValue(draft.type, draft.text);
    if (typed.problem !== null) return setOutcome({ good: false, text: typed.problem });
    setBusy(true);
    try {
      await writeState(props.gateway, draft.key.trim(), typed.value, token.trim());
      sessionStorage.setItem(TOKEN, token.trim());
      setOutcome({ good: true, text: `${draft.key.trim()} is set. The gateway stores it when it is next connected.` });
      change(EMPTY);
      props.written();
    } catch (error) {
      if (error instanceof RequestError && error.status === 401) sessionStorage.removeItem(TOKEN);
      setOutcome({ good: false, text: `It was not set: ${inWords(error)}.` });
    } finally {
      setBusy(false);
    }
  };

  return html`<form
    class="set-form"
    onSubmit=${(event: Event) => {
      event.preventDefault();
      void write();
    }}
  >
    <h3>Set a value</h3>
    <div class="fields">
      <label>
        <span>Key</span>
        <input
          required
          maxlength="256"
          value=${draft.key}
          placeholder="line1/oven/target"
          autocomplete="off"
          onInput=${(event: Event) => put({ key: textOf(event) })}
        />
      </label>
      <label>
        <span>Type</span>
        <select value=${draft.type} onChange=${(event: Event) => put(withType(textOf(event), draft.text))}>
          <option value="number">number</option>
          <option value="boolean">on or off</option>
          <option value="text">text</option>
          <option value="json">JSON</option>
        </select>
      </label>
      <label>
        <span>Value</span>
        <${ValueField} draft=${draft} put=${put} />
      </label>
    </div>
    <label>
      <span>API token</span>
      <input
        required
        type="password"
        aria-describedby="token-help"
        value=${token}
        autocomplete="off"
        onInput=${(event: Event) => setToken(textOf(event))}
      />
    </label>
    <small id="token-help">
      Only who has it may set values. It is in the file <code>keys/api-token</code> in the cloud's directory (the one
      after <code> --dir</code>); this tab forgets it when you close it.
    </small>
    <button class="primary" disabled=${busy}>${busy ? 'Setting …' : 'Set value'}</button>
    <p role="status" class=${outcome?.good === false ? 'outcome bad' : 'outcome'}>${outcome?.text}</p>
  </form>`;
}

function ValueField({ draft, put }: { draft: Draft; put: (part: Partial<Draft>) => void }): VNode {
  const onInput = (event: Event): void => put({ text: textOf(event) });
  if (draft.type === 'boolean')
    return html`<select value=${draft.text} onChange=${onInput}>
      <option value="true">on</option>
      <option value="false">off</option>
    </select>`;
  const inputMode = draft.type === 'number' ? 'decimal' : 'text';
  return html`<input
    required=${draft.type !== 'text'}
    value=${draft.text}
    inputmode=${inputMode}
    autocomplete="off"
    onInput=${onInput}
  />`;
}

function withType(chosen: string, text: string): Partial<Draft> {
  const type = VALUE_TYPES.find((one) => one === chosen) ?? 'text';
  if (type === 'boolean') return { type, text: text === 'true' ? 'true' : 'false' };
  return { type, text };
}
