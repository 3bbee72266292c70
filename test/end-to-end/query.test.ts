import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import type { Reading } from '@tidegate/nodes/reading';
import type { SummaryRow } from '@tidegate/nodes/summary';
import { openVault } from '@tidegate/nodes/vault';
import { CLI, LoneGateway, tidegate } from '../support/gateway.ts';

const START = Date.UTC(2026, 4, 1, 6);
const COUNT = 6_000;

/** A reading a second of each of three series. */
function* readings(): Generator<Reading> {
  for (let i = 0; i < COUNT; i++)
    for (const series of ['line1/pump/temperature', 'line1/pump/pressure', 'line2/label'])
      yield {
        series,
        time: START + i * 1000,
        value: series === 'line2/label' ? (i === 0 ? '=1+1' : 'a "b", c') : (i % 600) / 10,
        quality: 'good',
        clock: 'device',
        ...(series === 'line1/pump/pressure' && { unit: 'bar' }),
      };
}

interface Run {
  code: number | null;
  out: string;
  errors: string;
}

/** What a shell command with `tidegate` in it writes; the exit code is that of tidegate, whatever comes behind it. */
async function shell(command: string): Promise<Run> {
  const text = `set -o pipefail; tidegate() { '${process.execPath}' '${CLI}' "$@"; }; ${command}`;
  return new Promise((resolve) => {
    execFile('bash', ['-c', text], { maxBuffer: 1 << 26, encoding: 'utf8' }, (error, out, errors) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, errors }),
    );
  });
}

