import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Finding } from '@tidegate/nodes/vault';
import { openVault } from '@tidegate/nodes/vault';
import { LoneGateway, tidegate } from '../support/gateway.ts';

const START = Date.UTC(2026, 4, 1, 6);

describe('tidegate vault verify', function () {
  this.timeout(120_000);
  let gateway: LoneGateway;
  let segments: string;

  before(async () => {
    gateway = await LoneGateway.make();
    const directory = path.join(gateway.directory, 'vault');
    segments = path.join(directory, 'segments');
    const vault = await openVault({ directory, key: { file: path.join(gateway.directory, 'keys/vault.key') } });
    await vault.journal.append({
      source: 'test',
      readings: Array.from({ length: 5_000 }, (_, i) => ({
        series: `a/${i % 5}`,
        time: START + i * 100,
        value: (i * 7_919) % 1_000,
        quality: 'good',
        clock: 'device',
      })),
    });
    await vault.fold();
    await vault.close();
  });
  after(() => gateway?.close());

  it('finds nothing wrong with a vault that is whole', async () => {
    const { code, output } = await tidegate('vault', 'verify', gateway.directory);
    assert.equal(code, 0, output);
    assert.match(output, /Everything in the vault is as it was written/);
  });

  it('finds nothing wrong while the gateway runs', async () => {
    await gateway.start();
    const { code, output } = await tidegate('vault', 'verify', gateway.directory, '--json');
    assert.equal(code, 0, output);
    assert.equal((JSON.parse(output) as { damage: number }).damage, 0);
    assert.equal(await gateway.program!.stop(), 0);
  });

  it('is followed by a rebuild that finds everything again, and is refused while the gateway runs', async () => {
    const incarnation = async (): Promise<unknown> => {
      const { output: status } = await tidegate('status', gateway.directory, '--json');
      return (JSON.parse(status) as { vault: { incarnation: string } }).vault.incarnation;
    };
    const before = await incarnation();
    const { code, output } = await tidegate('vault', 'rebuild', gateway.directory, '--json');
    assert.equal(code, 0, output);
    const { readings, damaged } = JSON.parse(output) as { readings: number; damaged: number };
    assert.deepEqual([readings, damaged], [5_000, 0]);
    const again = await tidegate('vault', 'rebuild', gateway.directory);
    assert.match(again.output, /^ {2}readings {2}5,000 in 1 segment and the journal$/m);
    assert.match(again.output, /^ {2}old one {3}\/.*\/damaged-\S+; delete it when all is well$/m);
    assert.doesNotMatch(again.output, /is damaged/);
    // Nothing was lost, so it is the same writer.
    assert.equal(await incarnation(), before);
    assert.ok(readdirSync(path.join(gateway.directory, 'vault')).some((name) => name.startsWith('damaged-')));
    assert.equal((await tidegate('vault', 'verify', gateway.directory)).code, 0);
    await gateway.start();
    const refused = await tidegate('vault', 'rebuild', gateway.directory);
    assert.equal(refused.code, 1);
    assert.match(refused.output, /in use by another process/);
    assert.equal(await gateway.program!.stop(), 0);
  });

  it('keeps the catalogue where a snapshot is not whole', async () => {
    const state = path.join(gateway.directory, 'vault/state');
    const [name] = readdirSync(state).toSorted().toReversed();
    const file = path.join(state, name);
    const whole = readFileSync(file);
    const altered = Buffer.from(whole);
    altered[altered.length >> 1] ^= 1;
    writeFileSync(file, altered);
    const { code, output } = await tidegate('vault', 'rebuild', gateway.directory);
    assert.equal(code, 1, output);
    assert.match(output, /snapshot .*so it is left as it is/);
    writeFileSync(file, whole);
    assert.equal((await tidegate('vault', 'verify', gateway.directory)).code, 0);
  });

  it('names what was altered, and ends with 1', async () => {
    const [name] = readdirSync(segments);
    const file = path.join(segments, name);
    const bytes = readFileSync(file);
    bytes[bytes.length >> 1] ^= 1;
    writeFileSync(file, bytes);
    const { code, output } = await tidegate('vault', 'verify', gateway.directory);
    assert.equal(code, 1, output);
    assert.match(output, /^altered +/m);
    assert.match(output, /1 finding: /);
    const { damage, findings } = JSON.parse(
      (await tidegate('vault', 'verify', gateway.directory, '--json')).output,
    ) as { damage: number; findings: Finding[] };
    assert.equal(damage, 1);
    assert.equal(findings[0].kind, 'altered');
    assert.ok(findings[0].times![0] >= START && findings[0].times![1] <= START + 600_000);
  });
});
