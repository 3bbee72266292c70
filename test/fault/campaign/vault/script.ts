import type { Quality, Reading } from '@tidegate/nodes/reading';
import type { Change, JournalBatch, Range } from '@tidegate/nodes/vault';
import { Random } from '../random.ts';
import type { WriterState } from './writer-state.ts';

/** What a writer does next. It follows from the seed, the writer, and what the writer has done before. */
export type Step =
  | { kind: 'append'; number: number; batch: JournalBatch }
  /** `refused`: the condition cannot hold, and nothing of it may be there afterwards. */
  | { kind: 'commit'; number: number; changes: Change[]; refused: boolean };

const START = Date.UTC(2025, 11, 20);
/** Months before which a shred may be: the last one takes all readings that there are. */
export const SHRED_BEFORE = ['2025-11', '2025-12', '2026-01'] as const;
const DAY = 86_400_000;
const UNITS = ['°C', 'bar', 'kWh', undefined] as const;
const WORDS = ['on', 'off', 'Tür offen', '', '機械', 'a long word that says what state the machine is in'] as const;
const QUALITIES: readonly Quality[] = ['good', 'good', 'good', 'uncertain', 'bad'];

export function stepOf(seed: string, writer: number, state: WriterState): Step {
  const number = state.next;
  const random = new Random(`${seed}/${writer}/${number}`);
  if (random.chance(0.55)) return { kind: 'append', number, batch: batchOf(random, writer, number) };
  const refused = random.chance(0.04);
  return { kind: 'commit', number, changes: changesOf(random, writer, number, state, refused), refused };
}

/** Eight bytes that no other publish has. */
function receipt(writer: number, number: number, index: number): bigint {
  return (BigInt(writer + 1) << 48n) | (BigInt(number) << 16n) | BigInt(index);
}

function batchOf(random: Random, writer: number, number: number): JournalBatch {
  const size = random.fraction();
  const most = size < 0.4 ? 3 : size < 0.8 ? 60 : size < 0.98 ? 600 : 5_000;
  const readings = Array.from({ length: random.between(1, most) }, (_, i) => readingOf(random, writer, number, i));
  const batch: JournalBatch = { source: `w${writer}`, readings };
  if (random.chance(0.5))
    batch.receipts = Array.from({ length: random.between(1, 8) }, (_, i) => receipt(writer, number, i));
  if (random.chance(0.3)) batch.cause = number;
  if (random.chance(0.1))
    batch.rejections = [
      {
        code: random.pick(['not-a-number', 'empty', 'unreadable']),
        reason: `reason ${number}`,
        topic: `w${writer}/${number}`,
        head: random.bytes(random.below(200)),
        size: random.below(5_000),
        time: START + number,
      },
    ];
  return batch;
}

function readingOf(random: Random, writer: number, number: number, index: number): Reading {
  const series = random.below(12);
  const late = random.chance(0.04) ? random.below(70 * DAY) : 0;
  const reading: Reading = {
    series: `w${writer}/s${series}`,
    time: START + number * 997 + index * 20 - late,
    value: valueOf(random, series),
    quality: random.pick(QUALITIES),
    clock: random.chance(0.5) ? 'device' : 'gateway',
  };
  const unit = UNITS[series % UNITS.length];
  if (unit !== undefined) reading.unit = random.chance(0.01) ? 'other' : unit;
  if (random.chance(0.01)) reading.anomaly = random.fraction();
  if (random.chance(0.01)) reading.stale = true;
  return reading;
}

function valueOf(random: Random, series: number): Reading['value'] {
  if (series === 10) return random.chance(0.5);
  if (series === 11) return random.pick(WORDS);
  if (series === 9) return random.pick([1e300, -5e-324, 0.1 + 0.2, -0, 2 ** 53, random.fraction() * 1e6]);
  if (series > 6) return random.between(-1000, 1000);
  return Math.round((20 + series + random.fraction()) * 100) / 100;
}

