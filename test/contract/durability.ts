/**
 * What the vault promises of each kind of thing, as docs/vault.md has it: how it is committed, how to see that it is there,
 * and what becomes of it when the journal's box that holds it is damaged.
 */
import type { Vault } from '@tidegate/nodes/vault';
import { reading } from '../support/vault.ts';

/** `there` as committed; `gone`; `again`: as if it had not been acknowledged, so that it is sent again. */
export type State = 'there' | 'gone' | 'again';

export interface DurableKind {
  /** What it needs to be there beforehand, a commit of its own. */
  prepare?(vault: Vault, tag: string): Promise<unknown>;
  /** One commit; durable when it resolves. Things of different tags are different things. */
  write(vault: Vault, tag: string): Promise<unknown>;
  state(vault: Vault, tag: string): Promise<State>;
  /** Which box of its journal record holds it. */
  box: number;
  /** What is left of it when that box does not open and nothing else has it yet. */
  damaged: State;
  /** What is left when the vault goes on under a new incarnation because another thing was lost. */
  orphaned: State;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (body: Uint8Array): string => new TextDecoder().decode(body);
const isThere = (there: boolean): State => (there ? 'there' : 'gone');
const isDone = (done: boolean): State => (done ? 'there' : 'again');

/** Readings of a series as the vault gives them to somebody who asks. */
export async function valuesOf(vault: Vault, series: string): Promise<unknown[]> {
  const values: unknown[] = [];
  for await (const page of vault.query({ series: [series] })) values.push(...page.map(({ value }) => value));
  return values;
}

const document = (namespace: string, value: (tag: string) => unknown): DurableKind => ({
  write: (vault, tag) => vault.commit([{ kind: 'document', namespace, key: tag, value: value(tag) }]),
  state: async (vault, tag) => isThere((await vault.documents.get(namespace, tag)) !== undefined),
  box: 0,
  damaged: 'gone',
  orphaned: 'there',
});

const checkpoint = (node: string, orphaned: State): DurableKind => ({
  write: (vault, tag) =>
    vault.commit([
      { kind: 'checkpoint', consumer: `${node}/${tag}`, series: 1, position: 1, state: bytes(`memory ${tag}`) },
      { kind: 'consumer', consumer: `${node}/${tag}`, replayFrom: vault.journal.head },
    ]),
  state: async (vault, tag) => {
    const saved = await vault.checkpoints.load(`${node}/${tag}`);
    return isThere(saved?.series.length === 1 && text(saved.series[0].state) === `memory ${tag}`);
  },
  box: 0,
  damaged: 'gone',
  orphaned,
});

const receiptOf = (tag: string): bigint => 0xabcd_0000n + BigInt(tag.codePointAt(0) ?? 0);
const block = (stream: string, body: string) => ({ kind: 'block' as const, stream, body: bytes(body) });

/** Blocks of a stream that are still there, whether they wait for the cloud or were set aside with an earlier incarnation. */
async function blocksOf(vault: Vault, stream: string): Promise<string[]> {
  const cut = await vault.cut();
  try {
    const found: string[] = [];
    for await (const { items } of cut.pages('blocks'))
      for (const one of items) if (one.stream.endsWith(stream)) found.push(`${one.number} ${text(one.body)}`);
    return found;
  } finally {
    await cut.close();
  }
}

export const KINDS: Readonly<Record<string, DurableKind>> = {
  'a reading': {
    write: (vault, tag) =>
      vault.journal.append({ source: 'door', readings: [1, 2, 3].map((value) => reading(`plant/${tag}`, value)) }),
    state: async (vault, tag) => isThere((await valuesOf(vault, `plant/${tag}`)).join() === '0,1,2,3'),
    // Its series is known before, so that its record holds nothing else.
    prepare: (vault, tag) => vault.journal.append({ source: 'door', readings: [reading(`plant/${tag}`, 0)] }),
    box: 0,
    damaged: 'gone',
    orphaned: 'there',
  },
  'the name of a series': {
    write: (vault, tag) => vault.journal.append({ source: 'door', readings: [reading(`named/${tag}`, 1)] }),
    state: async (vault, tag) => isThere([...vault.series.entries()].some(({ name }) => name === `named/${tag}`)),
    box: 1,
    damaged: 'gone',
    orphaned: 'there',
  },
  'a receipt': {
    write: (vault, tag) => vault.journal.append({ source: 'door', readings: [], receipts: [receiptOf(tag)] }),
    state: async (vault, tag) => isDone((await vault.journal.receipts()).includes(receiptOf(tag))),
    box: 0,
    damaged: 'again',
    orphaned: 'there',
  },
  'a cause': {
    write: (vault, tag) => vault.journal.append({ source: `store/${tag}`, readings: [], cause: 7 }),
    state: async (vault, tag) => isDone((await vault.journal.cause(`store/${tag}`)) === 7),
    box: 0,
    damaged: 'again',
    orphaned: 'there',
  },
  'a rejection': {
    write: (vault, tag) =>
      vault.journal.append({
        source: 'door',
        readings: [],
        rejections: [
          { code: 'not-a-number', reason: tag, topic: 'site/x', head: bytes('NaN'), size: 3, time: 1_790_000_000_000 },
        ],
      }),
    state: async (vault, tag) => isThere((await vault.journal.rejections(100)).some(({ reason }) => reason === tag)),
    box: 0,
    damaged: 'gone',
    orphaned: 'there',
  },
  'an alert': {
    write: (vault, tag) => vault.commit([{ kind: 'alert', id: `alert-${tag}`, revision: 1, body: bytes(tag) }]),
    state: async (vault, tag) =>
      isThere((await vault.outbox.alerts(100, new Set())).some(({ id }) => id === `alert-${tag}`)),
    box: 0,
    damaged: 'gone',
    orphaned: 'there',
  },
  'a block of summaries': {
    write: (vault, tag) => vault.commit([block(`operations/${tag}`, `parts ${tag}`)]),
    state: async (vault, tag) => isThere((await blocksOf(vault, `operations/${tag}`)).join() === `1 parts ${tag}`),
    box: 0,
    damaged: 'gone',
    orphaned: 'there',
  },
  'memory of a detector': checkpoint('detect', 'there'),
  'an open window': checkpoint('summary', 'gone'),
  'a shared value': document('state', (tag) => ({ bar: tag })),
  'a retained message': document('retained', (tag) => ({ payload: bytes(tag), qos: 1 })),
  'a declared gap': {
    ...document('gap', () => undefined),
    write: (vault, tag) => {
      const id = tag.codePointAt(0) ?? 0;
      const value = { id, last: id, writer: vault.incarnation, at: 1, cause: 'quota', what: 'readings', count: 1 };
      return vault.commit([
        { kind: 'document', namespace: 'gap', key: tag, value: { ...value, timeFrom: 1, timeTo: 2, series: 'all' } },
      ]);
    },
  },
  'an acknowledged block': {
    prepare: (vault, tag) => vault.commit([block(`sent/${tag}`, 'parts')]),
    write: (vault, tag) => vault.commit([{ kind: 'blocks-acknowledged', stream: `sent/${tag}`, ranges: [[1, 1]] }]),
    state: async (vault, tag) => isDone((await blocksOf(vault, `sent/${tag}`)).length === 0),
    box: 0,
    damaged: 'again',
    orphaned: 'there',
  },
  'an acknowledged alert': {
    prepare: (vault, tag) => vault.commit([{ kind: 'alert', id: `sent-${tag}`, revision: 1, body: bytes(tag) }]),
    write: (vault, tag) =>
      vault.commit([{ kind: 'alerts-acknowledged', alerts: [{ id: `sent-${tag}`, revision: 1 }] }]),
    state: async (vault, tag) =>
      isDone(!(await vault.outbox.alerts(100, new Set())).some(({ id }) => id === `sent-${tag}`)),
    box: 0,
    damaged: 'again',
    orphaned: 'there',
  },
};

/** What is there of each kind. */
export async function statesOf(vault: Vault, tag: string): Promise<Record<string, State>> {
  const states: Record<string, State> = {};
  for (const [name, kind] of Object.entries(KINDS)) states[name] = await kind.state(vault, tag);
  return states;
}

/** Every kind in one state. */
export const all = (state: State): Record<string, State> =>
  Object.fromEntries(Object.keys(KINDS).map((name) => [name, state]));
