import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { KeyStatus, VaultKeys } from '@tidegate/nodes/vault';
import { writeKeyReference } from '../../../gateway/src/config/file-key-reference.ts';
import { answerKeys } from '../../../gateway/src/control/key-requests.ts';
import { keyText, monthSpans } from '../../../gateway/src/control/key-text.ts';
import { temporaryDirectory } from '../../support/gateway.ts';

const config = `# Ours
version: 1
name: site
vault: # on the card
  directory: vault
  key: { file: keys/vault.key } # the key
editor:
  passwordHash: scrypt$15$8$1$zTQEGzWYDNnWFYvDCjUwLA$TAkymvXycxrIDjkdEYff3KlrFKL4KJz2qdK0rGFKO_I
`;

describe('the key in gateway.yaml', () => {
  const home = temporaryDirectory('key');
  const file = path.join(home.path, 'gateway.yaml');

  after(() => home.remove());

  it('is replaced where it stands, and everything else stays', async () => {
    writeFileSync(file, config, { mode: 0o640 });
    chmodSync(file, 0o640);
    await writeKeyReference(home.path, { env: 'VAULT_KEY' });
    const text = readFileSync(file, 'utf8');
    for (const kept of ['# Ours', '# on the card', 'directory: vault', 'TAkymvXycxrIDjkdEYff3KlrFKL4KJz2qdK0rGFKO_I'])
      assert.ok(text.includes(kept), `${kept} in\n${text}`);
    assert.match(text, /key:\s+env: VAULT_KEY\n/);
    assert.ok(!text.includes('vault.key'));
    assert.equal(statSync(file).mode & 0o777, 0o640);
    assert.deepEqual(readdirSync(home.path), ['gateway.yaml']);
  });

  it('is replaced in the file that a link names', async () => {
    const away = path.join(home.path, 'away');
    mkdirSync(away);
    writeFileSync(path.join(away, 'site.yaml'), config);
    mkdirSync(path.join(home.path, 'linked'));
    symlinkSync(path.join(away, 'site.yaml'), path.join(home.path, 'linked/gateway.yaml'));
    await writeKeyReference(path.join(home.path, 'linked'), { credential: 'vault' });
    assert.match(readFileSync(path.join(away, 'site.yaml'), 'utf8'), /credential: vault/);
  });

  it('stays what it was when the new one is none, or the file cannot be written', async () => {
    writeFileSync(file, config);
    await assert.rejects(writeKeyReference(home.path, { env: 'not a name' }), { code: 'configuration' });
    mkdirSync(`${file}.new`);
    await assert.rejects(writeKeyReference(home.path, { env: 'VAULT_KEY' }), { code: 'configuration' });
    assert.equal(readFileSync(file, 'utf8'), config);
  });
});

describe('what is asked of the keys', () => {
  const calls: unknown[] = [];
  const status: KeyStatus = {
    generation: 7,
    method: 'scrypt',
    scrypt: { N: 65_536, r: 8, p: 1 },
    since: Date.UTC(2026, 0, 1),
    months: ['2025-12', '2026-01', '2026-02', '2026-04'],
    shredded: [
      { month: '2025-10', at: Date.UTC(2026, 0, 5) },
      { month: '2025-11', at: Date.UTC(2026, 0, 5) },
    ],
    journalKeys: 1,
  };
  const keys: VaultKeys = {
    status: async () => status,
    prepareRotation: async (to) => {
      calls.push(to);
      return 'prepared';
    },
    confirmRotation: async (to) => void calls.push(to),
    cancelRotation: async () => void calls.push('cancelled'),
    shred: async (before) => ({ before, months: ['2025-12'] }),
    derived: async () => assert.fail('derived secrets do not go over the socket'),
  };

  it('names keys by where they are and takes nothing else', async () => {
    assert.equal(await answerKeys(keys, 'GET /key', undefined), status);
    const to = { file: '/etc/tidegate/new.key' };
    assert.deepEqual(await answerKeys(keys, 'POST /key/rotation', { to }), { state: 'prepared' });
    assert.deepEqual(await answerKeys(keys, 'PUT /key/rotation', { to }), { state: 'done' });
    assert.deepEqual(await answerKeys(keys, 'DELETE /key/rotation', undefined), { state: 'cancelled' });
    assert.deepEqual(await answerKeys(keys, 'POST /key/shred', { before: '2026-01' }), {
      before: '2026-01',
      months: ['2025-12'],
    });
    assert.deepEqual(calls, [to, to, 'cancelled']);
    for (const body of [undefined, {}, { to: 'secret' }, { to: { key: 'secret' } }, { to, secret: 'secret' }])
      await assert.rejects(answerKeys(keys, 'POST /key/rotation', body), (error: Error) => {
        assert.ok(!error.message.includes('secret'), error.message);
        return true;
      });
    await assert.rejects(answerKeys(keys, 'POST /key/shred', { before: 3 }), { code: 'bad-request' });
    await assert.rejects(answerKeys(keys, 'GET /key/secret', undefined), { code: 'unknown-request' });
  });

  it('is shown in words', () => {
    assert.equal(monthSpans(['2026-01', '2025-12', '2026-04', '2026-04']), '2025-12 to 2026-01, 2026-04');
    const text = keyText(
      { ...status, journalKeys: 2, rotating: 0, shredding: { before: '2026-01', since: 0 } },
      'key file /k',
    );
    for (const part of [
      'key        key file /k',
      'passphrase, by scrypt (N 65536, r 8, p 1)',
      '2025-12 to 2026-02, 2026-04',
      '2025-10 to 2025-11 (on 2026-01-05)',
      'journal    2 keys',
      'rotating   since 1970',
      'shredding  months before 2026-01',
    ])
      assert.ok(text.includes(part), `"${part}" in\n${text}`);
  });
});