describe('tidegate query', function () {
  this.timeout(120_000);
  let gateway: LoneGateway;
  const ask = (options: string): Promise<Run> => shell(`tidegate query '${gateway.directory}' ${options}`);

  before(async () => {
    gateway = await LoneGateway.make();
    const vault = await openVault({
      directory: path.join(gateway.directory, 'vault'),
      key: { file: path.join(gateway.directory, 'keys/vault.key') },
    });
    await vault.journal.append({ source: 'test', readings: [...readings()] });
    await vault.close();
  });
  after(() => gateway?.close());

  for (const running of [false, true]) {
    describe(running ? 'while the gateway runs' : 'while it does not run', () => {
      before(async () => {
        if (running) await gateway.start();
      });

      it('writes every reading of the series that a glob covers, as CSV', async () => {
        const { code, out, errors } = await ask(`--series 'line1/**'`);
        assert.deepEqual([code, errors], [0, '']);
        const lines = out.split('\r\n');
        assert.equal(lines.pop(), '');
        assert.equal(lines.shift(), 'series,time,value,unit,quality,clock,anomaly,stale');
        assert.equal(lines.length, 2 * COUNT);
        assert.equal(lines[0], 'line1/pump/pressure,2026-05-01T06:00:00.000Z,0,bar,good,device,,');
        assert.equal(lines[COUNT + 1], 'line1/pump/temperature,2026-05-01T06:00:01.000Z,0.1,,good,device,,');
      });

      it('quotes texts, and defuses those that a spreadsheet would run', async () => {
        const { out } = await ask(`--series line2/label --limit 2`);
        assert.deepEqual(out.split('\r\n').slice(1, 3), [
          `line2/label,2026-05-01T06:00:00.000Z,'=1+1,,good,device,,`,
          `line2/label,2026-05-01T06:00:01.000Z,"a ""b"", c",,good,device,,`,
        ]);
      });

      it('takes a span of time, several series and a limit', async () => {
        const { code, out, errors } = await ask(
          `--series line1/pump/temperature 'line2/*' --from 2026-05-01T06:00:10Z --to ${START + 20_000} --format ndjson`,
        );
        assert.deepEqual([code, errors], [0, '']);
        const rows = out
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line) as Reading);
        assert.deepEqual(
          rows.map(({ series, time }) => [series, time]),
          ['line1/pump/temperature', 'line2/label'].flatMap((series) =>
            Array.from({ length: 10 }, (_, i) => [series, START + 10_000 + i * 1000]),
          ),
        );
        const cut = await ask(`--series '**' --limit 700 --format ndjson`);
        assert.equal(cut.code, 0);
        assert.equal(cut.out.trim().split('\n').length, 700);
        assert.match(cut.errors, /^tidegate: stopped at the limit of 700 rows; there are more$/m);
      });

      it('writes summaries of windows', async () => {
        const { code, out } = await ask(`--series line1/pump/pressure --resolution 1h --format json`);
        assert.equal(code, 0);
        const rows = JSON.parse(out) as SummaryRow[];
        assert.deepEqual(
          rows.map(({ series, unit, from, to, count, sum, min, max, last }) => [
            series,
            unit,
            from,
            to,
            count,
            sum,
            min,
            max,
            last,
          ]),
          [
            ['line1/pump/pressure', 'bar', START, START + 3_600_000, 3600, '107820', 0, 59.9, 59.9],
            ['line1/pump/pressure', 'bar', START + 3_600_000, START + 7_200_000, 2400, '71880', 0, 59.9, 59.9],
          ],
        );
        const csv = await ask(`--series line1/pump/pressure --resolution 1d`);
        assert.match(
          csv.out,
          /^series,from,to,unit,count,numeric,sum,.*\r\nline1\/pump\/pressure,2026-05-01T00:00:00\.000Z,2026-05-02T00:00:00\.000Z,bar,6000,/,
        );
      });

      it('ends quietly when its reader has seen enough', async () => {
        const { code, out, errors } = await ask(`--series '**' | head -n 1`);
        assert.deepEqual([code, errors], [0, '']);
        assert.match(out, /^series,time,/);
        // The vault is free again.
        assert.equal((await tidegate('status', gateway.directory)).code, 0);
      });

      it('says that there is no such series', async () => {
        const { code, out, errors } = await ask(`--series nothing/at/all --format json`);
        assert.deepEqual([code, out], [0, '[]\n']);
        assert.match(errors, /no series of this vault matches nothing\/at\/all/);
      });
    });
  }

  describe('of a time of which a month was shredded', () => {
    let shredded: LoneGateway;

    before(async () => {
      shredded = await LoneGateway.make();
      const vault = await openVault({
        directory: path.join(shredded.directory, 'vault'),
        key: { file: path.join(shredded.directory, 'keys/vault.key') },
      });
      for (const number of [2, 4]) {
        const made = Array.from({ length: 1_000 }, (_, i): Reading => {
          const series = i % 4 === 0 ? 'a/flow' : 'a/level';
          return { series, time: Date.UTC(2026, number, 10) + i * 1000, value: i, quality: 'good', clock: 'device' };
        });
        await vault.journal.append({ source: 'test', readings: made });
        await vault.fold();
      }
      await vault.close();
      const { code, output } = await tidegate('key', 'shred', shredded.directory, '--before', '2026-04', '--yes');
      assert.equal(code, 0, output);
    });
    after(() => shredded?.close());

    for (const running of [false, true])
      it(`says what is missing, and only there, ${running ? 'while the gateway runs' : 'at rest'}`, async () => {
        if (running) await shredded.start();
        const ask = (options: string): Promise<Run> =>
          shell(`tidegate query '${shredded.directory}' --series ${options}`);
        const span = '2026-03-10T00:00:00.000Z to 2026-03-10T00:16:39.000Z';
        const all = await ask(`'**' --format ndjson`);
        assert.equal(all.out.trim().split('\n').length, 1_000);
        assert.equal(
          all.errors,
          `tidegate: not all that was stored is in the answer: 1,000 readings shredded (${span})\n`,
        );
        const one = await ask(`a/flow --from 2026-03-01 --to 2026-04-01 --format json`);
        assert.deepEqual([one.code, one.out], [0, '[]\n']);
        assert.match(one.errors, /^tidegate: nothing of this series in this time$/m);
        assert.ok(one.errors.includes(`up to 1,000 readings shredded (${span})`), one.errors);
        const hours = await ask(`'**' --from 2026-03-10T00:10:00Z --resolution 1h`);
        assert.ok(hours.errors.includes(`: 1,000 readings shredded (${span})`), hours.errors);
        for (const whole of [`'**' --from 2026-04-01`, `'**' --to 2026-03-10`, 'nothing/at/all'])
          assert.doesNotMatch((await ask(whole)).errors, /shredded/, whole);
      });
  });

  it('refuses a wrong command line with exit code 2', async () => {
    for (const [options, says] of [
      ['', /--series <glob\.\.\.>/],
      ['--series a --from yesterday', /from is "yesterday"; allowed are ISO 8601/],
      ['--series a --resolution 2d', /resolution is "2d"/],
      ['--series a --limit none', /limit is "none"/],
      ['--series a --format xml', /xml/],
      [`--series 'a/#/b'`, /has # before its end/],
      ['--series a --from now --to -1h', /from .* is after to/],
    ] as const) {
      const { code, errors } = await ask(options);
      assert.equal(code, 2, options);
      assert.match(errors, says);
    }
  });

  describe('whose reader stands still', () => {
    it('leaves a gateway that its reader has left, and that is stopped, in good order', async () => {
      // A reader that takes nothing: the answer waits in the gateway.
      const slow = spawn(process.execPath, [CLI, 'query', gateway.directory, '--series', '**'], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let said = '';
      slow.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
      try {
        await once(slow.stdout, 'readable');
        assert.equal((await tidegate('status', gateway.directory)).code, 0);
        assert.equal(await gateway.program!.stop(), 0, gateway.program!.output());
        // Whoever reads on finds that it is not the whole answer.
        slow.stdout.resume();
        assert.deepEqual(await once(slow, 'exit'), [1, null]);
        assert.match(said, /the gateway broke its answer off/);
      } finally {
        slow.kill('SIGKILL');
      }
    });
  });
});
