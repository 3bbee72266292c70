import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import type { Reading } from '@tidegate/nodes/reading';
import { encodeSummary, foldSummaries, WindowAccumulator, type Summary } from '@tidegate/nodes/summary';
import { LadderPlan } from '../../../nodes/src/summary/ladder.ts';
import { OwnedSummarizer } from '../../../nodes/src/summary/owned-summarizer.ts';
import { parseRules } from '../../../nodes/src/summary/rules.ts';
import { StateTrace } from '../../../nodes/src/summary/states.ts';
import { Summarizer, type ClosedPart } from '../../../nodes/src/summary/summarizer.ts';
import { CONSUMER, rungConsumer } from '../../../nodes/src/summary/window-checkpoints.ts';
import { windowsTally } from '../../../nodes/src/summary/windows-codec.ts';
import { Disk, MemoryVault } from './memory-vault.ts';

/** Windows of two and four minutes are folded from those of one, and those of three from readings. */
const LADDERS = [[60], [60, 120, 240], [120, 180]];
const LENGTH = 60_000;
const START = 1_780_000_200_000 - (1_780_000_200_000 % 720_000);
const MINUTES = new LadderPlan([60]);

class ManualClock {
  wall = START;
  now = (): number => this.wall;
  monotonic = (): number => this.wall - START;
}

const hex = (summary: Summary): string => Buffer.from(encodeSummary(summary)).toString('hex');
const SILENT = { closed: () => undefined, refused: () => undefined };

/** What every window of every series has to fold to, computed from the journal alone. */
function truth(journal: readonly Reading[]): Map<string, string> {
  const windows = new Map<string, WindowAccumulator>();
  const traces = new Map<string, StateTrace>();
  for (const reading of journal) {
    const trace = traces.get(reading.series) ?? new StateTrace();
    traces.set(reading.series, trace);
    const held = trace.next(reading.time, reading.value);
    for (const resolution of [60, 120, 180, 240]) {
      const key = `${reading.series} ${resolution} ${Math.floor(reading.time / (resolution * 1000))}`;
      const window = windows.get(key) ?? new WindowAccumulator();
      windows.set(key, window);
      window.add(reading, held);
    }
  }
  return new Map([...windows].map(([key, window]) => [key, hex(window.summary())]));
}

/** What the cloud would fold from the blocks on the disk. */
function folded(disk: Disk): Map<string, string> {
  const windows = new Map<string, Summary[]>();
  for (const { resolution, parts } of disk.blocks)
    for (const { series, windowStart, summary } of parts) {
      const key = `${disk.names[series - 1]} ${resolution} ${windowStart / (resolution * 1000)}`;
      windows.set(key, [...(windows.get(key) ?? []), summary]);
    }
  return new Map([...windows].map(([key, parts]) => [key, hex(foldSummaries(parts))]));
}

type Step =
  | { do: 'read'; series: number; minute: number; value: Reading['value'] }
  | { do: 'advance'; seconds: number }
  | { do: 'close' | 'save' | 'hold' }
  | { do: 'retire' }
  | { do: 'settle'; happens: boolean }
  | { do: 'crash'; done: number };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 10,
      arbitrary: fc.record({
        do: fc.constant('read' as const),
        series: fc.integer({ min: 1, max: 3 }),
        minute: fc.integer({ min: 0, max: 4 }),
        value: fc.oneof(
          fc.integer({ min: -500, max: 500 }).map((cents) => cents / 100),
          fc.constantFrom(true, false, 'run', 'stop'),
        ),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constant('advance' as const), seconds: fc.integer({ min: 1, max: 90 }) }),
    },
    { weight: 6, arbitrary: fc.record({ do: fc.constantFrom('close' as const, 'save' as const, 'hold' as const) }) },
    { weight: 6, arbitrary: fc.record({ do: fc.constant('settle' as const), happens: fc.boolean() }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('crash' as const), done: fc.integer({ min: 0, max: 3 }) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('retire' as const) }) },
  ),
  { minLength: 10, maxLength: 80 },
);

/** A gateway in small: a journal, a clock, and a summarizer that is killed and started again. */
class World {
  readonly disk = new Disk();
  readonly journal: Reading[] = [];
  readonly clock = new ManualClock();
  vault = new MemoryVault(this.disk);
  summarizer!: Summarizer;
  private wakeAt: number | undefined;
  private readonly plan: LadderPlan;

  constructor(resolutions: readonly number[] = [60]) {
    this.plan = new LadderPlan(resolutions);
  }

