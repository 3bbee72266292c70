import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { runInNewContext } from 'node:vm';
import type { GatewayHost } from '@tidegate/nodes/node';
import { doorOf } from '@tidegate/nodes/ingest';
import { openVault, type Vault } from '@tidegate/nodes/vault';
import helper from 'node-red-node-test-helper';
import tideVault, { type TideVaultNode } from '../../nodes/src/vault/tide-vault.ts';
import { root } from '../support/process.ts';
import { shows, type SpiedNode } from '../support/shown.ts';
import { VaultFolder, journalOf, reading } from '../support/vault.ts';

helper.init(createRequire(import.meta.url).resolve('node-red'));

describe('tide-vault', () => {
  let folder: VaultFolder;

  beforeEach(async () => {
    folder = new VaultFolder();
    await new Promise<void>((resolve) => helper.startServer(resolve));
  });

  afterEach(async () => {
    await helper.unload();
    await new Promise<void>((resolve) => helper.stopServer(resolve));
    folder.remove();
  });

  const ownKey = () => ({ directory: folder.directory, keyKind: 'file', keyReference: folder.key.file });

  it('hands out a vault and its one door, and keeps what is committed through a restart', async () => {
    const node = await load({ ...ownKey(), commitDelayMs: '5' });
    const vault = await node.open();
    assert.equal(await node.open(), vault);
    assert.equal(await node.door(), doorOf(vault));
    await vault.journal.append({ source: 's', readings: [reading('x', 1)] });
    await helper.unload();

    const again = await load(ownKey());
    assert.deepEqual(
      (await journalOf(await again.open())).map(({ value }) => value),
      [1],
    );
  });

  it('opens nothing before a node asks for it', async () => {
    await load(ownKey());
    assert.equal(existsSync(folder.directory), false);
  });

  it('lets nodes that close beside it commit what they know', async () => {
    const vault = await (await load(ownKey())).open();
    const unloading = helper.unload();
    await new Promise((resolve) => setTimeout(resolve, 20));
    await vault.commit([{ kind: 'consumer', consumer: 'closing', replayFrom: 1 }]);
    await unloading;
    await assert.rejects(vault.commit([{ kind: 'consumer', consumer: 'late', replayFrom: 1 }]), { code: 'closed' });
  });

  it('makes a key for a new vault, readable by its owner alone, and says that it needs a copy', async () => {
    const file = path.join(folder.root, 'new.key');
    const node = await load({ ...ownKey(), keyReference: file });
    await node.open();
    assert.match(readFileSync(file, 'utf8'), /^[0-9a-f]{64}\n$/);
    if (process.platform !== 'win32') assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.match(warnings().join('\n'), /made a new vault key in .*new\.key.*copy/);
  });

  it('makes no key for a vault that was made with another', async () => {
    await (await load(ownKey())).open();
    await helper.unload();
    const file = path.join(folder.root, 'lost.key');
    const node = await load({ ...ownKey(), keyReference: file });
    await assert.rejects(node.open(), { code: 'no-key', message: /lost\.key is missing.*put it back/ });
    assert.equal(existsSync(file), false);
  });

  it('refuses a key inside the directory, a wrong one, and the key itself in its form', async () => {
    const inside = await load({ ...ownKey(), keyReference: path.join(folder.directory, 'vault.key') });
    await assert.rejects(inside.open(), { code: 'key-inside-vault' });
    await helper.unload();

    const pasted = await load({ ...ownKey(), keyReference: folder.secret });
    await assert.rejects(pasted.open(), { code: 'bad-option', message: /key itself/ });
    await helper.unload();

    await (await load(ownKey())).open();
    await helper.unload();
    const other = path.join(folder.root, 'other.key');
    writeFileSync(other, 'ab'.repeat(32), { mode: 0o600 });
    const wrong = await load({ ...ownKey(), keyReference: other });
    await assert.rejects(wrong.open(), { code: 'wrong-key' });
  });

  it('says what is wrong with its options', async () => {
    const nameless = await load({ directory: folder.directory, keyKind: 'env', keyReference: '' });
    await assert.rejects(nameless.open(), { message: 'the name of the environment variable is empty' });
    await helper.unload();
    const slow = await load({ ...ownKey(), commitDelayMs: '60000' });
    await assert.rejects(slow.open(), { message: /commit delay is "60000"; allowed are 0 to 10000/ });
    await helper.unload();
    const tight = await load({ ...ownKey(), quotaMegabytes: '2' });
    await assert.rejects(tight.open(), { message: /quota is 2000000; allowed are whole numbers from 67108864/ });
  });

  it('opens after a failure that was put right', async () => {
    writeFileSync(folder.key.file, '');
    const node = await load(ownKey());
    await assert.rejects(node.open(), { code: 'no-key', message: /is empty/ });
    writeFileSync(folder.key.file, folder.secret);
    await node.open();
  });

  it('shares a vault with another node of the same directory until both are closed', async () => {
    await helper.load(tideVault, [
      { id: 'v', type: 'tide-vault', ...ownKey() },
      { id: 'w', type: 'tide-vault', ...ownKey() },
    ]);
    const [one, two] = await Promise.all([
      vaultNode(helper.getNode('v')).open(),
      vaultNode(helper.getNode('w')).open(),
    ]);
    assert.equal(one, two);
    await helper.unload();
    await assert.rejects(one.documents.get('a', 'b'), { code: /closed|vault-failed/ });
  });

  it('warns of what was found damaged', async () => {
    await (await load(ownKey())).open();
    await helper.unload();
    writeFileSync(folder.file('catalogue.db'), 'not a database'.repeat(1000));
    await (await load(ownKey())).open();
    assert.match(warnings().join('\n'), /catalogue\.db is damaged/);
  });

  it('shows how its vault is, for a status node', async () => {
    const node = await load(ownKey());
    await node.open();
    await shows((): SpiedNode => helper.getNode('v'), /^open$/);
  });

  it('has a form that accepts and refuses what the node does', () => {
    const { defaults } = formDefinition();
    const verdict = (property: string, value: unknown, keyKind = 'file'): unknown => {
      const { validate } = defaults[property];
      // Otherwise Node-RED takes the reason that it returns for "valid".
      assert.equal(validate?.length, 2);
      return validate.call({ keyKind }, value, {});
    };
    const key = (kind: string, value: string): unknown => verdict('keyReference', value, kind);
    for (const [kind, value] of [
      ['file', ''],
      ['file', '/etc/tidegate/vault.key'],
      ['env', 'VAULT_KEY'],
      ['env', '${NAME_OF_KEY}'],
      ['credential', 'tidegate-vault'],
    ])
      assert.equal(key(kind, value), true, `${kind} ${value}`);
    for (const [kind, value, reason] of [
      ['file', 'ab'.repeat(32), /keyItself/],
      ['env', '', /error\.env/],
      ['env', 'not a name', /error\.env/],
      ['credential', '../vault.key', /error\.credential/],
      ['credential', '', /error\.credential/],
    ] as const)
      assert.match(String(key(kind, value)), reason, `${kind} ${value}`);
    for (const good of ['', undefined, 0, '250', 10_000]) assert.equal(verdict('commitDelayMs', good), true);
    for (const bad of [-1, '10001', 'soon'])
      assert.match(String(verdict('commitDelayMs', bad)), /error\.commitDelayMs/);
    for (const good of ['', 68, '5000', '${ROOM}']) assert.equal(verdict('quotaMegabytes', good), true);
    for (const bad of [1, 'much']) assert.match(String(verdict('quotaMegabytes', bad)), /error\.quotaMegabytes/);
    for (const good of ['', 1, '365']) assert.equal(verdict('retentionDays', good), true);
    for (const bad of [0, 1.5, 'long']) assert.match(String(verdict('retentionDays', bad)), /error\.retentionDays/);
  });

  describe('in a gateway', () => {
    let vault: Vault;

    beforeEach(async () => {
      vault = await openVault(folder.options);
      const host: GatewayHost = { vault, door: doorOf(vault) };
      helper.settings({ tidegate: host });
    });

    afterEach(async () => {
      helper.settings({});
      await vault.close();
    });

    it('hands out the gateway’s own when its form is empty, and leaves it open', async () => {
      const node = await load({ directory: '', keyKind: 'file', keyReference: '' });
      assert.equal(await node.open(), vault);
      assert.equal(await node.door(), doorOf(vault));
      await helper.unload();
      await vault.commit([{ kind: 'consumer', consumer: 'still-open', replayFrom: 1 }]);
    });

    it('opens another one when a directory is named', async () => {
      const node = await load({ ...ownKey(), directory: path.join(folder.root, 'second') });
      const second = await node.open();
      assert.notEqual(second.incarnation, vault.incarnation);
    });
  });
});

