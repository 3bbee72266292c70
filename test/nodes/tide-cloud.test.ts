import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import helper from 'node-red-node-test-helper';
import { encodeToken, loadEnrolment, makeIdentity, makeToken, publicKeys } from '@tidegate/nodes/sync';
import type { Vault } from '@tidegate/nodes/vault';
import tideCloud, { type TideCloudNode } from '../../nodes/src/sync/tide-cloud.ts';
import tideVault from '../../nodes/src/vault/tide-vault.ts';
import { TemporaryVault } from '../support/temporary-vault.ts';

helper.init(createRequire(import.meta.url).resolve('node-red'));

const newToken = (gateway = 'north', broker?: string): string => {
  const request = { tenant: 'plant', gateway, cloudKeys: publicKeys(makeIdentity()) };
  return encodeToken(makeToken(broker === undefined ? request : { ...request, broker }));
};

describe('tide-cloud', function () {
  this.timeout(30_000);
  let kept: TemporaryVault;
  let vault: Vault;

  beforeEach(async () => {
    kept = await TemporaryVault.make();
    vault = await kept.open();
  });

  afterEach(async () => {
    await helper.unload();
    await kept.remove();
  });

  async function deploy(options: Record<string, unknown>, credentials: Record<string, string>): Promise<TideCloudNode> {
    await helper.unload();
    await helper.load(
      [tideVault, tideCloud],
      [
        {
          id: 'v',
          type: 'tide-vault',
          name: '',
          directory: kept.directory,
          keyKind: 'file',
          keyReference: kept.keyFile,
        },
        { id: 'c', type: 'tide-cloud', name: '', vault: 'v', broker: '', caFile: '', ...options },
      ],
      { c: credentials },
    );
    const node: TideCloudNode = helper.getNode('c');
    return node;
  }

  const place = async (options: Record<string, unknown>, credentials: Record<string, string> = {}) => {
    const node = await deploy(options, credentials);
    return node.place(await node.vault());
  };

  const sign = async (token: string): Promise<string> =>
    Buffer.from((await place({}, { token }))!.enrolment.identity.sign.publicKey).toString('hex');

  it('is nowhere without a token', async () => {
    assert.equal(await place({}), undefined);
    assert.equal(await place({ broker: 'mqtt://127.0.0.1:1' }, { token: ' ' }), undefined);
  });

  it('makes keys when it gets a token, and keeps them and nothing else of the flow in the vault', async () => {
    const made = await place({}, { token: newToken('north', 'mqtts://cloud.example:8883'), user: 'u', password: 'p' });
    assert.deepEqual(made?.broker, { url: 'mqtts://cloud.example:8883', username: 'u', password: 'p' });
    assert.equal(made?.enrolment.gateway, 'north');
    const stored = await loadEnrolment(vault);
    assert.deepEqual(stored?.identity.sign.publicKey, made?.enrolment.identity.sign.publicKey);
    const later = await place({});
    assert.deepEqual(later?.enrolment.identity.sign.publicKey, made?.enrolment.identity.sign.publicKey);
  });

  it('prefers the broker of its own setting', async () => {
    const token = newToken('north', 'mqtts://cloud.example:8883');
    assert.equal((await place({ broker: ' mqtt://127.0.0.1:1883 ' }, { token }))?.broker.url, 'mqtt://127.0.0.1:1883');
  });

  it('takes a token once, and a new one as a new enrolment', async () => {
    const first = newToken('north', 'mqtt://127.0.0.1:1');
    const keys = await sign(first);
    assert.equal(await sign(first), keys);
    assert.equal(await sign(newToken('north', 'mqtt://127.0.0.1:1')), keys, 'the same gateway keeps its keys');
    const south = await sign(newToken('south', 'mqtt://127.0.0.1:1'));
    assert.notEqual(south, keys, 'another gateway gets its own');
    assert.equal(await sign(first), south, 'an old token that is left in a flow changes nothing');
    assert.equal((await loadEnrolment(vault))?.gateway, 'south');
  });

  it('names the files of the certificates, which the connection reads', async () => {
    const token = newToken('north', 'mqtts://127.0.0.1:1');
    const files = { caFile: ' /etc/ca.pem', certFile: '/etc/cert.pem', keyFile: '/etc/key.pem' };
    const made = await place({ ...files, serverName: ' cloud.example ' }, { token });
    assert.deepEqual(made?.broker, {
      url: 'mqtts://127.0.0.1:1',
      tls: { ...files, caFile: '/etc/ca.pem' },
      serverName: 'cloud.example',
    });
    assert.deepEqual((await place({ caFile: '${NO_SUCH_VARIABLE}' }, {}))?.broker, { url: 'mqtts://127.0.0.1:1' });
  });

  it('takes no certificate for a connection that would be plain', async () => {
    const token = newToken('north', 'mqtt://127.0.0.1:1');
    await assert.rejects(place({ caFile: '/etc/ca.pem' }, { token }), { code: 'bad-broker', message: /speaks no TLS/ });
    await assert.rejects(place({ serverName: 'cloud' }, { token }), { code: 'bad-broker' });
  });

  it('says what is wrong', async () => {
    await assert.rejects(place({}, { token: newToken() }), /names no broker/);
    await assert.rejects(
      place({ broker: 'http://cloud' }, { token: newToken() }),
      /mqtt, mqtts, ws and wss are allowed/,
    );
    await assert.rejects(place({}, { token: 'tg1.xyz' }), { code: 'bad-token' });
    const node = await deploy({ vault: '' }, {});
    await assert.rejects(node.vault(), { code: 'no-vault' });
  });
});
