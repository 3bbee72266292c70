import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { connectAsync } from 'mqtt';

import type { SummariesAnswer } from '../../cloud-bridge/src/api/contract.ts';
import { Authority } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/ports.ts';
import { Program } from '../support/process.ts';
import { Site, hurry } from '../support/site.ts';
import { mustHaveTool } from '../support/tools.ts';

describe('mutual TLS from the sensor to the cloud', function () {
  this.timeout(180_000);
  let authority: Authority;

  before(() => {
    authority = new Authority('Works');
  });
  after(() => authority.remove());

  /** Everything that a gateway and its sensor need, on a port of TLS of its own. */
  async function wired(site: Site): Promise<{ sensors: number; keyFile: string }> {
    const { certFile, keyFile } = authority.issue('site');
    const sensors = await freePort();
    const { caFile } = authority;
    site.configure((config) => {
      config.cloud = { caFile, certFile, keyFile };
      config.mqtt = { ...config.mqtt, tls: { port: sensors, clientCaFile: caFile, ...authority.issue('broker') } };
    });
    return { sensors, keyFile };
  }

  async function arrives(site: Site, sensors: number): Promise<void> {
    const { certFile, keyFile } = authority.issue('sensor');
    const [ca, cert, key] = [authority.caFile, certFile, keyFile].map((file) => readFileSync(file));
    await assert.rejects(
      connectAsync(`mqtts://127.0.0.1:${sensors}`, { ca, reconnectPeriod: 0, connectTimeout: 5_000 }),
    );
    const sensor = await connectAsync(`mqtts://127.0.0.1:${sensors}`, { ca, cert, key });
    try {
      for (let i = 0; i < 50; i++) await sensor.publishAsync('site/flow', `${i}.5`, { qos: 1 });
    } finally {
      await sensor.endAsync();
    }
    const query = new URLSearchParams({
      gateway: 'site',
      series: 'site/flow',
      resolution: '1',
      from: '0',
      to: '8640000000000000',
    });
    await eventually(
      'the readings are at the cloud',
      async () => (await site.ask<SummariesAnswer>(`/api/v1/summaries?${query.toString()}`)).total?.count === 50,
      60_000,
    );
  }

  it('goes through the cloud’s own broker, says what it shows, and what is wrong with it', async () => {
    const shown = authority.issue('cloud');
    const tls = ['--mqtt-cert', shown.certFile, '--mqtt-key', shown.keyFile, '--mqtt-ca', authority.caFile];
    const site = await Site.make({ grants: ['site/#'], flow: hurry, tls });
    try {
      const { sensors, keyFile } = await wired(site);
      chmodSync(keyFile, 0o640);
      await site.startGateway();
      await eventually('the status names the key that is open to others', async () =>
        /bridge +key file .* is open to others \(mode 0640\); run: chmod 600/.test(
          await site.tidegate('status', site.gatewayDirectory),
        ),
      );
      chmodSync(keyFile, 0o600);
      await site.enrolled();
      await arrives(site, sensors);
      const status = await site.tidegate('status', site.gatewayDirectory);
      assert.match(status, new RegExp(`broker +mqtt://127.0.0.1:\\d+ and mqtts://127.0.0.1:${sensors}, `));
      assert.match(
        status,
        new RegExp(`tls +mqtts://127.0.0.1:${site.link.port}, trusting the authorities in .*ca.pem`),
      );
      assert.match(status, /shows +the certificate CN=site, valid until 20/);
    } finally {
      await site.close();
    }
  });

  it('goes through mosquitto', async () => {
    const mosquitto = mustHaveTool('mosquitto');
    const directory = mkdtempSync(path.join(os.tmpdir(), 'tidegate-mosquitto-tls-'));
    const configuration = path.join(directory, 'mosquitto.conf');
    const port = await freePort();
    const { certFile, keyFile } = authority.issue('mosquitto');
    // As root it would become a user who may not read the certificates.
    const lines = ['user root', `listener ${port} 127.0.0.1`, 'allow_anonymous true', 'persistence false'];
    lines.push(
      `certfile ${certFile}`,
      `keyfile ${keyFile}`,
      `cafile ${authority.caFile}`,
      'require_certificate true',
      '',
    );
    writeFileSync(configuration, lines.join('\n'));
    const broker = new Program('mosquitto', mosquitto, ['-c', configuration]);
    await broker.line(/running/);
    const worker = authority.issue('cloud');
    const tls = ['--mqtt-cert', worker.certFile, '--mqtt-key', worker.keyFile, '--mqtt-ca', authority.caFile];
    const site = await Site.make({ grants: ['site/#'], flow: hurry, brokerPort: port, tls });
    try {
      const { sensors } = await wired(site);
      await site.startGateway();
      await site.enrolled();
      await arrives(site, sensors);
    } finally {
      await site.close();
      await broker.stop();
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
