import assert from 'node:assert/strict';
import fc from 'fast-check';
import { cellsOf, metricsOf, numberText, timeOf } from '../../../gateway/src/replay/csv.ts';
import { mergeByTime, type Row } from '../../../gateway/src/replay/merge.ts';
import { progressLine } from '../../../gateway/src/replay/progress.ts';
import { checkTemplate, topicFrom } from '../../../gateway/src/replay/template.ts';

async function* rows(list: number[]): AsyncGenerator<Row> {
  for (const time of list) yield { time, stamp: '', values: [] };
}

describe('recordings', () => {
  it('give times as they are written in the wild', () => {
    const noon = Date.UTC(2026, 10, 21, 12, 0, 0);
    for (const text of [
      '2026-11-21 12:00:00',
      '2026-11-21T12:00:00Z',
      '2026-11-21T12:00',
      '2026-11-21T14:00:00+02:00',
      '2026-11-21 12:00:00.000',
      String(noon),
      String(noon / 1000),
    ])
      assert.equal(timeOf(text), noon, text);
    assert.equal(timeOf('2026-11-21'), Date.UTC(2026, 10, 21));
    for (const text of ['', 'noon', '12', '2026-13-40 00:00:00', '21.11.2026 12:00'])
      assert.equal(timeOf(text), undefined, text);
  });

  it('keep the digits of their numbers', () => {
    for (const text of ['0.10', '-3', '1e-7', '12345678901234.5678']) assert.equal(numberText(text), text);
    assert.equal(numberText(' .5'), '0.5');
    assert.equal(numberText('+3'), '3');
    for (const text of ['', ' ', 'nan', 'Infinity', '1,5', 'off']) assert.equal(numberText(text), undefined, text);
  });

  it('name their metrics in the first line', () => {
    assert.deepEqual(metricsOf('a.csv', 'timestamp,value'), ['value']);
    assert.deepEqual(metricsOf('a.csv', '\uFEFFTimestamp,"flow, total",level'), ['flow, total', 'level']);
    assert.throws(() => metricsOf('a.csv', '1,2'), /a\.csv: line 1: found "1,2", allowed: timestamp,value/);
  });

  it('may quote their cells', () => {
    assert.deepEqual(cellsOf('a,"b,""c""",,d'), ['a', 'b,"c"', '', 'd']);
  });

  it('are merged in the order of their times', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(fc.integer({ min: 0, max: 50 }))), async (times) => {
        const sorted = times.map((list) => list.toSorted((a, b) => a - b));
        const merged: { source: number; time: number }[] = [];
        for await (const { source, row } of mergeByTime(sorted.map((list, source) => ({ source, rows: rows(list) }))))
          merged.push({ source, time: row.time });
        const expected = sorted
          .flatMap((list, source) => list.map((time) => ({ source, time })))
          .toSorted((a, b) => a.time - b.time || a.source - b.source);
        assert.deepEqual(merged, expected);
      }),
      { numRuns: 100 },
    );
  });
});

describe('topic template', () => {
  it('fills places in and leaves empty levels out', () => {
    const template = 'site/{folder}/{file}/{metric}';
    assert.equal(topicFrom(template, { folder: 'a/b', file: 'pump', metric: 'flow' }), 'site/a/b/pump/flow');
    assert.equal(topicFrom(template, { folder: '', file: 'pump', metric: '' }), 'site/pump');
    assert.equal(topicFrom('{file}', { folder: '', file: 'a+b#', metric: '' }), 'a_b_');
  });

  it('says what is wrong with one', () => {
    assert.throws(() => checkTemplate('a/{series}'), /--topic: \{series\} is not known, allowed: \{file\}/);
    assert.throws(() => checkTemplate('a/#'), /# and \+/);
    assert.throws(() => checkTemplate('/'), /is empty/);
  });
});

describe('progress line', () => {
  it('fits its width', () => {
    assert.equal(progressLine(0.5, '5 sent', 40), `[${'='.repeat(12)}${' '.repeat(12)}]  50 % 5 sent`);
    for (const done of [0, 1, 7]) assert.ok(progressLine(done, 'x'.repeat(100), 60).length <= 60);
    assert.equal(progressLine(0.5, '5 sent', 0), progressLine(0.5, '5 sent', 80), 'a serial line has no width');
  });
});