  async start(): Promise<void> {
    this.vault = new MemoryVault(this.disk);
    const { clock, vault, wakeAt, plan } = this;
    this.summarizer = await Summarizer.open(
      { vault: vault.asVault(), outgoing: vault, plan, grace: 2000, clock, wakeAt },
      SILENT,
    );
    this.wakeAt = undefined;
    const { replayFrom } = this.disk.consumers.get(CONSUMER)!;
    for (const reading of this.journal) if (reading.position! >= replayFrom) this.summarizer.add(reading);
  }

  async step(step: Step): Promise<void> {
    const { vault, summarizer, clock } = this;
    if (step.do === 'read') {
      const time = START + step.minute * LENGTH + (this.journal.length % LENGTH);
      const position = this.journal.length + 1;
      const reading: Reading = {
        series: `s${step.series}`,
        time,
        value: step.value,
        quality: 'good',
        clock: 'device',
        position,
      };
      this.journal.push(reading);
      summarizer.add(reading);
    } else if (step.do === 'advance') clock.wall += step.seconds * 1000;
    else if (step.do === 'hold') vault.held = true;
    else if (step.do === 'settle') vault.settle(step.happens);
    else if (step.do === 'close') summarizer.close().catch(() => undefined);
    else if (step.do === 'save') summarizer.saveDue(0, 2).catch(() => undefined);
    else if (step.do === 'retire') await this.retire();
    else if (step.do === 'crash') {
      vault.crash(step.done);
      await this.start();
    }
    // Whatever was set free by this step goes as far as it can.
    await setImmediate();
  }

  /** The node is removed, and later another takes its place. */
  async retire(): Promise<void> {
    await this.quiet();
    await this.summarizer.retire((wakeAt) => {
      this.wakeAt = wakeAt;
      return [];
    });
    await this.start();
  }

  async quiet(): Promise<void> {
    this.vault.held = false;
    while (this.vault.waiting > 0) {
      this.vault.settle(true);
      await setImmediate();
    }
  }
}

