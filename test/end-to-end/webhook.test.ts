import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { eventually } from '../support/eventually.ts';
import { LoneGateway } from '../support/gateway.ts';
import { RawClient } from '../support/mqtt-client.ts';
import { root } from '../support/process.ts';
import { vibrate } from '../support/vibration.ts';

type FlowNode = Record<string, unknown> & { id: string; type: string };

/** A server of the site: it hangs up, then it is busy, and then it takes what comes. */
class Pager {
  readonly taken: Record<string, unknown>[] = [];
  private asked = 0;
  private readonly server = http.createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (text: string) => (body += text));
    request.on('end', () => {
      this.asked++;
      if (this.asked === 1) return request.socket.destroy();
      if (this.asked > 2) this.taken.push(JSON.parse(body) as Record<string, unknown>);
      return response.writeHead(this.asked === 2 ? 503 : 204, { 'set-cookie': 'a=b' }).end();
    });
  });

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
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

  it('posts each alert to a server of the site once, also when that hangs up and is busy at first', async () => {
    const port = await pager.listen();
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
    await vibrate(sensor);
    await eventually('the alert is posted', async () => pager.taken.length > 0, 30_000);
    const [alert] = pager.taken;
    assert.equal(alert['series'], 'site/pump/vibration');
    assert.equal(alert['state'], 'open');
    const ids = pager.taken.map((one) => `${String(one['id'])} ${String(one['revision'])}`);
    assert.equal(new Set(ids).size, ids.length, 'each revision once');
    await sensor.close();
  });
});
