import assert from 'node:assert/strict';
import { readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import mqtt from 'mqtt';
import { openVault, type KeyStatus } from '@tidegate/nodes/vault';
import { openGatewayVault } from '../support/backup.ts';
import { LoneGateway, tidegate } from '../support/gateway.ts';
import { journalOf } from '../support/vault.ts';

interface Status {
  vault: { readings: number };
}

/** The last line of what a command printed, which has to succeed. */
async function json<T>(...args: string[]): Promise<T> {
  const { code, output } = await tidegate(...args, '--json');
  assert.equal(code, 0, output);
  return JSON.parse(output.trim().split('\n').at(-1)!) as T;
}

/** Rows that a query writes, without what it remarks on them. */
async function rows(directory: string, ...span: string[]): Promise<string[]> {
  const { code, output } = await tidegate('query', directory, '--series', '**', ...span);
  assert.equal(code, 0, output);
  return output.split('\n').filter((line) => line.startsWith('site/'));
}

describe('tidegate key', function () {
  this.timeout(120_000);
  let gateway: LoneGateway;
  let newKey: string;
  const oldKey = (): string => path.join(gateway.directory, 'keys/vault.key');

  beforeEach(async () => {
    gateway = await LoneGateway.make();
    newKey = path.join(path.dirname(gateway.directory), 'new.key');
    assert.equal((await tidegate('key', 'new', newKey)).code, 0);
    assert.equal(statSync(newKey).mode & 0o777, 0o600);
  });

  afterEach(() => gateway.close());

  it('changes the key while the gateway takes readings in, and neither key shows anywhere', async () => {
    const secrets = [oldKey(), newKey].map((file) => readFileSync(file, 'utf8').trim());
    await gateway.start();
    const sensor = await mqtt.connectAsync(`mqtt://127.0.0.1:${gateway.brokerPort}`);
    let published = 0;
    const publishing = (async () => {
      for (; published < 200; published++) await sensor.publishAsync('site/pump', String(published), { qos: 1 });
    })();
    const rotated = await tidegate('key', 'rotate', gateway.directory, '--to', `file:${newKey}`);
    assert.equal(rotated.code, 0, rotated.output);
    assert.match(rotated.output, /does not open it any more, but still opens copies/);
    await publishing;
    await sensor.endAsync();
    const log = gateway.program!.output();
    await gateway.program!.kill();
    const shown = [log, rotated.output, readFileSync(path.join(gateway.directory, 'gateway.yaml'), 'utf8')];
    for (const file of readdirSync(gateway.directory, { recursive: true, encoding: 'utf8' })) {
      const whole = path.join(gateway.directory, file);
      if (whole !== oldKey() && statSync(whole, { throwIfNoEntry: false })?.isFile() === true)
        shown.push(readFileSync(whole, 'latin1'));
    }
    for (const secret of secrets)
      for (const form of [
        secret,
        Buffer.from(secret, 'hex').toString('latin1'),
        Buffer.from(secret, 'hex').toString('base64'),
      ])
        assert.ok(!shown.some((text) => text.includes(form)), 'a key can be read');
    assert.equal((await json<Status>('status', gateway.directory)).vault.readings, published);
    const status = await json<KeyStatus & { key: string }>('key', 'status', gateway.directory);
    assert.equal(status.key, `key file ${newKey}`);
    assert.equal(status.rotating, undefined);
    await assert.rejects(openVault({ directory: path.join(gateway.directory, 'vault'), key: { file: oldKey() } }), {
      code: 'wrong-key',
    });
  });

  it('goes on from a crash before and after gateway.yaml names the new key', async () => {
    const directory = path.join(gateway.directory, 'vault');
    const vault = await openVault({ directory, key: { file: oldKey() } });
    await vault.keys.prepareRotation({ file: newKey });
    await vault.close();
    // gateway.yaml still names the old key.
    assert.equal(typeof (await json<KeyStatus>('key', 'status', gateway.directory)).rotating, 'number');
    gateway.configure((config) => {
      config['vault'] = { ...config['vault'], key: { file: newKey } };
    });
    assert.equal((await json<KeyStatus>('key', 'status', gateway.directory)).rotating, undefined);
    await assert.rejects(openVault({ directory, key: { file: oldKey() } }), { code: 'wrong-key' });
    const again = await json<{ key: string; replaced: string | null }>('key', 'rotate', gateway.directory);
    assert.deepEqual(again, { key: `key file ${newKey}`, replaced: null });
  });

  it('says of a running gateway that it cannot read the new key, and what a shred did until then', async () => {
    await gateway.start();
    const to = ['--to', 'env:TIDEGATE_NO_SUCH_KEY'];
    const rotated = await tidegate('key', 'rotate', gateway.directory, ...to);
    assert.deepEqual([rotated.code, /is not set\. A running gateway reads it itself/.test(rotated.output)], [2, true]);
    const shred = await tidegate('key', 'shred', gateway.directory, '--before', '2026-03', ...to, '--yes');
    assert.equal(shred.code, 2, shred.output);
    assert.match(shred.output, /what there was of them is gone\. But the key was not changed: --to env:/);
    assert.equal((await json<KeyStatus>('key', 'status', gateway.directory)).rotating, undefined);
  });

  it('names a key that the vault has lost as what it is, not as the new one', async () => {
    rmSync(oldKey());
    const { code, output } = await tidegate('key', 'rotate', gateway.directory, '--to', 'env:TIDEGATE_NO_SUCH_KEY');
    assert.equal(code, 1, output);
    assert.match(output, /vault\.key cannot be read/);
    assert.doesNotMatch(output, /--to/);
  });

  it('shreds months for good: what a flow has yet to read brings none of it back through a copy', async () => {
    const months = [Date.UTC(2026, 1, 1), Date.UTC(2026, 2, 1)];
    const vault = await openGatewayVault(gateway.directory);
    // A flow that was never started again: the journal keeps everything for it.
    await vault.commit([{ kind: 'consumer', consumer: 'detect:gone', replayFrom: 1 }]);
    for (let i = 0; i < 300; i += 100)
      await vault.journal.append({
        source: 'door',
        readings: Array.from({ length: 200 }, (_, j) => ({
          series: `site/pump${j % 3}`,
          time: months[j % 2] + (i + (j >> 1)) * 60_000,
          value: i + j / 8,
          quality: 'good' as const,
          clock: 'device' as const,
        })),
      });
    await vault.close();
    const march = await rows(gateway.directory, '--from', '2026-03-01');
    assert.equal(march.length, 300);
    const shred = await tidegate('key', 'shred', gateway.directory, '--before', '2026-03', '--yes');
    assert.equal(shred.code, 0, shred.output);

    const [file, phrase, copy] = ['copy.age', 'phrase', 'copy'].map((name) => path.join(path.dirname(newKey), name));
    writeFileSync(phrase, 'correct horse battery\n', { mode: 0o600 });
    const exported = await tidegate('export', gateway.directory, '--out', file, '--passphrase-file', phrase);
    assert.equal(exported.code, 0, exported.output);
    const imported = await tidegate('import', file, '--into', copy, '--passphrase-file', phrase);
    assert.equal(imported.code, 0, imported.output);
    for (const directory of [gateway.directory, copy]) {
      assert.deepEqual(await rows(directory, '--to', '2026-03-01'), []);
      assert.deepEqual(await rows(directory, '--from', '2026-03-01'), march);
    }
    // As a flow that is started again reads it.
    for (const directory of [gateway.directory, copy]) {
      const opened = await openGatewayVault(directory);
      const replayed = await journalOf(opened);
      await opened.close();
      assert.equal(replayed.length, 300);
      assert.ok(replayed.every(({ time }) => time >= months[1]));
    }
  });

  it('refuses what is no reference, without repeating it, and leaves everything as it was', async () => {
    const before = readFileSync(path.join(gateway.directory, 'gateway.yaml'), 'utf8');
    const secret = readFileSync(newKey, 'utf8').trim();
    const weak = path.join(path.dirname(gateway.directory), 'weak.key');
    writeFileSync(weak, 'short', { mode: 0o600 });
    for (const [to, code, message] of [
      [secret, 2, /--to says where the new key is/],
      [`env:${secret.slice(0, 10)} x`, 2, /--to says where/],
      ['env:TIDEGATE_NO_SUCH_KEY', 2, /TIDEGATE_NO_SUCH_KEY.*is not set.*tidegate key new FILE/],
      ['credential:vault', 2, /no systemd credentials here.*tidegate key new FILE/],
      [
        'file:/nowhere/key',
        2,
        /--to file:\/nowhere\/key: there is no such file; make it: tidegate key new \/nowhere\/key/,
      ],
      [`file:${weak}`, 2, /at least 8/],
    ] as const) {
      const result = await tidegate('key', 'rotate', gateway.directory, '--to', to);
      assert.equal(result.code, code, result.output);
      assert.match(result.output, message);
      assert.ok(!result.output.includes(secret.slice(0, 10)), result.output);
    }
    const shred = await tidegate('key', 'shred', gateway.directory, '--before', '2026-03');
    assert.equal(shred.code, 2);
    assert.match(shred.output, /there is nobody to ask: add --yes/);
    assert.equal((await tidegate('key', 'shred', gateway.directory, '--before', 'March', '--yes')).code, 2);
    for (const to of ['env:TIDEGATE_NO_SUCH_KEY', 'file:/nowhere/key']) {
      const result = await tidegate('key', 'shred', gateway.directory, '--before', '2026-03', '--to', to, '--yes');
      assert.deepEqual([result.code, /Destroyed|is gone/.test(result.output)], [2, false], result.output);
    }
    assert.equal(readFileSync(path.join(gateway.directory, 'gateway.yaml'), 'utf8'), before);
    assert.equal((await json<KeyStatus>('key', 'status', gateway.directory)).rotating, undefined);
  });
});
