import assert from 'node:assert/strict';
import { Grants } from '@tidegate/nodes/privacy';
import type { Outgoing } from '@tidegate/nodes/sync';
import { GAP_COUNTER, GAPS, GapBook, type Gap, type Loss, type SeriesCatalogue } from '@tidegate/nodes/vault';
import { gapForCloud } from '../../../nodes/src/sync/gap-wire.ts';
import { Simulation } from './simulation.ts';
import { VaultRig, part } from './rig.ts';

const MINUTE = 60_000;
const loss = (count: number, change: Partial<Loss> = {}): Loss => ({
  at: 1_700_000_000_000,
  cause: 'quota',
  what: 'readings',
  count,
  timeFrom: 0,
  timeTo: 1000,
  series: 'all',
  coarsest: 60,
  ...change,
});

const gap = (change: Partial<Gap> = {}): Gap => ({
  ...loss(100, { positions: [1, 100] }),
  id: 1,
  last: 1,
  writer: '0'.repeat(32),
  ...change,
});

describe('telling the cloud what was given up', function () {
  this.timeout(20_000);
  let rig: VaultRig;
  let simulation: Simulation;
  let outgoing: Outgoing;
  let book: GapBook;

  beforeEach(async () => {
    rig = await VaultRig.open();
    simulation = new Simulation(rig.vault);
    await simulation.start(1_000);
    outgoing = await simulation.outgoing();
    await outgoing.grant('#');
    await outgoing.commitParts([part(rig.vault, 'line1/a', 1, 1)], 60, []);
    book = await openBook();
  });
  afterEach(() => rig.close());

  const openBook = async (): Promise<GapBook> => {
    const stored = (await rig.vault.documents.list(GAPS)).map(({ value }) => value);
    const next = await rig.vault.documents.get(GAP_COUNTER.namespace, GAP_COUNTER.key);
    return new GapBook(rig.vault.incarnation, stored, next);
  };
  const declare = async (...losses: Loss[]): Promise<void> => {
    await rig.vault.commit(book.declare(losses).changes);
  };
  const known = (): number[][] => [...simulation.cloud.gaps.values()].map(({ id, last, count }) => [id, last, count!]);

  it('does so until it is acknowledged, and then no more, also after a restart', async () => {
    await declare(loss(5), loss(7, { cause: 'damaged', timeFrom: 9e9, timeTo: 9e9 }));
    simulation.connect();
    await simulation.run(5 * MINUTE);
    assert.deepEqual(known(), [
      [1, 1, 5],
      [2, 2, 7],
    ]);
    assert.equal(simulation.cloud.gapFrames, 1);
    simulation.crash();
    await rig.reopen();
    simulation = new Simulation(rig.vault, 2, simulation.clock, simulation.cloud);
    await simulation.start(1_000);
    simulation.connect();
    await simulation.run(5 * MINUTE);
    assert.equal(simulation.cloud.gapFrames, 1);
  });

  it('says it again when a gap has grown, though the engine tells nobody of its commits', async () => {
    simulation.connect();
    await simulation.run(MINUTE);
    await declare(loss(5));
    await simulation.run(2 * MINUTE);
    await declare(loss(3));
    await simulation.run(2 * MINUTE);
    assert.deepEqual(known(), [[1, 2, 8]]);
    assert.equal(simulation.cloud.gapFrames, 2);
  });

  it('says it at once when it hears of it', async () => {
    simulation.hearsOfGaps = true;
    simulation.connect();
    await simulation.run(MINUTE / 10);
    await declare(loss(5));
    await simulation.run(1_000);
    assert.deepEqual(known(), [[1, 1, 5]]);
  });

  it('gets through loss, repetition and reordering, all of 300 of them', async () => {
    simulation.weather = { loss: 0.4, twice: 0.3, delay: [5, 3_000] };
    await declare(...Array.from({ length: 300 }, (_, i) => loss(i + 1, { at: 86_400_000 * (10_000 + i) })));
    simulation.connect();
    await simulation.run(60 * MINUTE, () => simulation.cloud.gaps.size === 300);
    assert.equal(simulation.cloud.gaps.size, 300);
    await simulation.run(60 * MINUTE);
    const frames = simulation.cloud.gapFrames;
    await simulation.run(60 * MINUTE);
    assert.equal(simulation.cloud.gapFrames, frames);
  });

  it('bothers a cloud that knows no gaps less and less, and sends everything else', async () => {
    simulation.cloud.takesGaps = false;
    await declare(loss(5));
    simulation.connect();
    await simulation.run(120 * MINUTE);
    assert.ok(simulation.cloud.gapFrames < 25, `${simulation.cloud.gapFrames} frames`);
    assert.deepEqual(simulation.cloud.numbers('operations/60'), [1]);
    simulation.cloud.takesGaps = true;
    await simulation.run(30 * MINUTE);
    assert.deepEqual(known(), [[1, 1, 5]]);
  });

  it('waits for a grant', async () => {
    await outgoing.revoke('#');
    await declare(loss(5));
    simulation.connect();
    await simulation.run(5 * MINUTE);
    assert.equal(simulation.cloud.gapFrames, 0);
    await outgoing.grant('line1/#');
    await simulation.run(5 * MINUTE);
    assert.deepEqual(known(), [[1, 1, 5]]);
  });

  it('forgets what it told of a gap that has become part of another', async () => {
    simulation.connect();
    book = new GapBook(rig.vault.incarnation, [], 1, 1);
    await declare(loss(5));
    await simulation.run(2 * MINUTE);
    await declare(loss(5, { at: 1_800_000_000_000 }));
    await simulation.run(2 * MINUTE);
    assert.deepEqual(known(), [[1, 2, 10]]);
    assert.deepEqual(await rig.vault.documents.list('gap-told'), [{ key: '000000000001', value: 2 }]);
  });
});

