import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { scaled, Ledger } from '../support/ledger.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/ports.ts';
import { Program } from '../support/process.ts';
import { Site, hurry } from '../support/site.ts';
import { needTool } from '../support/tools.ts';
import type { SummariesAnswer } from '../../cloud-bridge/src/api/contract.ts';

describe('a broker of somebody else between gateway and cloud', function () {
  this.timeout(120_000);

  it('is a pipe like the embedded one: mosquitto brings every summary, also after it was killed', async function () {
    const binary = needTool(this, 'mosquitto');
    const directory = mkdtempSync(path.join(os.tmpdir(), 'tidegate-mosquitto-'));
    const port = await freePort();
    const configuration = path.join(directory, 'mosquitto.conf');
    writeFileSync(configuration, `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence false\n`);
    const start = async (): Promise<Program> => {
      const program = new Program('mosquitto', binary, ['-c', configuration]);
      await program.line(/running/);
      return program;
    };
    let mosquitto = await start();
    const site = await Site.make({ grants: ['site/#'], flow: hurry, brokerPort: port });
    const ledger = new Ledger(site.mqttPort, 'mosquitto-ledger');
    try {
      await site.startGateway();
      await site.enrolled();
      ledger.start();
      const total = async (): Promise<SummariesAnswer['total']> => {
        const query = new URLSearchParams({
          gateway: 'site',
          series: 'site/flow',
          resolution: '1',
          from: '0',
          to: '8640000000000000',
        });
        return (await site.ask<SummariesAnswer>(`/api/v1/summaries?${query.toString()}`)).total;
      };
      const publish = async (count: number): Promise<void> => {
        for (let i = 0; i < count; i++)
          await ledger.publish({ topic: 'site/flow', value: `${i}.25`, time: Date.now() });
        await ledger.drained();
      };
      await publish(200);
      await eventually('the first readings are at the cloud', async () => (await total())?.count === 200, 40_000);
      await mosquitto.kill();
      await publish(300);
      mosquitto = await start();
      await eventually('all readings are at the cloud', async () => (await total())?.count === 500, 60_000);
      assert.equal(scaled((await total())!.sum), ledger.totals.get('site/flow')!.sum);
    } finally {
      await ledger.close();
      await site.close();
      await mosquitto.stop();
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
