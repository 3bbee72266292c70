/** Fills a vault with what must not be found on the disk. As a program it does so, prints `filled`, and waits to be killed. */
import { setTimeout as sleep } from 'node:timers/promises';
import { openVault, type Vault } from '@tidegate/nodes/vault';
import { reading } from './vault.ts';

/** Each stands for one kind of thing that a vault keeps. */
export const NEEDLES = [
  'needle-series/line1',
  'needle-unit',
  'needle-word',
  'needle-source',
  'needle-topic',
  'needle-reason',
  'needle-head',
  'needle-consumer',
  'needle-state',
  'needle-stream',
  'needle-block',
  'needle-alert-id',
  'needle-alert-body',
  'needle-namespace',
  'needle-key',
  'needle-value',
] as const;

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text.repeat(20));

export async function fill(vault: Vault, round: number): Promise<void> {
  for (let i = 0; i < 40; i++) {
    await vault.journal.append({
      source: 'needle-source',
      readings: [
        reading('needle-series/line1', 271828.1828, { unit: 'needle-unit' }),
        reading('needle-series/line1', 31415.9265),
        reading(`needle-series/line1/${i}`, 'needle-word'),
      ],
      receipts: [BigInt(i)],
      cause: i,
      rejections: [
        {
          code: 'unreadable',
          reason: 'needle-reason',
          topic: 'needle-topic',
          head: bytes('needle-head'),
          size: 1,
          time: 1,
        },
      ],
    });
    await vault.commit([
      { kind: 'checkpoint', consumer: 'needle-consumer', series: 1, position: i, state: bytes('needle-state') },
      { kind: 'consumer', consumer: 'needle-consumer', replayFrom: 1 },
      { kind: 'block', stream: 'needle-stream', body: bytes('needle-block') },
      { kind: 'alert', id: `needle-alert-id${round}-${i}`, revision: 1, body: bytes('needle-alert-body') },
      {
        kind: 'document',
        namespace: 'needle-namespace',
        key: `needle-key${i}`,
        value: { 'needle-value': 'needle-value' },
      },
    ]);
  }
}

if (process.argv[1] === import.meta.filename) {
  const [directory, file] = process.argv.slice(2);
  const vault = await openVault({ directory, key: { file } });
  await fill(vault, 1);
  console.log('filled');
  await sleep(2 ** 30);
}
