/**
 * `npm run campaign -- vault|sync [--rounds N] [--seed S] [--only KIND[,KIND]] [--group G [--round R]]`: hurts a vault, or
 * gateways, broker and cloud, in all the ways that are known, and holds what is left against a ledger each time. The exit
 * code is 1 when any round failed.
 */
import { parseArgs } from 'node:util';
import { runCampaign, type KindResult } from './campaign.ts';
import { CAMPAIGNS } from './kinds.ts';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string' },
    seed: { type: 'string', default: String(Date.now()) },
    only: { type: 'string' },
    group: { type: 'string' },
    round: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
const [name = ''] = positionals;
const campaign = CAMPAIGNS[name];
const kinds = values.only?.split(',') ?? Object.keys(campaign ?? {});
const unknown = kinds.find((kind) => campaign !== undefined && !(kind in campaign));
const wrong = [values.rounds, values.group, values.round].some((text) => text !== undefined && !/^\d{1,7}$/.test(text));
if (values.help || campaign === undefined || unknown !== undefined || wrong) {
  const all = Object.entries(CAMPAIGNS).map(([of, each]) => `  ${of}: ${Object.keys(each).join(', ')}`);
  console.error('usage: npm run campaign -- NAME [--rounds N] [--seed S] [--only KIND[,KIND]] [--group G [--round R]]');
  console.error(`campaigns and their kinds:\n${all.join('\n')}`);
  process.exit(values.help ? 0 : 2);
}

console.log(`campaign ${name}, seed ${values.seed}`);
const results = await runCampaign({
  campaign: name,
  seed: values.seed,
  kinds,
  rounds: values.rounds === undefined ? undefined : Number(values.rounds),
  group: values.group === undefined ? undefined : Number(values.group),
  round: values.round === undefined ? undefined : Number(values.round),
  progress: (text) => process.stderr.isTTY && console.error(text),
  finished: (result) => print(result, values.seed),
});
const failed = results.reduce((sum, result) => sum + result.failed, 0);
const passed = results.reduce((sum, result) => sum + result.passed, 0);
console.log(`${passed} rounds passed, ${failed} failed, seed ${values.seed}`);
process.exit(failed > 0 ? 1 : 0);

function print({ kind, passed: good, failed: bad, seconds, counts, failures }: KindResult, seed: string): void {
  const rate = `${((good + bad) / seconds).toFixed(1)} a second`;
  console.log(`${kind.padEnd(9)} ${good} passed, ${bad} failed, ${seconds.toFixed(1)} s, ${rate}`);
  for (const [word, count] of [...counts].sort(([a], [b]) => (a < b ? -1 : 1)))
    console.log(`          ${word}: ${count}`);
  for (const failure of failures) {
    const group = failure.seed.slice(failure.seed.lastIndexOf('/') + 1);
    const rounds = values.rounds === undefined ? '' : ` --rounds ${values.rounds}`;
    const round = failure.number === undefined ? '' : ` --round ${failure.number}`;
    const again = `--only ${kind} --seed ${seed} --group ${group}${round}${rounds}`;
    console.log(`  FAILED ${failure.round}`);
    console.log(`    again: npm run campaign -- ${name} ${again}`);
    if (failure.kept !== undefined) console.log(`    kept:  ${failure.kept}`);
    console.log(failure.error.split('\n').slice(0, 30).join('\n').replaceAll(/^/gm, '    '));
  }
}
