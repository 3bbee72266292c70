import assert from 'node:assert/strict';
import path from 'node:path';
import { TideError } from '@tidegate/nodes/node';
import { askControl, askControlLines } from '../../../gateway/src/control/http-ask.ts';
import { ControlServer } from '../../../gateway/src/control/http-control.ts';
import type { Controlled, Line } from '../../../gateway/src/control/requests.ts';
import { eventually } from '../../support/eventually.ts';
import { temporaryDirectory } from '../../support/gateway.ts';

const outcome = { count: 0, series: 1, complete: true };

/** Answers of one kind, and how far they got. */
class Pages {
  given = 0;
  ended = 0;
  private readonly end: number;
  private readonly failure: Error | undefined;

  constructor(end: number, failure?: Error) {
    this.end = end;
    this.failure = failure;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<readonly object[]> {
    try {
      while (this.given < this.end) {
        yield [{ number: this.given++, filling: 'x'.repeat(10_000) }];
        // As a page that comes out of another thread.
        await new Promise(setImmediate);
      }
      if (this.failure !== undefined) throw this.failure;
    } finally {
      this.ended++;
    }
  }
}

describe('long answers over the control socket', () => {
  let home: { path: string; remove: () => void };
  let socket: string;
  let server: ControlServer;
  let pages: Pages;

  beforeEach(async () => {
    home = temporaryDirectory('control');
    socket = path.join(home.path, 'control.sock');
    const gateway = { grants: async () => [], query: () => ({ pages, outcome }) };
    server = new ControlServer(gateway as unknown as Controlled, socket);
    await server.start();
  });
  afterEach(async () => {
    await server.stop();
    home.remove();
  });

  const ask = async (): Promise<AsyncGenerator<Line>> => {
    const lines = await askControlLines(socket, 'POST', '/query', { series: ['a'] });
    assert.ok(lines !== undefined);
    return lines;
  };

  it('come whole and in order, whatever their size', async () => {
    pages = new Pages(300);
    const numbers: unknown[] = [];
    let end: object | undefined;
    for await (const line of await ask()) {
      if ('rows' in line) numbers.push(...line.rows.map((row) => (row as { number: number }).number));
      if ('end' in line) end = line.end;
    }
    assert.deepEqual(
      numbers,
      Array.from({ length: 300 }, (_, i) => i),
    );
    assert.deepEqual(end, outcome);
  });

  it('are made no faster than they are read, and end when the reader goes away', async () => {
    pages = new Pages(Infinity);
    const lines = await ask();
    await lines.next();
    let before = -1;
    await eventually('it waits for the reader', async () => {
      const still = pages.given === before;
      before = pages.given;
      return still;
    });
    // What the buffers of both ends and the system hold.
    assert.ok(pages.given < 1_000, `${pages.given} pages of 10 kB`);
    assert.deepEqual(await askControl(socket, 'GET', '/grants'), { grants: [] });
    await lines.return(undefined);
    await eventually('the reading has ended', () => pages.ended === 1);
  });

  it('say why they broke off', async () => {
    pages = new Pages(3, new TideError('io', 'the card does not answer'));
    let rows = 0;
    await assert.rejects(
      async () => {
        for await (const line of await ask()) if ('rows' in line) rows++;
      },
      { code: 'io', message: 'the card does not answer' },
    );
    assert.equal(rows, 3);
  });

  it('are refused before they begin, as short ones are', async () => {
    await assert.rejects(askControlLines(socket, 'POST', '/query', { series: [''] }), { code: 'bad-query' });
    await assert.rejects(askControlLines(socket, 'POST', '/nothing'), { code: 'unknown-request' });
  });

  it('are four at a time', async () => {
    pages = new Pages(Infinity);
    const four = await Promise.all([ask(), ask(), ask(), ask()]);
    for (const lines of four) await lines.next();
    await assert.rejects(ask(), { code: 'busy' });
    await four[0].return(undefined);
    await eventually('there is room again', async () => {
      const lines = await ask();
      await lines.return(undefined);
      return true;
    });
    for (const lines of four) await lines.return(undefined);
  });

  it('are cut off when the gateway stops, which waits for their reading to end', async () => {
    pages = new Pages(Infinity);
    const lines = await ask();
    await lines.next();
    await server.stop();
    assert.equal(pages.ended, 1);
    await assert.rejects(
      async () => {
        while ((await lines.next()).done !== true);
      },
      { code: 'cut-off' },
    );
    assert.equal(await askControlLines(socket, 'POST', '/query', { series: ['a'] }), undefined);
  });
});
