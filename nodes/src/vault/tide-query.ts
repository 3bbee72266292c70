import { randomBytes } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { systemClock } from '../node/clock.ts';
import { TideError } from '../node/errors.ts';
import { inBackground, onClose, onInput } from '../node/handlers.ts';
import type { Node, NodeDefinition, NodeMessage, NodeRed, NodeStatus, Send } from '../node/node-red.ts';
import { vaultOf } from '../node/vault-of.ts';
import { answerPages, type Row } from '../summary/answer.ts';
import { type Batch, inBatches } from './query/batches.ts';
import { missingCount } from './query/missing.ts';
import { planOf, type QueryDefinition, type QueryPlan } from './query/query-plan.ts';
import type { Outcome } from './query/rows.ts';
import type { Vault } from './vault.ts';

interface TideQueryDefinition extends NodeDefinition, QueryDefinition {
  vault?: string;
  /** What a message does that comes while a query runs: `wait` for it, or `replace` it. */
  newer?: string;
}

/** Messages that may wait for their turn. */
const MAX_WAITING = 100;

export default function (RED: NodeRed): void {
  function TideQuery(this: Node, definition: TideQueryDefinition): void {
    RED.nodes.createNode(this, definition);
    const run = new QueryRun(RED, this, definition);
    onInput(this, (message, send) => run.input(message, send));
    onClose(this, () => run.stop());
    inBackground(this, () => run.start());
  }
  RED.nodes.registerType('tide-query', TideQuery);
}

/** One deployed tide-query node, from start to stop. */
class QueryRun {
  private readonly RED: NodeRed;
  private readonly node: Node;
  private readonly definition: TideQueryDefinition;
  private running: Promise<void> = Promise.resolve();
  /** Of the query that runs and of those that wait. */
  private readonly pending = new Set<AbortController>();
  private stopped = false;

  constructor(RED: NodeRed, node: Node, definition: TideQueryDefinition) {
    this.RED = RED;
    this.node = node;
    this.definition = definition;
  }

  /** Opens the vault, so that a wrong setting is seen before the first question. */
  async start(): Promise<void> {
    this.show({ fill: 'yellow', shape: 'ring', text: 'opening vault' });
    await this.vault();
    if (this.pending.size === 0) this.show({ fill: 'green', shape: 'ring', text: 'ready' });
  }

  /** Answers a message; a query that is replaced, or cut off by the node's end, ends without an error. */
  input(message: NodeMessage, send: Send): Promise<void> {
    if (this.definition.newer === 'replace') this.abort();
    else if (this.pending.size > MAX_WAITING)
      throw new TideError('too-many-queries', `${MAX_WAITING} queries wait already; this one is not answered`);
    const abort = new AbortController();
    this.pending.add(abort);
    const answered = this.after(this.running, message, send, abort);
    this.running = answered.catch(() => undefined);
    return answered;
  }

  /** Resolves once nothing reads from the vault any more. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.abort();
    await this.running;
  }

  private async after(turn: Promise<void>, message: NodeMessage, send: Send, abort: AbortController): Promise<void> {
    await turn;
    try {
      if (!abort.signal.aborted) await this.answer(message, send, abort.signal);
    } catch (error) {
      // The vault may close under a query that nobody waits for any more.
      if (!abort.signal.aborted) throw error;
    } finally {
      this.pending.delete(abort);
    }
  }

  private abort(): void {
    for (const query of this.pending) query.abort();
  }

  private vault(): Promise<Vault> {
    return vaultOf(this.RED, this.definition.vault);
  }

  private async answer(message: NodeMessage, send: Send, signal: AbortSignal): Promise<void> {
    const started = systemClock.monotonic();
    const plan = planOf(this.definition, message, systemClock.now());
    this.show({ fill: 'blue', shape: 'dot', text: 'reading' });
    const outcome: Outcome = { count: 0, series: 0, complete: true };
    const pages = answerPages(await this.vault(), plan.request, outcome);
    // In one message the limit bounds the rows.
    const size = plan.output === 'array' ? Infinity : plan.size;
    const id = randomBytes(8).toString('hex');
    let parts = 0;
    for await (const batch of inBatches<Row>(pages, size)) {
      if (signal.aborted) break;
      send(this.message(message, plan, batch, outcome, id));
      parts++;
      // What was sent gets its turn before more is read.
      if (!batch.last) await turn();
    }
    if (signal.aborted) {
      // A join node that has some of the parts drops them.
      if (parts > 0 && !this.stopped) send({ ...message, reset: true, parts: { id } });
      return;
    }
    this.show(statusOf(plan, outcome, systemClock.monotonic() - started));
  }

  private message(
    { tide: _tide, parts: outer, ...asked }: NodeMessage,
    { request, output, size }: QueryPlan,
    { rows, index, last }: Batch<Row>,
    outcome: Outcome,
    id: string,
  ): NodeMessage {
    return {
      ...asked,
      payload: rows,
      ...(request.resolution === undefined && {
        tide: { kind: 'readings', source: this.node.id, replay: true },
      }),
      ...(output === 'array'
        ? outer !== undefined && { parts: outer }
        : {
            parts: {
              id,
              type: 'array',
              index,
              len: size,
              ...(last && { count: index + 1 }),
              ...(outer !== undefined && { parts: outer }),
            },
          }),
      query: {
        from: finite(request.from),
        to: finite(request.to),
        resolution: request.resolution ?? null,
        order: request.order,
        last,
        ...(last && { ...outcome }),
      },
    };
  }

  private show(status: NodeStatus): void {
    if (!this.stopped) this.node.status(status);
  }
}

const finite = (time: number): number | null => (Number.isFinite(time) ? time : null);

function statusOf({ request }: QueryPlan, outcome: Outcome, ms: number): NodeStatus {
  const { count, series, complete, missing = [] } = outcome;
  if (series === 0) return { fill: 'yellow', shape: 'ring', text: 'no such series' };
  const what = request.resolution === undefined ? 'reading' : 'summary';
  const rows = count === 1 ? what : what === 'reading' ? 'readings' : 'summaries';
  const text = `${count.toLocaleString('en-US')} ${rows} of ${series} series, ${Math.round(ms)} ms`;
  if (missing.length > 0) return { fill: 'yellow', shape: 'dot', text: `${text}; ${missingCount(missing)}` };
  if (complete) return { fill: 'green', shape: 'dot', text };
  // The newest so many are what was asked for; of anything else an end is missing.
  return request.order === 'newest'
    ? { fill: 'green', shape: 'dot', text: `${text}; there are older ones` }
    : { fill: 'yellow', shape: 'dot', text: `${text}; cut off` };
}