function changesOf(random: Random, writer: number, number: number, state: WriterState, refused: boolean): Change[] {
  const own = `w${writer}`;
  const before = refused ? 'never' : state.documents['last'];
  const changes: Change[] = [
    { kind: 'expect-document', namespace: own, key: 'last', value: before },
    { kind: 'document', namespace: own, key: 'last', value: number },
  ];
  for (let more = random.between(0, 6); more > 0; more--) changes.push(changeOf(random, writer, own, state));
  // A consumer that is known anew by a checkpoint would begin where the journal may have let go.
  return changes.sort((a, b) => Number(a.kind === 'forget-consumer') - Number(b.kind === 'forget-consumer'));
}

function changeOf(random: Random, writer: number, own: string, state: WriterState): Change {
  const kind = random.fraction();
  const numbers = state.blocks.map(([number]) => number);
  if (numbers.length > 40) return acknowledgement(random, own, numbers);
  if (kind < 0.3) return { kind: 'block', stream: own, body: random.bytes(random.between(1, 700)) };
  if (kind < 0.4 && numbers.length > 0) return acknowledgement(random, own, numbers);
  if (kind < 0.44 && numbers.length > 0)
    return {
      kind: 'rewrite-block',
      stream: own,
      number: random.pick(numbers),
      body: random.bytes(random.pick([0, 50])),
    };
  if (kind < 0.56) return alertOf(random, writer, state);
  if (kind < 0.62 && state.alerts.length > 0)
    return {
      kind: 'alerts-acknowledged',
      alerts: state.alerts.filter(() => random.chance(0.5)).map(([id, revision]) => ({ id, revision })),
    };
  if (kind < 0.78 && state.consumer !== null)
    return {
      kind: 'checkpoint',
      consumer: own,
      series: random.between(1, 8),
      position: Math.max(1, state.position),
      state: random.bytes(random.between(1, 500)),
    };
  // The journal lets go of what all consumers have passed: forward mostly, and never back before what may be gone.
  if (kind < 0.86) return { kind: 'consumer', consumer: own, replayFrom: nextWatermark(random, state) };
  if (kind < 0.875) return { kind: 'forget-consumer', consumer: own };
  return { kind: 'document', namespace: own, key: `k${random.below(8)}`, value: documentOf(random) };
}

function nextWatermark(random: Random, { consumer, position }: WriterState): number {
  if (consumer === null) return position + 1;
  return Math.max(consumer.replayFrom, position + 1 - random.pick([0, 0, 0, random.below(500)]));
}

function acknowledgement(random: Random, own: string, waiting: readonly number[]): Change {
  const from = random.pick(waiting);
  const ranges: Range[] = [[Math.max(1, from - random.below(3)), from + random.below(20)]];
  if (random.chance(0.3)) ranges.push([ranges[0][1] + 2, ranges[0][1] + 4]);
  return { kind: 'blocks-acknowledged', stream: own, ranges };
}

function alertOf(random: Random, writer: number, state: WriterState): Change {
  const body = random.bytes(random.between(1, 300));
  const known = state.alerts.length > 0 && random.chance(0.4) ? random.pick(state.alerts) : undefined;
  // The same revision again changes nothing, the next one is another alert.
  if (known !== undefined) return { kind: 'alert', id: known[0], revision: known[1] + random.below(2), body };
  const id = writer.toString(16).padStart(2, '0') + Buffer.from(random.bytes(15)).toString('hex');
  return { kind: 'alert', id, revision: 1, body };
}

function documentOf(random: Random): unknown {
  const kind = random.below(6);
  if (kind === 0) return undefined;
  if (kind === 1) return { list: [1, 2.5, 'three', null, true], deeper: { text: `${random.word()}` } };
  if (kind === 2) return Buffer.from(random.bytes(random.between(1, 9_000))).toString('hex');
  return random.between(-1e6, 1e6);
}
