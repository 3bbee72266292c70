import assert from 'node:assert/strict';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { GatewaysAnswer, SeriesAnswer, SummariesAnswer } from '../../cloud-bridge/src/api/contract.ts';
import { CLI, temporaryDirectory } from '../support/gateway.ts';
import { Program } from '../support/process.ts';

interface Ready {
  editor: string;
  page: string;
  gatewayBroker: string;
  cloudBroker: string;
  login: { user: string; password: string };
}

const PORTS = ['--editor-port', '0', '--mqtt-port', '0', '--page-port', '0', '--cloud-mqtt-port', '0'];

async function get<T>(page: string, request: string): Promise<T> {
  const response = await fetch(new URL(request, page));
  assert.ok(response.ok, `${request}: ${response.status}`);
  return (await response.json()) as T;
}

async function until<T>(ask: () => Promise<T | undefined>, timeoutMs: number, what: string): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    assert.ok(Date.now() < deadline, `${what}: not within ${timeoutMs} ms`);
    await sleep(500);
  }
}

async function answers(url: string): Promise<boolean> {
  const socket = net.connect(Number(new URL(url).port), '127.0.0.1');
  return new Promise((resolve) => {
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
  }).then((connected) => {
    socket.destroy();
    return connected as boolean;
  });
}

/** Readings of the first run's series in the cloud, all windows together. */
async function counted(page: string, gateway: string, series: string): Promise<number> {
  const query = new URLSearchParams({ gateway, series, resolution: '5', from: '0', to: '8640000000000000' });
  return (await get<SummariesAnswer>(page, `/api/v1/summaries?${query.toString()}`)).total?.count ?? 0;
}

describe('tidegate demo', function () {
  this.timeout(180_000);

  it('shows series advancing on the page, ends on Ctrl-C, and goes on where it stopped', async () => {
    const home = temporaryDirectory('demo');
    const start = (): Program =>
      new Program('demo', process.execPath, [CLI, 'demo', '--json', '--dir', home.path, ...PORTS]);
    let demo = start();
    try {
      const first = await demo.json<Ready>();
      const gateway = await until(
        async () =>
          (await get<GatewaysAnswer>(first.page, '/api/v1/gateways')).gateways.find(({ series }) => series >= 20)
            ?.gateway,
        30_000,
        'twenty series on the page',
      );
      const { series } = await get<SeriesAnswer>(first.page, `/api/v1/series?gateway=${gateway}`);
      const pump = series.find(({ series: name }) => name.includes('pump1/vibration'));
      assert.ok(pump, series.map(({ series: name }) => name).join(', '));
      await until(
        async () => {
          const now = await get<SeriesAnswer>(first.page, `/api/v1/series?gateway=${gateway}`);
          const later = now.series.find(({ series: name }) => name === pump.series);
          return later?.lastWindow !== pump.lastWindow ? true : undefined;
        },
        30_000,
        'the series advances',
      );
      const countBefore = await counted(first.page, gateway, pump.series);
      assert.equal((await fetch(`${first.editor}/flows`)).status, 401, 'the editor is behind a login');

      demo.child.kill('SIGINT');
      assert.equal(await demo.ended(), 0, demo.output());
      for (const url of [first.editor, first.page, first.gatewayBroker, first.cloudBroker])
        assert.equal(await answers(url), false, `${url} still answers`);
      assert.equal(demo.output().trim().split('\n').length, 1, `only the line of JSON:\n${demo.output()}`);

      demo = start();
      const second = await demo.json<Ready>();
      assert.deepEqual(second.login, first.login);
      await until(
        async () => ((await counted(second.page, gateway, pump.series)) > countBefore ? true : undefined),
        30_000,
        'the series goes on',
      );
      const login = await fetch(`${second.editor}/auth/token`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          client_id: 'node-red-admin',
          grant_type: 'password',
          scope: '*',
          username: second.login.user,
          password: second.login.password,
        }),
      });
      assert.equal(login.status, 200);
    } finally {
      await demo.kill();
      home.remove();
    }
  });

  it('names the option when a port is taken', async () => {
    const home = temporaryDirectory('demo');
    const server = net.createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as net.AddressInfo;
    try {
      for (const [i, option] of ['--editor-port', '--mqtt-port', '--page-port', '--cloud-mqtt-port'].entries()) {
        const ports = PORTS.with(2 * i + 1, String(port));
        const demo = new Program('demo', process.execPath, [CLI, 'demo', '--json', '--dir', home.path, ...ports]);
        assert.equal(await demo.ended(), 1, demo.output());
        assert.ok(demo.output().includes(`127.0.0.1:${port} is in use by another program`), demo.output());
        assert.ok(demo.output().includes(option), demo.output());
      }
    } finally {
      server.close();
      home.remove();
    }
  });
});
