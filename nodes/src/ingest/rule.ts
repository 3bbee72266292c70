import { TideError } from '../node/errors.ts';
import type { NodeDefinition } from '../node/node-red.ts';
import { PAYLOAD_FORMATS, type PayloadFormat } from '../reading/payload.ts';
import { DEFAULT_TEMPLATE, templateProblem } from '../reading/series-template.ts';
import type { DoorRule } from './message.ts';
import { filterProblem } from './topic-filter.ts';

/** Where a tide-ingest node takes its messages from. */
export type IngestSource = 'gateway' | 'broker' | 'input';

const MAX_TOPICS = 256;

/** The source of a tide-ingest node's definition. */
export function sourceOf(definition: NodeDefinition): IngestSource {
  const { source } = definition;
  if (source === 'gateway' || source === 'broker' || source === 'input') return source;
  if (source === undefined || source === '') return 'gateway';
  throw new TideError('bad-source', `source is ${JSON.stringify(source)}; gateway, broker and input are known`);
}

/**
 * The rule of a tide-ingest node, from its definition in the flow file.
 * @throws TideError naming what is wrong in it.
 */
export function ruleOf(definition: NodeDefinition): DoorRule {
  const source = sourceOf(definition);
  const topics = topicsOf(definition.topics);
  if (topics.length === 0 && source !== 'input')
    throw new TideError('no-topics', 'no topics are named; write for example sensors/#');
  return { topics, format: formatOf(definition.format), series: templateOf(definition.series) };
}

/**
 * Rules of the embedded broker's door, read from a flow file before flows start: those of enabled tide-ingest nodes whose
 * source is the gateway. A node whose definition is wrong has no rule; it says so itself when it starts.
 */
export function doorRulesOf(flows: readonly unknown[]): Map<string, DoorRule> {
  const nodes = flows.filter(isDefinition);
  // Nodes of a subflow's template never run; its instances get ids of their own when flows start.
  const asleep = new Set(
    nodes.filter(({ type, disabled }) => type === 'subflow' || disabled === true).map(({ id }) => id),
  );
  const rules = new Map<string, DoorRule>();
  for (const node of nodes) {
    if (node.type !== 'tide-ingest' || node.d === true || asleep.has(String(node.z))) continue;
    try {
      if (sourceOf(node) === 'gateway') rules.set(node.id, ruleOf(node));
    } catch (error) {
      if (!(error instanceof TideError)) throw error;
    }
  }
  return rules;
}

function isDefinition(found: unknown): found is NodeDefinition {
  return (
    typeof found === 'object' && found !== null && 'id' in found && typeof found.id === 'string' && 'type' in found
  );
}

function topicsOf(found: unknown): string[] {
  const list: unknown[] = Array.isArray(found) ? found : typeof found === 'string' ? found.split(/[\s,]+/) : [];
  const topics = list.map(String).filter((topic) => topic !== '');
  if (topics.length > MAX_TOPICS)
    throw new TideError(
      'bad-topic',
      `${topics.length} topics are named; at most ${MAX_TOPICS} are allowed, use wildcards`,
    );
  for (const topic of topics) {
    const problem = filterProblem(topic);
    if (problem !== undefined) throw new TideError('bad-topic', `the topic ${problem}`);
  }
  return [...new Set(topics)];
}

function formatOf(found: unknown): PayloadFormat {
  if (found === undefined || found === '') return 'auto';
  const format = PAYLOAD_FORMATS.find((known) => known === found);
  if (format === undefined)
    throw new TideError('bad-format', `format is ${JSON.stringify(found)}; ${PAYLOAD_FORMATS.join(', ')} are known`);
  return format;
}

function templateOf(found: unknown): string {
  const text = found === undefined || found === '' ? DEFAULT_TEMPLATE : found;
  const problem = typeof text === 'string' ? templateProblem(text) : 'is no text';
  if (typeof text !== 'string' || problem !== undefined)
    throw new TideError('bad-series', `the series template ${problem}`);
  return text;
}
