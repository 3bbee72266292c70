import { addReading, emptySummary, encodeBlock, streamOf, type Part } from '@tidegate/nodes/summary';
import type { Alert } from '@tidegate/nodes/detect';
import { GAPS, GAP_COUNTER, GapBook, type Range } from '@tidegate/nodes/vault';
import type { Random } from '../random.ts';
import type { Gateway } from './gateway.ts';
import { sha256, type MadePart } from './ledger.ts';

const SERIES = ['line1/pump/temperature', 'line1/pump/pressure', 'hall/co2', 'door/open'] as const;
const RESOLUTIONS = [60, 900, 3600] as const;
const PURPOSE = 'operations';
/** Windows of a resolution that parts fall into, late ones and all. */
const WINDOWS = 6;

/** The flow of a gateway: what it seals, raises and gives up. */
export class Flow {
  /** Blocks were given up; in a vault whose quota is reached its engine does that, and counts them as such. */
  gaveUp = false;
  private readonly gateway: Gateway;
  private readonly random: Random;
  private alerts = 0;
  private readonly open = new Map<string, Alert>();

  constructor(gateway: Gateway, random: Random) {
    this.gateway = gateway;
    this.random = random;
  }

  /** Seals a block of one resolution. */
  async seal(): Promise<void> {
    const { random, gateway } = this;
    const { watched: vault, outgoing, auditor, contested } = gateway;
    // The ledger knows one block for each number: what would be lost of two is for a person to say.
    if (vault === undefined || outgoing === undefined || contested !== undefined) return;
    const resolution = random.pick([60, 60, 60, ...RESOLUTIONS]);
    const many = random.chance(0.05);
    const made: MadePart[] = [];
    const parts: Part[] = [];
    for (const series of SERIES) {
      for (let window = 0; window < (many ? 10 : 1); window++) {
        if (!many && !random.chance(0.5)) continue;
        const windowStart = 1_699_200_000_000 + (random.below(WINDOWS) + WINDOWS * window) * resolution * 1000;
        const part = { series: vault.series.number(series), windowStart, summary: this.summary(series, windowStart) };
        parts.push(part);
        made.push({ series, resolution, windowStart, summary: part.summary });
      }
    }
    if (parts.length === 0) return;
    auditor.intended.set(sha256(encodeBlock(parts)), made);
    await outgoing.commitParts(parts, resolution, [], PURPOSE);
  }

  /** Raises an alert, or closes one that is open. */
  async alert(): Promise<void> {
    const { random, gateway, open } = this;
    const closes = open.size > 0 && random.chance(0.4) ? random.pick([...open.values()]) : undefined;
    const alert: Alert =
      closes === undefined
        ? {
            id: (++this.alerts).toString(16).padStart(32, gateway.name === 'north' ? 'a' : 'b'),
            revision: 1,
            series: random.pick(SERIES),
            time: 1_700_000_000_000 + this.alerts,
            state: 'open',
            severity: 'warning',
            kind: 'limits',
            value: random.below(1000) / 10,
            text: 'too hot',
          }
        : { ...closes, revision: closes.revision + 1, state: 'closed', closed: closes.time + 1000 };
    if (closes === undefined) open.set(alert.id, alert);
    else open.delete(alert.id);
    await gateway.outgoing?.commitAlert(alert, []);
  }

  /** Gives up the oldest blocks of a stream and declares it, as a vault does whose quota is reached. */
  async giveUp(): Promise<void> {
    const { gateway } = this;
    const { watched: vault, auditor, contested } = gateway;
    if (vault === undefined || contested !== undefined) return;
    const stream = streamOf(PURPOSE, 60);
    const backlog = (await vault.outbox.streams()).find((candidate) => candidate.stream === stream);
    if (backlog === undefined || backlog.count < 2) return;
    const oldest = await vault.outbox.peek(stream, 'oldest', [], 400);
    const ranges = oldest.map(({ number }): Range => [number, number]);
    const book = new GapBook(
      vault.incarnation,
      (await vault.documents.list(GAPS)).map(({ value }) => value),
      await vault.documents.get(GAP_COUNTER.namespace, GAP_COUNTER.key),
    );
    const { changes } = book.declare([
      {
        at: gateway.clock.now(),
        cause: 'quota',
        what: 'blocks',
        count: ranges.length,
        timeFrom: 1_699_200_000_000,
        timeTo: 1_699_300_000_000,
        stream,
        blocks: ranges.map(([from, to]) => [from, to]),
        series: 'all',
      },
    ]);
    auditor.givingUp.set(stream, ranges);
    this.gaveUp = true;
    await vault.commit([{ kind: 'blocks-acknowledged', stream, ranges }, ...changes]);
  }

  private summary(series: string, windowStart: number) {
    const { random } = this;
    let summary = emptySummary();
    const count = random.between(1, 3);
    for (let i = 0; i < count; i++) {
      const time = windowStart + random.below(60_000);
      const value = series === 'door/open' ? random.chance(0.5) : random.between(-50_000, 50_000) / 100;
      summary = addReading(summary, {
        series,
        time,
        value,
        quality: 'good',
        clock: 'device',
        position: random.between(1, 1e6),
      });
    }
    return summary;
  }
}
