import type { SeriesDescription } from '@tidegate/nodes/vault';
import type { Command } from 'commander';

import { control } from './control.ts';

interface Options {
  json?: true;
}

export function seriesCommand(program: Command): void {
  const series = program
    .command('series')
    .summary('say what happened to a series: renamed, sensor replaced, retired')
    .description(
      'What people say of series, beside what their readings say themselves. Nothing that was measured is changed by it; the cloud is told of series that a grant lets leave.',
    );
  series
    .command('list')
    .description('show all series, with what is said of them')
    .argument('<dir>', 'directory of the gateway')
    .option('--json', 'print one line of JSON')
    .action(async (directory: string, options: Options) => {
      const { series: all } = await control<{ series: SeriesDescription[] }>(directory, 'GET', '/series');
      if (options.json === true) console.log(JSON.stringify(all));
      else if (all.length === 0) console.log('No series has come yet.');
      else for (const one of all) console.log(lineOf(one));
    });
  series
    .command('rename')
    .description('what was called OLD is called NEW from now on: NEW shows what came under OLD, OLD is retired')
    .argument('<dir>', 'directory of the gateway')
    .argument('<old>', 'name so far')
    .argument('<new>', 'name from now on; it may have come already')
    .action(async (directory: string, old: string, to: string) => {
      await control(directory, 'PUT', '/series/name', { series: old, to });
      console.log(`"${to}" goes on from "${old}". What came under the old name stays under it and under its grants.`);
    });
  series
    .command('separate')
    .description('take a renaming back: NEW and what it was called before are series of their own again')
    .argument('<dir>', 'directory of the gateway')
    .argument('<new>', 'the newer name')
    .action(async (directory: string, name: string) => {
      await control(directory, 'DELETE', '/series/name', { series: name });
      console.log(`"${name}" is a series of its own again.`);
    });
  series
    .command('replace')
    .description('another sensor measures a series from now on: what detection learnt of the old one is forgotten')
    .argument('<dir>', 'directory of the gateway')
    .argument('<series>', 'name of the series')
    .argument('<sensor>', 'the new sensor, e.g. its serial number')
    .action(async (directory: string, name: string, sensor: string) => {
      await control(directory, 'PUT', '/series/sensor', { series: name, sensor });
      console.log(`"${name}" is measured by ${sensor} from now on.`);
    });
  series
    .command('retire')
    .description('nothing more is expected of a series: its alerts close, and its silence is no alarm')
    .argument('<dir>', 'directory of the gateway')
    .argument('<series>', 'name of the series')
    .action(async (directory: string, name: string) => {
      await control(directory, 'PUT', '/series/retired', { series: name });
      console.log(`"${name}" is retired. A reading that comes all the same is kept and judged like any other.`);
    });
  series
    .command('revive')
    .description('take a retirement back')
    .argument('<dir>', 'directory of the gateway')
    .argument('<series>', 'name of the series')
    .action(async (directory: string, name: string) => {
      await control(directory, 'DELETE', '/series/retired', { series: name });
      console.log(`"${name}" is expected to go on.`);
    });
}

function lineOf({ series, kind, unit, sensor, continues, retired }: SeriesDescription): string {
  const about = [
    kind === undefined ? 'nothing has come yet' : `${kind}${unit === undefined ? '' : ` in ${unit}`}`,
    ...(sensor ? [`measured by ${sensor.id} since ${dateOf(sensor.since.time)}`] : []),
    ...(continues === undefined ? [] : [`goes on from ${continues}`]),
    ...(retired ? [`retired since ${dateOf(retired.time)}`] : []),
  ];
  return `${series}  ${about.join(', ')}`;
}

const dateOf = (time: number): string => new Date(time).toISOString();
