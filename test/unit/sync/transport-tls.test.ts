import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { TlsFiles } from '@tidegate/nodes/node';
import type { BrokerOptions } from '@tidegate/nodes/sync';
import { Broker } from '../../../cloud-bridge/src/broker/mqtt-broker.ts';
import { MqttTransport } from '../../../nodes/src/sync/mqtt-transport.ts';
import { Authority, type Pair } from '../../support/certificates.ts';
import { eventually } from '../../support/eventually.ts';
import { freePort } from '../../support/ports.ts';
import { Program } from '../../support/process.ts';
import { mustHaveTool } from '../../support/tools.ts';

const DAY = 86_400_000;
const ago = (days: number): Date => new Date(Date.now() - days * DAY);

/** One of the brokers that gateways meet, with TLS. */
interface Server {
  port: number;
  stop(): Promise<unknown>;
}

interface Shown extends Pair {
  /** Authorities of gateways. */
  caFile?: string;
}

async function embedded(tls: Shown): Promise<Server> {
  const broker = new Broker({ host: '127.0.0.1', port: 0, workerPassword: 'secret', clients: 20, tls });
  await broker.start();
  return { port: broker.port, stop: () => broker.stop() };
}

async function mosquitto(tls: Shown): Promise<Server> {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'tidegate-mosquitto-'));
  const port = await freePort();
  const file = path.join(directory, 'mosquitto.conf');
  const mutual = tls.caFile === undefined ? [] : [`cafile ${tls.caFile}`, 'require_certificate true'];
  // As root it would become a user who may not read the certificates.
  const lines = ['user root', `listener ${port} 127.0.0.1`, 'allow_anonymous true', 'persistence false'];
  writeFileSync(file, [...lines, `certfile ${tls.certFile}`, `keyfile ${tls.keyFile}`, ...mutual, ''].join('\n'));
  const program = new Program('mosquitto', mustHaveTool('mosquitto'), ['-c', file]);
  await program.line(/running/);
  return {
    port,
    stop: async () => {
      await program.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

describe('TLS to the broker', function () {
  this.timeout(60_000);
  let ours: Authority;
  let theirs: Authority;
  let server: Server | undefined;
  let transport: MqttTransport | undefined;
  let connected: string[];
  let lost: { reason: string; fault: boolean }[];

  before(() => {
    ours = new Authority('Ours');
    theirs = new Authority('Theirs');
  });
  after(() => {
    ours.remove();
    theirs.remove();
  });
  beforeEach(() => {
    connected = [];
    lost = [];
  });
  afterEach(async () => {
    await transport?.stop();
    await server?.stop();
    transport = undefined;
    server = undefined;
  });

  function open(tls: TlsFiles, others: Partial<BrokerOptions> = {}): MqttTransport {
    transport = new MqttTransport(
      { url: `mqtts://127.0.0.1:${server!.port}`, tls, ...others },
      { tenant: 'plant', gateway: 'north' },
      {
        connected: (lane) => connected.push(lane),
        disconnected: (_lane, reason, fault) => lost.push({ reason, fault }),
        received: () => undefined,
        ready: () => undefined,
      },
    );
    transport.start();
    return transport;
  }

  async function refused(words: RegExp, tls: TlsFiles, others: Partial<BrokerOptions> = {}): Promise<void> {
    open(tls, others);
    await eventually('both lanes are refused', () => lost.length >= 2);
    assert.deepEqual(connected, []);
    assert.match(lost[0].reason, words);
    assert.equal(lost[0].fault, true, 'somebody has to do something');
  }

  for (const [name, start] of [
    ['the embedded broker', embedded],
    ['mosquitto', mosquitto],
  ] as const)
    describe(`of ${name}`, () => {
      it('connects where the authority is trusted, and by another name where that is told', async () => {
        server = await start(ours.issue('broker', { names: 'DNS:broker.example' }));
        open({ caFile: ours.caFile }, { serverName: 'broker.example' });
        await eventually('both lanes are there', () => connected.length === 2);
      });

      it('says that the authority is unknown', async () => {
        server = await start(ours.issue('broker'));
        await refused(/authority that is not trusted here; name its certificate as CA file/, {});
      });

      it('says that the authority is another one', async () => {
        server = await start(ours.issue('broker'));
        await refused(/authority that is not trusted here/, { caFile: theirs.caFile });
      });

      it('says that the certificate has expired, or is not valid yet', async () => {
        server = await start(ours.issue('broker', { valid: [ago(20), ago(10)] }));
        await refused(/has expired, or the clock here is ahead/, { caFile: ours.caFile });
        await transport?.stop();
        await server.stop();
        lost = [];
        server = await start(ours.issue('broker', { valid: [ago(-10), ago(-20)] }));
        await refused(/not valid yet, or the clock here is behind/, { caFile: ours.caFile });
      });

      it('says that the certificate is for another host', async () => {
        server = await start(ours.issue('broker', { names: 'DNS:elsewhere.example' }));
        await refused(/not for 127\.0\.0\.1; .* server name/, { caFile: ours.caFile });
      });

      it('lets a gateway in that shows a certificate, and tells another one that it has to', async () => {
        server = await start({ ...ours.issue('broker'), caFile: theirs.caFile });
        open({ caFile: ours.caFile, ...theirs.issue('north') });
        await eventually('both lanes are there', () => connected.length === 2);
        assert.match(transport!.certificate!.subject, /CN=north/);
        await transport!.stop();
        connected = [];
        lost = [];
        await refused(/wants a certificate of this end/, { caFile: ours.caFile });
      });

      it('does not let one in whose certificate is of another authority, or has expired', async () => {
        server = await start({ ...ours.issue('broker'), caFile: theirs.caFile });
        const wrong = [ours.issue('north'), theirs.issue('north', { valid: [ago(20), ago(10)] })];
        for (const pair of wrong) {
          lost = [];
          open({ caFile: ours.caFile, ...pair });
          await eventually('both lanes are refused', () => lost.length >= 2);
          assert.deepEqual(connected, []);
          // A server of node:tls hangs up without an alert, so all that can be said is what is likely.
          assert.match(lost[0].reason, /certificate shown (here|to the broker)/);
          await transport!.stop();
        }
      });
    });

  it('takes up a certificate that was renewed on the disk at the next connection, at either end', async () => {
    const shown = ours.issue('broker');
    server = await embedded({ ...shown, caFile: theirs.caFile });
    const own = ours.issue('north');
    open({ caFile: ours.caFile, ...own });
    await eventually('both lanes are refused', () => lost.length >= 2);
    const [next, better] = [ours.issue('renewed'), theirs.issue('north')];
    for (const [from, to] of [
      [next.certFile, shown.certFile],
      [next.keyFile, shown.keyFile],
      [better.certFile, own.certFile],
      [better.keyFile, own.keyFile],
    ])
      renameSync(from, to);
    // Both ends go on by themselves.
    await eventually('both lanes are there', () => connected.length === 2, 30_000);
    assert.match(transport!.certificate!.subject, /CN=north/);
  });

  it('keeps the certificate that it has while the new one cannot be used, and says so', async () => {
    const shown = ours.issue('broker');
    const said: string[] = [];
    const tls = { ...shown, caFile: theirs.caFile };
    const complain = (reason: string): number => said.push(reason);
    const broker = new Broker({ host: '127.0.0.1', port: 0, workerPassword: 'x', clients: 20, tls, complain });
    await broker.start();
    server = { port: broker.port, stop: () => broker.stop() };
    // A renewal that has written one of two files.
    copyFileSync(ours.issue('renewed').certFile, shown.certFile);
    open({ caFile: ours.caFile, ...theirs.issue('north') });
    await eventually('both lanes are there', () => connected.length === 2);
    assert.match(said.join('\n'), /keeps the certificate that it has: key file .* does not belong to the certificate/);
  });

  it('says what is wrong with the files of its own, and goes on by itself once they are right', async () => {
    server = await embedded({ ...ours.issue('broker'), caFile: ours.caFile });
    const own = ours.issue('north');
    const caFile = ours.caFile;
    chmodSync(own.keyFile, 0o644);
    await refused(/is open to others \(mode 0644\); run: chmod 600/, { caFile, ...own });
    chmodSync(own.keyFile, 0o600);
    await eventually('both lanes are there', () => connected.length === 2, 30_000);
    await transport!.stop();
    const other = ours.issue('other');
    const none = path.join(ours.directory, 'none');
    for (const [files, words] of [
      [{ caFile: `${none}.pem` }, /CA file .*none\.pem cannot be read: ENOENT/],
      [{ caFile: own.keyFile }, /CA file .* holds no certificates in PEM form/],
      [{ caFile, certFile: own.certFile }, /there is no key file to it; name both or none/],
      [{ caFile, keyFile: own.keyFile }, /there is no certificate to it; name both or none/],
      [{ caFile, certFile: own.certFile, keyFile: other.keyFile }, /does not belong to the certificate/],
    ] as const) {
      connected = [];
      lost = [];
      await refused(words, files);
      await transport!.stop();
    }
  });

  it('says that a broker speaks no TLS, or only TLS', async () => {
    const plain = new Broker({ host: '127.0.0.1', port: 0, workerPassword: 'x', clients: 20 });
    await plain.start();
    server = { port: plain.port, stop: () => plain.stop() };
    open({ caFile: ours.caFile });
    await eventually('both lanes are refused', () => lost.length >= 2);
    assert.match(lost[0].reason, /within the TLS handshake; does it speak TLS\?/);
    await transport!.stop();
    await server.stop();
    server = await embedded(ours.issue('broker'));
    lost = [];
    open({}, { url: `mqtt://127.0.0.1:${server.port}` });
    await eventually('both lanes are refused', () => lost.length >= 2);
    assert.match(lost[0].reason, /does it expect TLS \(mqtts:\/\/\)/);
  });
});