describe('summarizer', () => {
  it('puts every reading into exactly one part, whatever fails, crashes or is held back', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...LADDERS), steps, async (resolutions, list) => {
        const world = new World(resolutions);
        await world.start();
        for (const step of list) await world.step(step);
        await world.quiet();
        await world.summarizer.closeAll();
        const expected = [...truth(world.journal)].filter(([key]) => resolutions.includes(Number(key.split(' ')[1])));
        assert.deepEqual(folded(world.disk), new Map(expected));
        for (const { parts } of world.disk.blocks)
          assert.equal(new Set(parts.map(({ series, windowStart }) => `${series} ${windowStart}`)).size, parts.length);
        assert.equal(world.summarizer.openWindows, 0);
      }),
      { numRuns: 300 },
    );
  });

  it('does not save a series behind the back of a close that then fails', async () => {
    const world = new World();
    await world.start();
    const script: Step[] = [
      { do: 'read', series: 1, minute: 0, value: 1 },
      { do: 'advance', seconds: 63 },
      { do: 'hold' },
      { do: 'close' },
      { do: 'read', series: 1, minute: 1, value: 2 },
      { do: 'save' },
      { do: 'settle', happens: false },
      { do: 'settle', happens: true },
      { do: 'crash', done: 0 },
    ];
    for (const step of script) await world.step(step);
    await world.quiet();
    await world.summarizer.closeAll();
    assert.deepEqual(total(world.disk, 60), 2);
  });

  it('says what it closed only after the commit, and once', async () => {
    const world = new World();
    await world.start();
    const said: ClosedPart[] = [];
    const vault = new MemoryVault(world.disk);
    const summarizer = await Summarizer.open(
      { vault: vault.asVault(), outgoing: vault, plan: MINUTES, grace: 0, clock: world.clock },
      { ...SILENT, closed: (_resolution, parts) => said.push(...parts) },
    );
    summarizer.add({ series: 'a', time: START, value: 1, quality: 'good', clock: 'device', position: 1 });
    vault.held = true;
    world.clock.wall += LENGTH;
    const first = summarizer.close();
    await setImmediate();
    assert.equal(said.length, 0);
    vault.settle(false);
    await assert.rejects(first, /the disk refused/);
    assert.deepEqual([said.length, summarizer.openWindows], [0, 1]);
    const second = summarizer.close();
    await setImmediate();
    vault.settle(true);
    await second;
    assert.deepEqual([said.length, summarizer.openWindows, said[0].name, said[0].summary.count], [1, 0, 'a', 1]);
  });

  it('presses out the windows that were quiet the longest when there are too many', async () => {
    const world = new World();
    const vault = new MemoryVault(world.disk);
    const summarizer = await Summarizer.open(
      { vault: vault.asVault(), outgoing: vault, plan: MINUTES, grace: 0, clock: world.clock, maxOpen: 100 },
      SILENT,
    );
    for (let i = 0; i < 101; i++) {
      assert.equal(summarizer.pressed, false);
      world.clock.wall++;
      summarizer.add({ series: `s${i}`, time: START, value: i, quality: 'good', clock: 'device', position: i + 1 });
    }
    assert.equal(summarizer.pressed, true);
    await summarizer.close();
    assert.deepEqual([summarizer.pressed, summarizer.openWindows], [false, 90]);
    const closed = world.disk.blocks.flatMap(({ parts }) => parts.map(({ series }) => world.disk.names[series - 1]));
    assert.deepEqual(
      closed,
      Array.from({ length: 11 }, (_, i) => `s${i}`),
    );
  });

  it('saves a coarse rung only when a finer window was folded into it', async () => {
    const world = new World([60, 120, 240]);
    await world.start();
    const saved = (resolution: number): string => {
      const [row] = world.disk.consumers.get(rungConsumer(resolution))?.series.values() ?? [];
      return Buffer.from(row?.state ?? []).toString('hex');
    };
    const minute = async (minute: number): Promise<string[]> => {
      await world.step({ do: 'read', series: 1, minute, value: minute });
      world.clock.wall = START + minute * LENGTH + 3000;
      await world.step({ do: 'close' });
      return [saved(120), saved(240)];
    };
    const [first, second, third, fourth] = [await minute(0), await minute(1), await minute(2), await minute(3)];
    assert.deepEqual(first, ['', '']);
    assert.notEqual(second[0], first[0]);
    assert.equal(third[0].slice(2), '00', 'its window closed');
    assert.notEqual(third[1], second[1], 'into this one');
    assert.notEqual(fourth[0], third[0]);
    assert.equal(fourth[1], third[1]);
    const { replayFrom } = world.disk.consumers.get(rungConsumer(240))!;
    assert.equal(replayFrom, 2 ** 52, 'no journal is kept for it');
  });

  it('lets nothing of a coarse rung come back whose finer windows are lost', async () => {
    const world = new World([60, 120, 240]);
    await world.start();
    for (const minute of [0, 1]) await world.step({ do: 'read', series: 1, minute, value: minute });
    world.clock.wall = START + LENGTH + 3000;
    await world.step({ do: 'close' });
    // As after a damage: everything is read again from the low-watermark of that time.
    world.disk.consumers.get(CONSUMER)!.series.clear();
    world.disk.consumers.get(CONSUMER)!.replayFrom = 1;
    for (let starts = 0; starts < 2; starts++) {
      await world.start();
      await world.step({ do: 'save' });
    }
    await world.summarizer.closeAll();
    assert.equal(total(world.disk, 240), 2);
  });

  it('leaves out retained messages, and skips what it has counted', async () => {
    const world = new World();
    await world.start();
    const reading: Reading = { series: 'a', time: START, value: 1, quality: 'good', clock: 'device', position: 1 };
    world.summarizer.add({ ...reading, stale: true });
    world.summarizer.add({ ...reading, position: 2 });
    world.summarizer.add({ ...reading, position: 2 });
    await world.summarizer.closeAll();
    assert.deepEqual(
      world.disk.blocks.map(({ parts }) => parts[0].summary.count),
      [1],
    );
  });
});

const open = (vault: MemoryVault, shared: ReturnType<MemoryVault['asVault']>, owner: string, resolutions: number[]) =>
  OwnedSummarizer.open(
    {
      vault: shared,
      outgoing: vault,
      owner,
      plan: new LadderPlan(resolutions),
      grace: 0,
      clock: new ManualClock(),
      saveInterval: 600_000,
    },
    SILENT,
  );
const readings = Array.from({ length: 120 }, (_, i): Reading => ({
  series: 'a',
  time: START - (START % 3_600_000) + i * 1000,
  value: i / 10,
  quality: 'good',
  clock: 'device',
  position: i + 1,
}));
const total = (disk: Disk, resolution: number): number =>
  disk.blocks
    .filter((block) => block.resolution === resolution)
    .reduce((sum, { parts }) => sum + parts.reduce((count, { summary }) => count + summary.count, 0), 0);

const partsOf = (disk: Disk, resolution: number): Summary[] =>
  disk.blocks
    .filter((block) => block.resolution === resolution)
    .flatMap((block) => block.parts.map(({ summary }) => summary));

