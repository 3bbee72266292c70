import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { eventually } from '../support/eventually.ts';
import { LoneGateway } from '../support/gateway.ts';
import { RawClient } from '../support/mqtt-client.ts';
import { root } from '../support/process.ts';

type FlowNode = Record<string, unknown> & { id: string; type: string };

/** A server of the site: it is away, then busy, and then takes what comes. */
class Pager {
  readonly taken: Record<string, unknown>[] = [];
  busy = 1;
  private readonly server = http.createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (text: string) => (body += text));
    request.on('end', () => {
      const late = this.busy-- > 0;
      if (!late) this.taken.push(JSON.parse(body) as Record<string, unknown>);
      response.writeHead(late ? 503 : 204, { 'set-cookie': 'a=b' }).end();
    });
  });

  async listen(port = 0): Promise<number> {
    await new Promise<void>((resolve) => this.server.listen(port, '127.0.0.1', resolve));
    return (this.server.address() as AddressInfo).port;
  }

  close(): Promise<void> {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }
}

describe('the flow flows/webhook.json, on a gateway without a cloud', function () {
  this.timeout(120_000);
  let gateway: LoneGateway;
  let pager: Pager;

  beforeEach(async () => {
    gateway = await LoneGateway.make();
    pager = new Pager();
  });
  afterEach(async () => {
    await gateway.close();
    await pager.close();
  });

  it('posts each alert to a server of the site once, also when that is away at first', async () => {
    const port = await pager.listen();
    await pager.close();
    const file = path.join(gateway.directory, 'node-red/flows.json');
    const flows = [file, path.join(root, 'flows/webhook.json')].flatMap(
      (name) => JSON.parse(readFileSync(name, 'utf8')) as FlowNode[],
    );
    for (const node of flows) {
      if (node.type === 'http request') node['url'] = `http://127.0.0.1:${port}/alarm`;
      if (node.type === 'delay') node['timeout'] = '1';
    }
    writeFileSync(file, JSON.stringify(flows));
    await gateway.start();
    const { client: sensor } = await RawClient.connect(gateway.brokerPort, 'bearing');
    const start = Date.now() - 400_000;
    for (let i = 0; i < 400; i++) {
      const value = i < 380 ? (3 + 0.1 * Math.sin(i * 12.9898)).toFixed(3) : '30';
      sensor.publish('site/pump/vibration', `{"timestamp":${start + i * 1_000},"value":${value}}`);
    }
    await sensor.until(() => sensor.acknowledged.size === 400);
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    pager = new Pager();
    await pager.listen(port);
    await eventually('the alert is posted', async () => pager.taken.length > 0, 30_000);
    const [alert] = pager.taken;
    assert.equal(alert['series'], 'site/pump/vibration');
    assert.equal(alert['state'], 'open');
    const ids = pager.taken.map((one) => `${String(one['id'])} ${String(one['revision'])}`);
    assert.equal(new Set(ids).size, ids.length, 'each revision once');
    assert.ok(pager.busy < 0, 'the refused one was sent again');
    await sensor.close();
  });
});
