import { MAX_SERIES_LENGTH } from './limits.ts';

/**
 * Template of a series path: `{topic}` is the whole topic, `{topic.1}` its second level, `{metric}` the path of the value
 * within the payload. Whatever turns out empty takes its separator with it.
 */
export class SeriesTemplate {
  readonly text: string;
  private readonly levels: readonly Piece[][];

  /** @throws Error when `templateProblem` finds one. */
  constructor(text: string) {
    const problem = templateProblem(text);
    if (problem !== undefined) throw new Error(`the series template ${problem}`);
    this.text = text;
    this.levels = splitLevels(text).map(pieces);
  }

  /** The series of a value, or undefined when nothing is left or it is longer than MAX_SERIES_LENGTH. */
  resolve(topic: string, metric: string): string | undefined {
    const topicLevels = topic.split('/');
    const made: string[] = [];
    for (const level of this.levels) {
      const text = level
        .map((piece) => {
          if (piece.kind === 'text') return piece.text;
          if (piece.kind === 'metric') return metric;
          return piece.level === undefined ? topic : (topicLevels[piece.level] ?? '');
        })
        .join('');
      for (const part of text.split('/')) if (part !== '') made.push(clean(part));
    }
    const series = made.join('/');
    return series === '' || series.length > MAX_SERIES_LENGTH ? undefined : series;
  }
}

export const DEFAULT_TEMPLATE = '{topic}/{metric}';

/** Why a template cannot be used, or undefined when it can. */
export function templateProblem(text: string): string | undefined {
  if (typeof text !== 'string' || text.trim() === '') return 'is empty; write for example {topic}/{metric}';
  if (text.length > MAX_SERIES_LENGTH) return `has ${text.length} characters; at most ${MAX_SERIES_LENGTH} are allowed`;
  for (const [, name = ''] of text.matchAll(/\{([^{}]*)\}/g)) {
    if (!/^(topic(\.\d{1,2})?|metric)$/.test(name))
      return `names {${name}}; {topic}, {topic.0} to {topic.99} and {metric} are known`;
  }
  const rest = text.replaceAll(/\{[^{}]*\}/g, '');
  if (/[{}]/.test(rest)) return 'has a brace without its partner';
  if (/[#+]/.test(rest)) return 'holds # or +, which stand for levels in patterns and cannot be part of a series';
  return undefined;
}

type Piece = { kind: 'text'; text: string } | { kind: 'topic'; level: number | undefined } | { kind: 'metric' };

function splitLevels(text: string): string[] {
  return text.split('/').filter((level) => level !== '');
}

function pieces(level: string): Piece[] {
  const found: Piece[] = [];
  for (const [, before = '', name] of level.matchAll(/([^{}]*)(?:\{([^{}]*)\}|$)/g)) {
    if (before !== '') found.push({ kind: 'text', text: before });
    if (name === 'metric') found.push({ kind: 'metric' });
    else if (name !== undefined) {
      const number = name.split('.')[1];
      found.push({ kind: 'topic', level: number === undefined ? undefined : Number(number) });
    }
  }
  return found;
}

/** Wildcards and control characters in names that devices choose would make patterns and displays lie. */
function clean(part: string): string {
  return part.replaceAll(/[#+\p{Cc}]/gu, '_');
}
