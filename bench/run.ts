/**
 * `npm run bench -- NAME [--json]`: runs one benchmark and prints its figures as a table, or as one JSON object on the
 * last line. A bench that cannot measure something says so and the exit code is 1; it never guesses.
 */
import { globSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { printReport, type Report } from './support/report.ts';

const names = globSync('*.bench.ts', { cwd: import.meta.dirname })
  .map((file) => path.basename(file, '.bench.ts'))
  .sort();

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } },
});
const [name] = positionals;

if (values.help || name === undefined || !names.includes(name)) {
  if (name !== undefined && !names.includes(name)) console.error(`There is no bench "${name}".`);
  console.error(`usage: npm run bench -- NAME [--json]\nbenches: ${names.join(', ')}`);
  process.exit(values.help ? 0 : 2);
}

// All that a bench writes lies below here, so that one that is broken off leaves nothing behind: programs that it started
// are ended by its exit as well.
const temporary = mkdtempSync(path.join(os.tmpdir(), 'tidegate-run-'));
process.env['TMPDIR'] = temporary;
process.once('exit', () => rmSync(temporary, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }));
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const)
  process.once(signal, () => {
    console.error(`${name}: broken off`);
    process.exit(code);
  });

try {
  const { run } = (await import(`./${name}.bench.ts`)) as {
    run: (progress: (text: string) => void) => Promise<Report>;
  };
  const report = await run((text) => console.error(`${name}: ${text}`));
  printReport(name, report, values.json);
  process.exit(0);
} catch (error) {
  console.error(
    `${name}: could not be measured: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
  );
  process.exit(1);
}
