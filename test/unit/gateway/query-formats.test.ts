import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { pour } from '../../../gateway/src/commands/pour.ts';
import { readingsCsv, text } from '../../../gateway/src/query/csv.ts';
import { formatted } from '../../../gateway/src/query/formats.ts';

const reading = { series: 'a', time: 0, value: 1.5, quality: 'good', clock: 'device' } as const;

async function* pages(...lists: object[][]): AsyncGenerator<readonly object[]> {
  yield* lists;
}

async function textOf(format: 'csv' | 'json' | 'ndjson', ...lists: object[][]): Promise<string> {
  let all = '';
  for await (const piece of formatted(pages(...lists), format, 'readings')) all += piece;
  return all;
}

describe('rows as text', () => {
  it('are CSV whose cells a spreadsheet does not run', () => {
    for (const [value, cell] of [
      ['plain', 'plain'],
      ['a,b', '"a,b"'],
      ['say "x"', '"say ""x"""'],
      ['two\nlines', '"two\nlines"'],
      ['=SUM(A1)', "'=SUM(A1)"],
      ['@x', "'@x"],
      ['+49 30 1234', "'+49 30 1234"],
      ['-', "'-"],
      ['-5.5', '-5.5'],
      ['+1e5', '+1e5'],
      ['\t=1', "'\t=1"],
      ['=1,"2"', `"'=1,""2"""`],
      ['', ''],
    ])
      assert.equal(text(value), cell, JSON.stringify(value));
    assert.equal(
      readingsCsv.line({ ...reading, value: -5, anomaly: 0.75, stale: true, unit: '=m' }),
      "a,1970-01-01T00:00:00.000Z,-5,'=m,good,device,0.75,true\r\n",
    );
    assert.equal(
      readingsCsv.line({ ...reading, time: 9e15, value: false }),
      'a,9000000000000000,false,,good,device,,\r\n',
    );
  });

  it('are JSON that parses, with rows and without', async () => {
    const b = { ...reading, series: 'b' };
    for (const [lists, expected] of [
      [[], []],
      [[[]], []],
      [
        [[reading], [], [b]],
        [reading, b],
      ],
    ] as [object[][], object[]][]) {
      assert.deepEqual(JSON.parse(await textOf('json', ...lists)), expected);
      const lines = (await textOf('ndjson', ...lists)).split('\n');
      assert.equal(lines.pop(), '');
      assert.deepEqual(
        lines.map((line): unknown => JSON.parse(line)),
        expected,
      );
    }
    assert.equal(await textOf('csv'), readingsCsv.header);
  });
});

function made(): { texts: AsyncGenerator<string>; state: { given: number; ended: boolean } } {
  const state = { given: 0, ended: false };
  async function* texts(): AsyncGenerator<string> {
    try {
      for (;;) {
        state.given++;
        yield 'x';
      }
    } finally {
      state.ended = true;
    }
  }
  return { texts: texts(), state };
}

describe('pouring', () => {
  it('goes no faster than its reader', async () => {
    const { texts, state } = made();
    const waiting: ((error?: Error) => void)[] = [];
    const out = new Writable({ write: (_chunk, _encoding, callback) => void waiting.push(callback) });
    const poured = pour(texts, out);
    for (let taken = 0; taken < 5; taken++) {
      await new Promise(setImmediate);
      assert.equal(state.given, taken + 1);
      waiting.shift()!();
    }
    await new Promise(setImmediate);
    waiting.shift()!(Object.assign(new Error('gone'), { code: 'EPIPE' }));
    assert.equal(await poured, false);
    assert.ok(state.ended);
  });

  it('ends quietly when the reader has gone, and loudly when the disk is full', async () => {
    for (const code of ['EPIPE', 'ENOSPC']) {
      const { texts, state } = made();
      const out = new Writable({
        write: (_chunk, _encoding, callback) =>
          callback(state.given < 3 ? null : Object.assign(new Error(code), { code })),
      });
      if (code === 'EPIPE') assert.equal(await pour(texts, out), false);
      else await assert.rejects(pour(texts, out), { code });
      assert.deepEqual(state, { given: 3, ended: true });
    }
  });
});
