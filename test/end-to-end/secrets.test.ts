import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import mqtt from 'mqtt';
import { eventually } from '../support/eventually.ts';
import { Site } from '../support/site.ts';
import { needTool } from '../support/tools.ts';

const SERIES = 'site/secretbatch/phosgene';
const WORD = 'xylophonicstate';
const VALUE = '8675309.125';

describe('what lies on the card', function () {
  this.timeout(120_000);

  it('shows no series name, topic, unit or value in the vault, and no key outside the key file', async function () {
    const strings = needTool(this, 'strings');
    const site = await Site.make({ grants: ['site/#'] });
    try {
      await site.startGateway();
      const sensors = await mqtt.connectAsync(`mqtt://127.0.0.1:${site.mqttPort}`);
      for (let i = 0; i < 50; i++) {
        await sensors.publishAsync(SERIES, JSON.stringify({ value: Number(VALUE), unit: 'furlongs' }), { qos: 1 });
        await sensors.publishAsync(`${SERIES}/mode`, JSON.stringify({ value: WORD }), { qos: 1 });
        await sensors.publishAsync(SERIES, 'unreadablerubbish', { qos: 1 });
      }
      await sensors.endAsync();
      await site.put('/api/v1/state?gateway=site&key=reactor/forbidden', { value: WORD });
      await eventually('readings are stored', async () => {
        const { vault } = JSON.parse(await site.tidegate('status', site.gatewayDirectory, '--json')) as {
          vault: { readings: number };
        };
        return vault.readings >= 100;
      });

      // While it runs, so that the write-ahead log and temporary files are there, then at rest after SIGKILL.
      for (const moment of ['running', 'killed']) {
        const files = filesBelow(path.join(site.gatewayDirectory, 'vault'));
        assert.ok(files.length >= 2, `vault files: ${files.join(', ')}`);
        for (const file of files) {
          const readable = execFileSync(strings, ['-a', '-n', '4', file], { maxBuffer: 1 << 28 }).toString();
          const bytes = readFileSync(file);
          for (const word of [
            'secretbatch',
            'phosgene',
            'furlongs',
            WORD,
            'unreadablerubbish',
            'reactor/forbidden',
            VALUE,
            'site/#',
          ]) {
            assert.ok(!readable.includes(word) && !bytes.includes(word), `${moment}: "${word}" is readable in ${file}`);
          }
          const double = Buffer.alloc(8);
          double.writeDoubleLE(Number(VALUE));
          assert.ok(
            !bytes.includes(double) && !bytes.includes(Buffer.from(double).reverse()),
            `${moment}: the value's bytes stand in ${file}`,
          );
        }
        if (moment === 'running') await site.gateway!.kill();
      }
      secretsStayPut(site);
    } finally {
      await site.close();
    }
  });
});

function secretsStayPut(site: Site): void {
  const keyFile = path.join(site.gatewayDirectory, 'keys/vault.key');
  const key = readFileSync(keyFile, 'utf8').trim();
  assert.equal(statSync(keyFile).mode & 0o077, 0, 'the key file is its owner’s alone');
  const forms = [key, site.password];
  if (/^[0-9a-f]{64}$/.test(key))
    forms.push(Buffer.from(key, 'hex').toString('base64'), Buffer.from(key, 'hex').toString('latin1'));
  for (const file of filesBelow(site.gatewayDirectory)) {
    if (file === keyFile) continue;
    const content = readFileSync(file).toString('latin1');
    for (const form of forms) assert.ok(!content.includes(form), `a secret stands in ${file}`);
    assert.ok(!content.includes('_credentialSecret'), `Node-RED left a generated secret in ${file}`);
  }
  assert.ok(!site.gateway!.output().includes(key), 'the key was printed');
}

const filesBelow = (directory: string): string[] =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
