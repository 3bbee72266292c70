import { existsSync } from 'node:fs';

import { TideError, systemClock } from '@tidegate/nodes/node';
import type { Command } from 'commander';

import { gatewayView } from '../api/views.ts';
import { databaseFileOf, openCloudDirectory } from '../main.ts';
import { addDirectory } from './options.ts';

export function addGateways(program: Command): void {
  addDirectory(program.command('gateways'))
    .description('list the gateways that are enrolled')
    .option('--json', 'print JSON')
    .action(listGateways);
}

async function listGateways({ dir, json }: { dir: string; json?: boolean }): Promise<void> {
  if (!existsSync(databaseFileOf(dir)))
    throw new TideError('no-cloud', `${dir} holds no cloud; "tidegate-cloud run --dir ${dir}" makes one`);
  const { store } = openCloudDirectory(dir);
  try {
    const views = (await store.gateways()).map((facts) => gatewayView(facts, undefined, systemClock.now()));
    if (json === true) {
      process.stdout.write(`${JSON.stringify({ gateways: views })}\n`);
      return;
    }
    const rows = views.map(({ gateway, online, lastSeen, series, parts, blocksMissing, openAlerts, forks }) => [
      gateway,
      online ? 'online' : lastSeen === null ? 'never seen' : `last seen ${new Date(lastSeen).toISOString()}`,
      ...[series, parts, blocksMissing, openAlerts, forks].map(String),
    ]);
    process.stdout.write(table([['gateway', 'state', 'series', 'parts', 'missing', 'alerts', 'forks'], ...rows]));
  } finally {
    await store.close();
  }
}

function table(rows: readonly string[][]): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column]))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}
