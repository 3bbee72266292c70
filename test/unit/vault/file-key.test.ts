import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createKeyFile, readKey } from '@tidegate/nodes/vault';
import { VaultFolder } from '../../support/vault.ts';

function holding(folder: VaultFolder, text: string): () => string {
  writeFileSync(folder.key.file, text);
  return () => readKey(folder.key, folder.directory);
}

describe('key references', () => {
  let folder: VaultFolder;

  beforeEach(() => {
    folder = new VaultFolder();
    mkdirSync(folder.directory);
  });

  afterEach(() => {
    delete process.env['TIDEGATE_TEST_KEY'];
    delete process.env['CREDENTIALS_DIRECTORY'];
    folder.remove();
  });

  it('read a file, an environment variable and a systemd credential', () => {
    assert.equal(readKey(folder.key, folder.directory), folder.secret);
    process.env['TIDEGATE_TEST_KEY'] = ' a passphrase \n';
    assert.equal(readKey({ env: 'TIDEGATE_TEST_KEY' }, folder.directory), 'a passphrase');
    process.env['CREDENTIALS_DIRECTORY'] = folder.root;
    writeFileSync(path.join(folder.root, 'tidegate-vault'), 'from systemd', { mode: 0o440 });
    assert.equal(readKey({ credential: 'tidegate-vault' }, folder.directory), 'from systemd');
  });

  it('say what is missing, and where it was looked for', () => {
    const missing = { code: 'no-key' };
    assert.throws(() => readKey({ file: '/nowhere/key' }, folder.directory), {
      ...missing,
      message: /nowhere\/key.*ENOENT/,
    });
    assert.throws(() => readKey({ file: folder.root }, folder.directory), missing);
    assert.throws(() => readKey({ env: 'TIDEGATE_TEST_KEY' }, folder.directory), {
      ...missing,
      message: /TIDEGATE_TEST_KEY/,
    });
    assert.throws(() => readKey({ credential: 'x' }, folder.directory), { ...missing, message: /LoadCredential=x/ });
    process.env['CREDENTIALS_DIRECTORY'] = folder.directory;
    assert.throws(() => readKey({ credential: '../vault.key' }, folder.directory), missing);
    assert.throws(() => readKey({ credential: '..' }, folder.directory), missing);
  });

  it('refuse a file that others can read, and say how to close it', function () {
    if (process.platform === 'win32') this.skip();
    for (const mode of [0o640, 0o604, 0o666]) {
      chmodSync(folder.key.file, mode);
      assert.throws(() => readKey(folder.key, folder.directory), {
        code: 'key-exposed',
        message: new RegExp(`mode 0${mode.toString(8)}\\); run: chmod 600 .*vault\\.key`),
      });
    }
    chmodSync(folder.key.file, 0o400);
    readKey(folder.key, folder.directory);
  });

  it('refuse a file inside the vault, by whatever way it is reached', () => {
    const inside = folder.file('key');
    writeFileSync(inside, folder.secret, { mode: 0o600 });
    const link = path.join(folder.root, 'link');
    symlinkSync(inside, link);
    for (const file of [inside, link, path.join(folder.directory, '..', 'vault', 'key')])
      assert.throws(() => readKey({ file }, folder.directory), { code: 'key-inside-vault' });
    const beside = `${folder.directory}.key`;
    writeFileSync(beside, folder.secret, { mode: 0o600 });
    readKey({ file: beside }, folder.directory);
  });

  it('refuse what is too short or too large to be a secret', () => {
    assert.throws(holding(folder, ' \n'), { code: 'no-key', message: /is empty/ });
    assert.throws(holding(folder, 'secret'), { code: 'weak-key', message: /6 characters.*at least 8/ });
    assert.throws(holding(folder, 'x'.repeat(5_000)), { code: 'no-key', message: /5000 bytes/ });
  });

  it('make a new key file once, for its owner alone', () => {
    const file = path.join(folder.root, 'made.key');
    createKeyFile(file);
    const made = readFileSync(file, 'utf8');
    assert.match(made, /^[0-9a-f]{64}\n$/);
    if (process.platform !== 'win32') assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.throws(() => createKeyFile(file), { code: 'no-key' });
    assert.equal(readFileSync(file, 'utf8'), made);
    assert.throws(() => createKeyFile('/nowhere/at/all/key'), { code: 'no-key' });
  });
});
