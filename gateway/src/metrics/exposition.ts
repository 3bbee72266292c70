/** One metric with its samples, as Prometheus takes them. */
export interface Family {
  /** `[a-z_:]+`, with the unit at its end, and `_total` for a counter. */
  name: string;
  type: 'counter' | 'gauge' | 'summary';
  help: string;
  samples: readonly Sample[];
}

export interface Sample {
  value: number;
  labels?: Readonly<Record<string, string>>;
  /** Behind the family's name: `_sum` and `_count` of a summary. */
  suffix?: '_sum' | '_count';
}

/** Media type of `exposed`. */
export const EXPOSITION = 'text/plain; version=0.0.4; charset=utf-8';

/**
 * The text exposition format 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/). Families without a
 * sample are left out.
 */
export function exposed(families: readonly Family[]): string {
  let text = '';
  for (const { name, type, help, samples } of families) {
    if (samples.length === 0) continue;
    text += `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${type}\n`;
    for (const { value, labels, suffix = '' } of samples)
      text += `${name}${suffix}${labels === undefined ? '' : labelText(labels)} ${numberText(value)}\n`;
  }
  return text;
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return `{${pairs.join(',')}}`;
}

const escaped = (value: string): string =>
  value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');

function numberText(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  return String(value);
}