/** The definition that the editor's form registers, with the texts' keys in place of the texts. */
function formDefinition(): { defaults: Record<string, { validate?: (value: unknown, opt: object) => unknown }> } {
  const html = readFileSync(path.join(root, 'nodes/src/vault/tide-vault.html'), 'utf8');
  const script = /<script type="text\/javascript">([\s\S]*)<\/script>/.exec(html)?.[1] ?? '';
  let definition: ReturnType<typeof formDefinition> | undefined;
  const RED = {
    _: (key: string) => key,
    nodes: {
      registerType: (_type: string, registered: ReturnType<typeof formDefinition>) => (definition = registered),
    },
  };
  runInNewContext(script, { RED, $: () => ({ length: 0 }) });
  assert.ok(definition);
  return definition;
}

async function load(properties: Record<string, unknown>): Promise<TideVaultNode> {
  await helper.load(tideVault, [{ id: 'v', type: 'tide-vault', ...properties }]);
  return vaultNode(helper.getNode('v'));
}

function vaultNode(node: unknown): TideVaultNode {
  assert.ok(isVaultNode(node));
  return node;
}

function isVaultNode(node: unknown): node is TideVaultNode {
  return typeof node === 'object' && node !== null && 'open' in node && 'door' in node;
}

function warnings(): string[] {
  return helper
    .log()
    .args.flat()
    .filter((entry: { level: number; type?: string }) => entry.level === 30 && entry.type === 'tide-vault')
    .map((entry: { msg: unknown }) => String(entry.msg));
}
