import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Reading } from '@tidegate/nodes/reading';
import { encodeSummary, foldSummaries, WindowAccumulator, type Summary } from '@tidegate/nodes/summary';
import type { Vault } from '@tidegate/nodes/vault';
import { LadderPlan } from '../../nodes/src/summary/ladder.ts';
import { Summarizer } from '../../nodes/src/summary/summarizer.ts';
import { TemporaryVault } from '../support/temporary-vault.ts';
import { journalOf, reading } from '../support/vault.ts';

const RESOLUTIONS = [60, 900, 3600, 86_400];
const SERIES = ['a', 'b', 'c'];
/** An hour before midnight (UTC), so that all lengths close. */
const START = Date.UTC(2026, 10, 2, 23);

/** Summaries by series, length and window, in hexadecimal. */
type Totals = Map<string, string>;

/** A stretch of readings, seconds; what happens after it. */
interface Stretch {
  seconds: number;
  /** Of a hundred readings so many are a minute late. */
  late: number;
  after: 'go on' | 'save' | 'save what is wanted' | 'die' | 'die and reopen';
}

const stretches: fc.Arbitrary<Stretch[]> = fc.array(
  fc.record({
    seconds: fc.integer({ min: 5, max: 1_500 }),
    late: fc.constantFrom(0, 5),
    after: fc.constantFrom('go on', 'save', 'save what is wanted', 'die', 'die and reopen'),
  }),
  { minLength: 4, maxLength: 10 },
);

/** A summarizer on a real vault that is killed at any point: what it had not committed is gone. */
class Restarts {
  private readonly folder: TemporaryVault;
  private vault: Vault;
  private now = START;
  private readonly parts = new Map<string, Summary[]>();
  private readonly all: Reading[] = [];
  private summarizer!: Summarizer;
  private seed = 1;

  private constructor(folder: TemporaryVault, vault: Vault) {
    this.folder = folder;
    this.vault = vault;
  }

  static async begin(folder: TemporaryVault): Promise<Restarts> {
    const restarts = new Restarts(folder, await folder.open());
    await restarts.start();
    return restarts;
  }

  async run({ seconds, late, after }: Stretch): Promise<void> {
    for (let second = 0; second < seconds; second += 10) {
      this.now += 10_000;
      const taken = SERIES.map((series): Reading =>
        reading(series, this.random(4_000) / 100, { time: this.now - (this.random(100) < late ? 60_000 : 500) }),
      );
      const first = await this.vault.journal.append({ source: 'door', readings: taken });
      for (const [i, one] of taken.entries()) this.add({ ...one, position: first + i });
      await this.summarizer.close();
    }
    if (after === 'save') await this.summarizer.save();
    if (after === 'save what is wanted') {
      const { head } = this.vault.journal;
      await this.summarizer.saveBelow(head, 2);
      assert.equal(await this.vault.checkpoints.replayFrom(), head, 'no journal is kept for what is saved');
    }
    if (after === 'die and reopen') {
      await this.vault.close();
      this.folder.forget(this.vault);
      this.vault = await this.folder.open();
    }
    if (after === 'die' || after === 'die and reopen') await this.start();
  }

  async end(): Promise<{ made: Totals; expected: Totals }> {
    await this.summarizer.closeAll();
    return {
      made: new Map([...this.parts].map(([key, parts]) => [key, hex(foldSummaries(parts))])),
      expected: expectedOf(this.all),
    };
  }

  private async start(): Promise<void> {
    const { vault } = this;
    this.summarizer = await Summarizer.open(
      {
        vault,
        outgoing: {
          commitParts: async (parts, resolution, alongside) => {
            await vault.commit(alongside);
            for (const { series, windowStart, summary } of parts) {
              const key = `${vault.series.name(series)} ${resolution} ${windowStart}`;
              this.parts.set(key, [...(this.parts.get(key) ?? []), summary]);
            }
            return { sealed: parts.length, withheld: 0 };
          },
        },
        plan: new LadderPlan(RESOLUTIONS),
        grace: 2_000,
        clock: { now: () => this.now, monotonic: () => this.now },
      },
      { closed: () => undefined, refused: () => undefined },
    );
    const from = await vault.checkpoints.replayFrom();
    for (const one of await journalOf(vault, undefined, 1_000, from)) this.summarizer.add(one);
  }

  private add(one: Reading): void {
    this.all.push(one);
    this.summarizer.add(one);
  }

  private random(below: number): number {
    this.seed = (Math.imul(this.seed, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((this.seed / 2 ** 32) * below);
  }
}

const hex = (summary: Summary): string => Buffer.from(encodeSummary(summary)).toString('hex');

function expectedOf(readings: readonly Reading[]): Totals {
  const windows = new Map<string, WindowAccumulator>();
  for (const one of readings)
    for (const resolution of RESOLUTIONS) {
      const start = Math.floor(one.time / (resolution * 1000)) * resolution * 1000;
      const key = `${one.series} ${resolution} ${start}`;
      const window = windows.get(key) ?? new WindowAccumulator();
      windows.set(key, window);
      window.add(one);
    }
  return new Map([...windows].map(([key, window]) => [key, hex(window.summary())]));
}

describe('a summarizer that is started again, on a real vault', function () {
  this.timeout(120_000);

  it('has each reading once in every length, wherever it was stopped', async () => {
    await fc.assert(
      fc.asyncProperty(stretches, async (list) => {
        const folder = await TemporaryVault.make();
        try {
          const restarts = await Restarts.begin(folder);
          for (const stretch of list) await restarts.run(stretch);
          const { made, expected } = await restarts.end();
          assert.deepEqual(made, expected);
        } finally {
          await folder.remove();
        }
      }),
      { numRuns: 5 },
    );
  });
});
