import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { stringify } from 'yaml';
import { parseConfig } from '../../../gateway/src/config/parse.ts';
import { gatewayConfig } from '../../../gateway/src/config/schema.ts';
import { cloudVariables, listenerFilesOf } from '../../../gateway/src/config/tls-files.ts';
import { vaultOptionsOf } from '../../../gateway/src/config/vault-options.ts';
import { root } from '../../support/process.ts';

const HASH = `scrypt$15$8$1$${'s'.repeat(22)}$${'h'.repeat(43)}`;
const good = { version: 1, name: 'works', vault: { key: { file: 'keys/vault.key' } }, editor: { passwordHash: HASH } };

function problems(config: unknown): string[] {
  try {
    parseConfig(typeof config === 'string' ? config : stringify(config));
  } catch (error) {
    assert.equal((error as { code: string }).code, 'configuration');
    return (error as Error).message.split('\n');
  }
  return [];
}

describe('gateway.yaml', () => {
  it('fills in what is left out, closed to the network', () => {
    const config = parseConfig(stringify(good));
    assert.deepEqual(config.mqtt, { host: '127.0.0.1', port: 1883, anonymous: false });
    assert.equal(config.editor.host, '127.0.0.1');
    assert.equal(config.limits.payloadBytes, 262_144);
  });

  it('names every problem at once: key, what was found, what is allowed', () => {
    const found = problems({
      ...good,
      version: 2,
      mqtt: { port: 'abc', host: '0.0.0.0' },
      editor: { ...good.editor, port: 99_999 },
    });
    assert.deepEqual(found.toSorted(), [
      'gateway.yaml: editor.port: found 99999, allowed: 0..65535 (0 takes a free port)',
      'gateway.yaml: mqtt.host: found "0.0.0.0", allowed: with no mqtt.users: 127.0.0.1, or list mqtt.users, or set mqtt.anonymous: true',
      'gateway.yaml: mqtt.port: found "abc", allowed: 0..65535 (0 takes a free port)',
      'gateway.yaml: version: found 2, allowed: 1',
    ]);
  });

  it('knows what an unknown key was meant to be', () => {
    assert.deepEqual(problems({ ...good, mqtt: { prot: 1883 } }), [
      'gateway.yaml: mqtt.prot: is not known; did you mean mqtt.port? (allowed here: host, port, users, anonymous, tls)',
    ]);
    assert.match(problems({ ...good, xyzzy: 1 })[0], /xyzzy: is not known \(allowed here: version, name/);
  });

  it('opens the broker to the network only with users or when told to', () => {
    const open = { host: '0.0.0.0' };
    assert.equal(problems({ ...good, mqtt: open }).length, 1);
    assert.deepEqual(problems({ ...good, mqtt: { ...open, anonymous: true } }), []);
    assert.deepEqual(problems({ ...good, mqtt: { ...open, users: [{ name: 'press', passwordHash: HASH }] } }), []);
    for (const host of ['localhost', '127.3.2.1', '::1']) assert.deepEqual(problems({ ...good, mqtt: { host } }), []);
  });

  it('names certificates by their files, and opens a port with TLS to the network only for who can be told apart', () => {
    const pair = { certFile: 'tls/cert.pem', keyFile: '/etc/key.pem' };
    const config = parseConfig(
      stringify({
        ...good,
        mqtt: { tls: { ...pair, clientCaFile: 'tls/ca.pem', host: '0.0.0.0' } },
        cloud: { broker: 'mqtts://cloud.example', caFile: 'ca.pem', ...pair },
      }),
    );
    assert.deepEqual(listenerFilesOf('/srv/gateway', config.mqtt), {
      certFile: '/srv/gateway/tls/cert.pem',
      keyFile: '/etc/key.pem',
      caFile: '/srv/gateway/tls/ca.pem',
    });
    assert.equal(config.mqtt.tls?.port, 8883);
    assert.deepEqual(cloudVariables('/srv/gateway', config.cloud), {
      TIDEGATE_CLOUD_BROKER: 'mqtts://cloud.example',
      TIDEGATE_CLOUD_CA_FILE: '/srv/gateway/ca.pem',
      TIDEGATE_CLOUD_CERT_FILE: '/srv/gateway/tls/cert.pem',
      TIDEGATE_CLOUD_KEY_FILE: '/etc/key.pem',
      TIDEGATE_CLOUD_SERVER_NAME: '',
    });
    assert.match(
      problems({ ...good, mqtt: { tls: { ...pair, host: '0.0.0.0' } } })[0],
      /mqtt\.tls\.host: .*clientCaFile/,
    );
    assert.match(problems({ ...good, mqtt: { tls: { certFile: 'a' } } })[0], /mqtt\.tls\.keyFile: found nothing/);
    assert.match(problems({ ...good, cloud: { certFile: 'a' } })[0], /cloud\.certFile: .* together, or none/);
  });

  it('never prints what may be a secret in the wrong place', () => {
    const secret = 'c0ffee'.repeat(11);
    const found = problems({ ...good, vault: { key: secret }, editor: { passwordHash: secret } }).join('\n');
    assert.match(found, /vault\.key: found a text of 66 characters, allowed: one of \{file: PATH\}/);
    assert.ok(!found.includes('c0ffee'));
  });

  it('says where YAML itself is broken', () => {
    assert.match(problems('version: [1\nname: x')[0], /^gateway\.yaml: .*line \d/);
    assert.match(problems('')[0], /found no keys/);
    assert.match(problems('version: 1\nversion: 1')[0], /Map keys must be unique/);
  });

  it('finds the vault beside the configuration', () => {
    const options = vaultOptionsOf('/srv/gateway', parseConfig(stringify(good)));
    assert.equal(options.directory, path.resolve('/srv/gateway/vault'));
    assert.deepEqual(options.key, { file: path.resolve('/srv/gateway/keys/vault.key') });
  });

  it('passes the budget on, and leaves what is not set to the vault', () => {
    const options = (vault: object): unknown =>
      vaultOptionsOf('/srv/gateway', parseConfig(stringify({ ...good, vault: { ...good.vault, ...vault } }))).budget;
    assert.deepEqual(options({}), {});
    assert.deepEqual(options({ quotaBytes: 1e9, retentionDays: 30, ballastBytes: 0 }), {
      quotaBytes: 1e9,
      retentionDays: 30,
      ballastBytes: 0,
    });
    assert.match(problems({ ...good, vault: { ...good.vault, quotaBytes: 5 } }).join(), /vault\.quotaBytes.*64 MiB/);
  });

  it('is described in full in docs/configuration.md', () => {
    const text = readFileSync(path.join(root, 'docs/configuration.md'), 'utf8');
    const missing: string[] = [];
    for (const [section, schema] of Object.entries(gatewayConfig.shape)) {
      const inner =
        'shape' in schema ? schema.shape : 'innerType' in schema.def ? innerShape(schema.def.innerType) : {};
      const names = Object.keys(inner).length === 0 ? [section] : Object.keys(inner).map((key) => `${section}.${key}`);
      missing.push(...names.filter((name) => !text.includes(`\`${name}\``)));
    }
    assert.deepEqual(missing, []);
  });
});

function innerShape(schema: unknown): object {
  const { shape, def } = schema as { shape?: object; def?: { innerType?: unknown } };
  return shape ?? (def?.innerType === undefined ? {} : innerShape(def.innerType));
}
