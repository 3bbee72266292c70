/** What a bench measured. Units are in the names: `alert_p99_ms`, `tidegate_per_s`. */
export interface Report {
  figures: Record<string, number>;
  goals: Record<string, { min: number } | { max: number }>;
  /** Lines for people: conditions, what the figures do not show. */
  notes: string[];
}

export function printReport(bench: string, { figures, goals, notes }: Report, json: boolean): void {
  if (json) {
    console.log(JSON.stringify({ bench, figures, goals }));
    return;
  }
  const rows = Object.entries(figures).map(([name, value]) => [
    name,
    format(value),
    goalText(goals[name]),
    verdict(value, goals[name]),
  ]);
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column].length)));
  for (const row of rows) {
    console.log(`${row[0].padEnd(widths[0])}  ${row[1].padStart(widths[1])}  ${row[2].padEnd(widths[2])}  ${row[3]}`);
  }
  for (const note of notes) console.log(`- ${note}`);
}

/** The value at quantile `q` of unsorted numbers (nearest rank). */
export function quantileOf(values: readonly number[], q: number): number {
  if (values.length === 0) throw new Error('no values to take a quantile of');
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(q * sorted.length) - 1)];
}

const format = (value: number): string =>
  Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en-US') : value.toFixed(2);

const goalText = (goal: { min: number } | { max: number } | undefined): string => {
  if (goal === undefined) return '';
  return 'min' in goal ? `goal >= ${goal.min}` : `goal <= ${goal.max}`;
};

const verdict = (value: number, goal: { min: number } | { max: number } | undefined): string => {
  if (goal === undefined) return '';
  return ('min' in goal ? value >= goal.min : value <= goal.max) ? 'met' : 'MISSED';
};
