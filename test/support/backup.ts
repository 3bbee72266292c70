import { execFileSync } from 'node:child_process';
import path from 'node:path';
import type { Reading } from '@tidegate/nodes/reading';
import { encodeCbor, type InventoryItems, type InventoryKind, openVault, type Vault } from '@tidegate/nodes/vault';
import { Program } from './process.ts';

/** Runs the gateway's command line from its sources to its end. */
export async function cli(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<{ code: number | null; output: string }> {
  const program = startCli(args, env);
  return { code: await program.ended(), output: program.output() };
}

export function startCli(args: readonly string[], env: NodeJS.ProcessEnv = {}): Program {
  return Program.node(`tidegate ${args[0]}`, 'gateway/src/main.ts', args, { env });
}

export const openGatewayVault = (directory: string, keyFile = path.join(directory, 'keys/vault.key')): Promise<Vault> =>
  openVault({ directory: path.join(directory, 'vault'), key: { file: keyFile } });

export interface AgeKey {
  file: string;
  recipient: string;
}

/** A key pair made by the stock tool. */
export function ageKey(directory: string, name: string): AgeKey {
  const file = path.join(directory, name);
  execFileSync('age-keygen', ['-o', file], { stdio: 'ignore' });
  return { file, recipient: execFileSync('age-keygen', ['-y', file], { encoding: 'utf8' }).trim() };
}

const START = Date.UTC(2026, 4, 1);

/** Readings that are hard to write down: words with commas and line ends, odd times, numbers at the edges. */
export function oddReadings(): Reading[] {
  const base = { quality: 'good', clock: 'device' } as const;
  return [
    { ...base, series: 'odd/words', time: START, value: 'a "quoted", word\nin two lines\r\n' },
    { ...base, series: 'odd/words', time: START + 1, value: '' },
    { ...base, series: 'odd/words', time: START + 2, value: '12.5', unit: '' },
    { ...base, series: 'odd, "series"', time: START + 0.25, value: -0, unit: '°C', quality: 'bad' },
    { ...base, series: 'odd/numbers', time: -1, value: 1e-18, clock: 'gateway' },
    { ...base, series: 'odd/numbers', time: START, value: 1.7976931348623157e308, anomaly: 0.125 },
    { ...base, series: 'odd/numbers', time: START + 1, value: 0.1 + 0.2, stale: true },
    { ...base, series: 'odd/switch', time: START, value: true, quality: 'uncertain' },
    { ...base, series: 'odd/switch', time: START + 1, value: false },
  ];
}

export function plainReadings(count: number, seriesCount: number, from = 0): Reading[] {
  return Array.from({ length: count }, (_, i) => ({
    series: `site/line${(from + i) % seriesCount}/temperature`,
    time: START + 1_000 * (from + i),
    value: Math.round(2_000 + 300 * Math.sin((from + i) / 500) + ((from + i) % 7)) / 100,
    quality: 'good' as const,
    clock: 'device' as const,
    unit: '°C',
  }));
}

const ALERT_ID = 'ab'.repeat(16);

/** Puts something of every kind into a vault: readings of two doors, of which the last `recent` are in no saved state. */
export async function fillVault(vault: Vault, readings = 5_000, recent = 700): Promise<void> {
  await vault.journal.append({ source: 'door', readings: oddReadings() });
  for (let at = 0; at < readings; at += 1_000) {
    const source = at % 2_000 === 0 ? 'door' : 'other door';
    await vault.journal.append({ source, readings: plainReadings(Math.min(1_000, readings - at), 7, at) });
  }
  await vault.journal.append({ source: 'door', readings: [], receipts: [1n, 2n ** 63n, 77n], cause: 12 });
  await vault.journal.append({
    source: 'door',
    readings: [],
    rejections: [
      { code: 'unreadable', reason: 'no JSON', topic: 'a/b', head: Buffer.from('{'), size: 1, time: START },
      { code: 'too-large', reason: 'large', topic: 'a/c', head: Buffer.from('x'), size: 9_999, time: START + 1 },
    ],
  });
  const { head } = vault.journal;
  const at = (name: string): number => vault.series.number(name);
  await vault.commit([
    { kind: 'consumer', consumer: 'detect:1', replayFrom: head - recent },
    { kind: 'consumer', consumer: 'summary/60', replayFrom: head - 10 },
    ...[1, 2].map((line) => ({
      kind: 'checkpoint' as const,
      consumer: 'detect:1',
      series: at(`site/line${line}/temperature`),
      position: head - line,
      state: Buffer.from(`state ${line}`),
    })),
    {
      kind: 'checkpoint',
      consumer: 'summary/60',
      series: at('site/line3/temperature'),
      position: head - 5,
      state: Buffer.from('an open window'),
    },
    { kind: 'document', namespace: 'shared', key: 'stock', value: { count: 12, when: START, raw: Buffer.from('bin') } },
    { kind: 'document', namespace: 'grants', key: 'list', value: [{ series: 'site/#', purpose: 'operations' }] },
    ...[1, 2, 3].map((n) => ({ kind: 'block' as const, stream: 'operations/60', body: Buffer.alloc(100, n) })),
    { kind: 'blocks-acknowledged', stream: 'operations/60', ranges: [[1, 1]] },
    { kind: 'alert', id: ALERT_ID, revision: 1, body: encodeCbor({ not: 'of this version' }) },
    { kind: 'alert', id: 'cd'.repeat(16), revision: 2, body: Buffer.from('a second one') },
  ]);
}

/** Items of one kind as a vault holds them. */
export async function itemsOf<Kind extends InventoryKind>(vault: Vault, kind: Kind): Promise<InventoryItems[Kind][]> {
  const cut = await vault.cut();
  try {
    const all: InventoryItems[Kind][] = [];
    for await (const { items } of cut.pages(kind)) all.push(...items);
    return all;
  } finally {
    await cut.close();
  }
}

/** Readings by series, without what belongs to a place in a vault. */
export async function readingsOf(vault: Vault, below = Infinity): Promise<Map<string, Reading[]>> {
  const all = new Map<string, Reading[]>();
  const series = [...vault.series.entries()].map(({ name }) => name);
  for await (const page of vault.query({ series, below })) {
    for (const { position: _, ...reading } of page) {
      const list = all.get(reading.series) ?? [];
      list.push(reading);
      all.set(reading.series, list);
    }
  }
  return all;
}