describe('what may be said of a gap', () => {
  const names = ['line1/a', 'line1/b', 'office/person'];
  const entries = names.map((name, i) => ({ number: i + 1, name, kind: 'number' as const }));
  const series: SeriesCatalogue = {
    number: (name) => names.indexOf(name) + 1,
    name: (number) => names[number - 1],
    entries: () => entries.values(),
    entry: (number) => entries[number - 1],
  };
  const grants = new Grants([{ series: 'line1/#', purpose: 'operations', since: 1 }]);
  const none = new Grants([]);
  const all = new Grants([{ series: '#', purpose: 'operations', since: 1 }]);
  it('is nothing without a grant', () => {
    assert.equal(gapForCloud(gap(), none, series), undefined);
    assert.equal(gapForCloud(gap({ series: [3] }), grants, series), undefined);
    assert.equal(gapForCloud(gap({ what: 'blocks', stream: 'research/60' }), grants, series), undefined);
    assert.equal(gapForCloud(gap({ what: 'alerts' }), none, series), undefined);
  });

  it('names series with a grant only, and counts only where all have one', () => {
    const mixed = gapForCloud(gap({ series: [1, 3] }), grants, series);
    assert.deepEqual([mixed?.series, mixed?.count], [[1], undefined]);
    const some = gapForCloud(gap(), grants, series);
    assert.deepEqual([some?.series, some?.count], [undefined, undefined]);
    const allowed = gapForCloud(gap({ series: [1, 2] }), grants, series);
    assert.deepEqual([allowed?.series, allowed?.count], [[1, 2], 100]);
    const whole = gapForCloud(gap(), all, series);
    assert.deepEqual([whole?.series, whole?.count], ['all', 100]);
  });

  it('never holds journal positions, which would tell how much the site measures', () => {
    for (const said of [gapForCloud(gap(), all, series), gapForCloud(gap(), grants, series)])
      assert.ok(said !== undefined && !('positions' in said));
  });

  it('holds the numbers of blocks, which the cloud knew before', () => {
    const said = gapForCloud(gap({ what: 'blocks', stream: 'operations/60', blocks: [[1, 9]] }), grants, series);
    assert.deepEqual([said?.blocks, said?.count], [[[1, 9]], 100]);
  });
});
