import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import type { DrillResult } from '../../gateway/src/drill/drill-result.ts';
import { Program, root } from '../support/process.ts';

const CLI = path.join(root, 'gateway/bin/tidegate.js');

describe('tidegate drill outage', function () {
  this.timeout(120_000);
  let temporary: string;

  beforeEach(() => {
    temporary = mkdtempSync(path.join(os.tmpdir(), 'tidegate-drills-'));
  });

  afterEach(() => rmSync(temporary, { recursive: true, force: true }));

  const drill = (...options: string[]): Program =>
    new Program('drill', process.execPath, [CLI, 'drill', 'outage', ...options], { env: { TMPDIR: temporary } });

  it('closes a gap of a day, says how, and leaves nothing behind', async () => {
    const log = path.join(temporary, 'packets.csv');
    const program = drill('--days', '1', '--series', '10', '--link', '100mbit,5ms', '--packets', log, '--json');
    const result = await program.json<DrillResult>();
    assert.equal(await program.ended(), 0, program.output());
    const { complete, upToDate, frames, wire, alerts } = result;
    assert.deepEqual(
      complete.map(({ resolution, parts }) => [resolution, parts]),
      [
        [86_400, 10],
        [3_600, 240],
        [900, 960],
        [60, 14_400],
      ],
    );
    for (const { seconds } of complete)
      assert.ok(seconds !== null && seconds >= result.connected && seconds <= upToDate!);
    assert.ok(frames.sent > 0 && frames.again === 0);
    assert.ok(wire.up > 14_400 * 5 && wire.bytesAWindow! > 5);
    assert.ok(alerts !== null && alerts.p50 >= 5, 'no alert is faster than the link');
    assert.deepEqual(readdirSync(temporary), ['packets.csv']);
    const [head, ...rows] = readFileSync(log, 'utf8').trim().split('\r\n');
    assert.equal(head, 'ms,event,connection,frame,bytes');
    const kinds = rows.map((row) => row.split(',').slice(1, 4).join(' '));
    for (const row of ['raised 0 alert', 'sent 1 hello', 'arrived 1 fill']) assert.ok(kinds.includes(row), row);
    assert.ok(kinds.some((row) => /^arrived \d alert$/.test(row)));
    assert.equal(result.overtaking!.alerts, alerts.raised);
  });

  it('cleans up when it is broken off', async () => {
    const program = drill('--days', '30', '--series', '100');
    await program.line((line) => line.includes('of disk'));
    while (readdirSync(temporary).length === 0) await new Promise((resolve) => setTimeout(resolve, 50));
    const [place] = readdirSync(temporary);
    while (!existsSync(path.join(temporary, place, 'vault'))) await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(await program.stop(), 1, program.output());
    assert.match(program.output(), /broken off/);
    assert.deepEqual(readdirSync(temporary), []);
  });

  it('refuses kindly what it cannot do', async () => {
    const link = drill('--link', '10mbit');
    assert.equal(await link.ended(), 2);
    assert.match(link.output(), /--link: found "10mbit", allowed: CAPACITY,DELAY/);
    const vast = drill('--days', '366', '--series', '10000');
    assert.equal(await vast.ended(), 1);
    assert.match(vast.output(), /needs \d+ MB .* are free: take fewer --days or --series/);
    const nowhere = drill('--directory', path.join(temporary, 'none'));
    assert.equal(await nowhere.ended(), 1);
    assert.match(nowhere.output(), /holds no gateway.yaml/);
    assert.deepEqual(readdirSync(temporary), []);
  });
});