describe('the summarizer of a node', () => {
  it('makes a day of minutes, quarters and hours that fold into one another to the byte', async () => {
    const disk = new Disk();
    const vault = new MemoryVault(disk);
    const set = await open(vault, vault.asVault(), 'n1', [60, 900, 3600, 86_400]);
    const midnight = START - (START % 86_400_000);
    for (let i = 0; i < 1440 * 4; i++)
      set.add({
        series: 'a',
        time: midnight + i * 15_000,
        value: Math.round(1e4 * Math.sin(i)) / 10 ** (i % 5),
        quality: i % 97 === 0 ? 'uncertain' : 'good',
        clock: 'device',
        position: i + 1,
      });
    await set.stop(true);
    const [minutes, quarters, hours, days] = [60, 900, 3600, 86_400].map((resolution) => partsOf(disk, resolution));
    assert.deepEqual([minutes.length, quarters.length, hours.length, days.length], [1440, 96, 24, 1]);
    for (const [i, hour] of hours.entries()) {
      assert.equal(hex(foldSummaries(minutes.slice(60 * i, 60 * i + 60))), hex(hour));
      assert.equal(hex(foldSummaries(quarters.slice(4 * i, 4 * i + 4))), hex(hour));
    }
    assert.equal(hex(foldSummaries(minutes)), hex(days[0]));
    assert.equal(hex(foldSummaries(hours)), hex(days[0]));
  });

  it('refuses a vault whose readings another node summarises, until that one stops', async () => {
    const vault = new MemoryVault(new Disk());
    const shared = vault.asVault();
    const first = await open(vault, shared, 'n1', [60]);
    await assert.rejects(open(vault, shared, 'n2', [900]), { code: 'summaries-taken', message: /n1/ });
    await first.stop(false);
    await (await open(vault, shared, 'n2', [900, 60])).stop(false);
  });

  it('goes on where a removed node ended: nothing is counted twice', async () => {
    const disk = new Disk();
    const vault = new MemoryVault(disk);
    const first = await open(vault, vault.asVault(), 'n1', [60]);
    for (const reading of readings.slice(0, 70)) first.add(reading);
    await first.stop(true);
    assert.equal(disk.consumers.get(CONSUMER)?.replayFrom, 2 ** 52);
    const second = await open(vault, vault.asVault(), 'n2', [60]);
    for (const reading of readings) second.add(reading);
    await second.stop(true);
    assert.equal(total(disk, 60), 120);
  });

  it('closes what is open when its ladder changes, and counts on in the new one', async () => {
    const disk = new Disk();
    const vault = new MemoryVault(disk);
    const before = await open(vault, vault.asVault(), 'n1', [60, 3600]);
    for (const reading of readings.slice(0, 90)) before.add(reading);
    await before.stop(false);
    assert.deepEqual([total(disk, 60), total(disk, 3600)], [0, 0]);
    const after = await open(vault, vault.asVault(), 'n1', [900, 3600]);
    assert.deepEqual([total(disk, 60), total(disk, 900), total(disk, 3600)], [90, 0, 90]);
    for (const reading of readings) after.add(reading);
    await after.stop(true);
    assert.deepEqual([total(disk, 60), total(disk, 900), total(disk, 3600)], [90, 30, 120]);
    const { state } = [...disk.consumers.get(CONSUMER)!.series.values()][0];
    assert.deepEqual(windowsTally(state)?.lengths, [
      { resolution: 60, taken: 90, open: 0 },
      { resolution: 3600, taken: 120, open: 0 },
      { resolution: 900, taken: 30, open: 0 },
    ]);
  });

  it('gives each series the ladder of the first rule that covers it', async () => {
    const disk = new Disk();
    const vault = new MemoryVault(disk);
    const rules = parseRules([
      { series: 'slow/#', resolutions: '1h' },
      { series: '#', resolutions: '' },
    ]);
    const summarizer = await OwnedSummarizer.open(
      {
        vault: vault.asVault(),
        outgoing: vault,
        owner: 'n1',
        plan: new LadderPlan([60, 3600], rules),
        grace: 0,
        clock: new ManualClock(),
        saveInterval: 600_000,
      },
      SILENT,
    );
    for (const reading of readings) summarizer.add({ ...reading, series: reading.position! % 2 ? 'slow/a' : 'b' });
    await summarizer.stop(true);
    assert.deepEqual([total(disk, 60), total(disk, 3600)], [60, 120]);
  });

  it('says which rule is wrong and why', () => {
    for (const [rules, reason] of [
      [
        [{ series: '#' }, { series: 'a', resolutions: 'weekly' }],
        /rule 2: resolutions: "weekly" is not a window length/,
      ],
      [[{ series: 'a', width: 0 }], /rule 1: width/],
      [[{ series: 'a', width: 1e-30 }], /rule 1: width: .*1e-18/],
      [[{ series: '' }], /rule 1: series: series pattern is empty/],
      [[{ series: 'a', colour: 1 }], /rule 1: .*colour/],
      ['all', /rules: /],
    ] as const)
      assert.throws(() => parseRules(rules), { code: 'bad-rules', message: reason });
  });
});
