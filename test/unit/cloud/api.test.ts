import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';

import {
  startCloud,
  type AlertsAnswer,
  type ChangeEvent,
  type DocumentView,
  type ErrorAnswer,
  type GatewaysAnswer,
  type HealthAnswer,
  type RunningCloud,
  type SeriesAnswer,
  type StateAnswer,
  type SummariesAnswer,
} from '@tidegate/cloud-bridge';

import { eventually } from '../../support/eventually.ts';
import { HandMadeGateway, blockOf, partOf } from '../../support/hand-made-gateway.ts';

const MINUTE = 60_000;

const summaries = (change: Record<string, string> = {}): string =>
  `summaries?${new URLSearchParams({ gateway: 'site', series: 'pump/flow', resolution: '60', from: '0', to: String(10 * MINUTE), ...change })}`;

describe('the API of the cloud', function () {
  this.timeout(20_000);
  let directory: string;
  let cloud: RunningCloud;
  let gateway: HandMadeGateway;

  before(async () => {
    directory = mkdtempSync(path.join(os.tmpdir(), 'tidegate-cloud-api-'));
    cloud = await startCloud({ directory, port: 0, mqttPort: 0, page: false });
    gateway = await HandMadeGateway.enrolled(cloud.brokerUrl, await cloud.enrol('site'));
    await gateway.blocks('operations/60', [
      blockOf(1, partOf(1, 0, 1.1, 2.2), partOf(1, MINUTE, 30), partOf(2, 0, 7)),
      blockOf(2, partOf(1, 0, 3.3), partOf(1, 3 * MINUTE, -4)),
    ]);
    await gateway.answer('ack');
    await gateway.blocks('operations/900', [blockOf(1, partOf(1, 0, 1.1, 2.2, 3.3, 30))]);
    await gateway.answer('ack');
    await gateway.names(1, 'pump/flow', 'pump/power');
    await gateway.answer('ack');
  });
  after(async () => {
    await gateway.close();
    await cloud.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  async function get<T>(what: string): Promise<T> {
    const response = await fetch(`${cloud.pageUrl}/api/v1/${what}`);
    const text = await response.text();
    assert.equal(response.status, 200, text);
    const body: T = JSON.parse(text);
    return body;
  }
  async function refused(what: string, options: RequestInit = {}): Promise<[number, string, string]> {
    const response = await fetch(`${cloud.pageUrl}${what}`, options);
    const { error }: ErrorAnswer = JSON.parse(await response.text());
    return [response.status, error.code, error.message];
  }
  async function write(key: string, value: unknown): Promise<DocumentView> {
    const { what, ...options } = put(key, { value });
    const response = await fetch(`${cloud.pageUrl}${what}`, options);
    const text = await response.text();
    assert.equal(response.status, 200, text);
    const body: DocumentView = JSON.parse(text);
    return body;
  }
  const put = (key: string, body: unknown, token = cloud.apiToken): RequestInit & { what: string } => ({
    what: `/api/v1/state?gateway=site&key=${encodeURIComponent(key)}`,
    method: 'PUT',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify(body),
  });

  it('lists gateways with what they hold', async () => {
    const { gateways } = await get<GatewaysAnswer>('gateways');
    const [{ lastSeen, enrolledAt, incarnation, ...rest }] = gateways;
    assert.deepEqual(rest, {
      gateway: 'site',
      online: true,
      software: 'hand-made 1',
      series: 2,
      parts: 6,
      blocksMissing: 0,
      openAlerts: 0,
      forks: 0,
      gaps: 0,
      refused: 0,
      refusedKinds: {},
      refusedReason: null,
    });
    assert.equal(incarnation, Buffer.from(gateway.incarnation).toString('hex'));
    assert.ok(lastSeen! >= enrolledAt);
  });

  it('lists the series of a gateway', async () => {
    const { series } = await get<SeriesAnswer>('series?gateway=site');
    assert.deepEqual(
      series.map(({ series, resolutions }) => [series, resolutions]),
      [
        ['pump/flow', [60, 900]],
        ['pump/power', [60]],
      ],
    );
    assert.deepEqual(series[0], {
      series: 'pump/flow',
      kind: 'number',
      unit: 'm³/h',
      sensor: null,
      sensorSince: null,
      retired: null,
      earlier: [],
      resolutions: [60, 900],
      firstWindow: 0,
      lastWindow: 3 * MINUTE,
      lastValue: -4,
      lastTime: 3 * MINUTE,
    });
  });

  it('folds the parts of each window, and all windows into one, exactly', async () => {
    const { windows, total, next } = await get<SummariesAnswer>(summaries());
    assert.deepEqual(
      windows.map(({ windowStart, parts, count, sum, min, max }) => [windowStart, parts, count, sum, min, max]),
      [
        [0, 2, 3, '6.6', 1.1, 3.3],
        [MINUTE, 1, 1, '30', 30, 30],
        [3 * MINUTE, 1, 1, '-4', -4, -4],
      ],
    );
    assert.equal(next, null);
    const { first, last, squares, mean, p50, p10, p90, ...rest } = total!;
    assert.deepEqual(
      [rest.windowStart, rest.parts, rest.count, rest.numeric, rest.sum, squares, mean?.toFixed(9)],
      [0, 4, 5, 5, '32.6', '932.94', '6.520000000'],
    );
    assert.deepEqual(
      [first, last],
      [
        { time: 0, value: 1.1 },
        { time: 3 * MINUTE, value: -4 },
      ],
    );
    assert.ok(Math.abs(p50! - 2.2) <= 0.022 && p10! < p50! && p90! > p50!);
  });

  it('pages through windows', async () => {
    const first = await get<SummariesAnswer>(summaries({ limit: '2' }));
    assert.deepEqual([first.windows.length, first.next], [2, 3 * MINUTE]);
    const second = await get<SummariesAnswer>(summaries({ limit: '2', from: String(first.next) }));
    assert.deepEqual([second.windows.length, second.next], [1, null]);
    const none = await get<SummariesAnswer>(summaries({ from: String(5 * MINUTE) }));
    assert.deepEqual([none.windows, none.total], [[], null]);
  });

  it('folds what a gateway wrote before and after it got a new store', async () => {
    const again = await HandMadeGateway.connect(cloud.brokerUrl, await cloud.enrol('site'), {
      identity: gateway.identity,
    });
    await again.blocks('operations/3600', [blockOf(1, partOf(1, 0, 5))]);
    await again.names(1, 'pump/power');
    await gateway.blocks('operations/3600', [blockOf(1, partOf(2, 0, 8))]);
    await eventually('both parts are folded', async () => {
      const { total } = await get<SummariesAnswer>(summaries({ series: 'pump/power', resolution: '3600' }));
      return total?.count === 2 && total.sum === '13' && total.parts === 2;
    });
    await again.close();
  });

  it('hands out alerts after a cursor', async () => {
    const base = { series: 'pump/flow', severity: 'warning', kind: 'rate', value: true, text: 'jumped' } as const;
    const before = (await get<AlertsAnswer>('alerts')).cursor;
    for (const [i, id] of ['1', '2', '3'].entries()) {
      await gateway.alert({ ...base, id: id.repeat(32), revision: 1, time: 1000 - i, state: 'open' });
      while ((await gateway.answer('ack')).alerts.length === 0);
    }
    const { alerts, cursor } = await get<AlertsAnswer>(`alerts?since=${before}&limit=2`);
    assert.deepEqual(
      alerts.map(({ id }) => id[0]),
      ['1', '2'],
    );
    assert.equal(cursor, alerts[1].cursor);
    const rest = await get<AlertsAnswer>(`alerts?since=${cursor}&gateway=site`);
    assert.deepEqual(
      rest.alerts.map(({ id, value, unit, expected, closed }) => [id[0], value, unit, expected, closed]),
      [['3', true, null, null, null]],
    );
    const newest = await get<AlertsAnswer>('alerts?limit=1');
    assert.deepEqual([newest.alerts[0].id[0], newest.cursor], ['1', rest.cursor]);
    assert.deepEqual((await get<AlertsAnswer>(`alerts?since=${rest.cursor}`)).alerts, []);
  });

  describe('shared state', () => {
    it('is sent to its gateway at once, and is applied when the gateway says so', async () => {
      const { value, applied, stamp } = await write('limit/high', { high: 9.5 });
      assert.deepEqual([value, applied], [{ high: 9.5 }, false]);
      const { documents } = await gateway.answer('state');
      assert.deepEqual(documents, [{ key: 'limit/high', value: { high: 9.5 }, stamp }]);
      await gateway.applied({ 'limit/high': stamp });
      await eventually(
        'it is applied',
        async () => (await get<StateAnswer>('state?gateway=site')).documents[0].applied,
      );
    });

    it('is sent again with the next HELLO as long as the gateway has another version', async () => {
      const { stamp } = await write('speed', 3);
      await gateway.answer('state');
      await gateway.hello({ state: { speed: { ...stamp, wall: stamp.wall - 1 } } });
      const { documents } = await gateway.answer('state');
      assert.deepEqual(
        documents.filter(({ key }) => key === 'speed'),
        [{ key: 'speed', value: 3, stamp }],
      );
      const all = (await get<StateAnswer>('state?gateway=site')).documents;
      await gateway.hello({ state: Object.fromEntries(all.map((document) => [document.key, document.stamp])) });
      await gateway.answer('welcome');
      await eventually('all are applied', async () =>
        (await get<StateAnswer>('state?gateway=site')).documents.every(({ applied }) => applied),
      );
    });

    it('is stamped after what the gateway has seen, even when its clock is ahead', async () => {
      const ahead = { wall: Date.now() + 3_600_000, counter: 3, writer: 'site' };
      await gateway.hello({ state: { other: ahead } });
      await gateway.answer('welcome');
      await eventually('the next stamp is later', async () => {
        const { stamp } = await write('late', null);
        return stamp.wall > ahead.wall || (stamp.wall === ahead.wall && stamp.counter > ahead.counter);
      });
    });

    it('is written only with the token', async () => {
      for (const token of ['', 'guess', cloud.apiToken.slice(1), `${cloud.apiToken}0`]) {
        const { what, ...options } = put('speed', { value: 4 }, token);
        const [status, code, message] = await refused(what, options);
        assert.deepEqual([status, code], [401, 'unauthorized']);
        assert.match(message, /keys\/api-token/);
      }
      const file = path.join(directory, 'keys/api-token');
      assert.equal(readFileSync(file, 'utf8').trim(), cloud.apiToken);
      for (const name of ['api-token', 'identity.json', 'broker-password'])
        assert.equal(statSync(path.join(directory, 'keys', name)).mode & 0o777, 0o600);
    });

    it('takes any JSON, but something, and at most 64 kB of it', async () => {
      const nothing = put('speed', {});
      assert.match((await refused(nothing.what, nothing))[2], /value: found nothing, allowed: any JSON/);
      const more = put('speed', { value: 1, ttl: 5 });
      assert.match((await refused(more.what, more))[2], /ttl/);
      const large = put('speed', { value: 'x'.repeat(70_000) });
      assert.equal((await refused(large.what, large))[0], 413);
      const broken = { ...put('speed', 0), body: '{"value":' };
      assert.equal((await refused(broken.what, broken))[0], 400);
    });
  });

  describe('what is asked wrongly', () => {
    for (const [query, status, message] of [
      [
        'summaries?gateway=site&series=pump/flow&from=0&to=1',
        400,
        /^resolution: found nothing, allowed: a whole number from 1 to 86400$/,
      ],
      ['summaries?gateway=site&series=pump/flow&from=yesterday&to=1&resolution=60', 400, /^from: found "yesterday"/],
      [
        'summaries?gateway=site&series=pump/flow&from=0&to=1&resolution=60&limit=99999',
        400,
        /^limit: found "99999", allowed: .* to 10000$/,
      ],
      [
        'summaries?gateway=site&series=none&from=0&to=1&resolution=60',
        404,
        /^series: found "none", which site does not have$/,
      ],
      ['series', 400, /^gateway: found nothing/],
      ['series?gateway=a/b/c', 400, /^gateway: found "a\/b\/c"/],
      ['series?gateway=site&gateway=other', 400, /^gateway: found \["site","other"\]/],
      ['series?gateway=nobody', 404, /tidegate-cloud enroll nobody/],
      ['series?gateway=t/nobody', 404, /enroll nobody --tenant t/],
      ['alerts?since=-1', 400, /^since: found "-1"/],
      ['alerts?sicne=1', 400, /^sicne: there is no such parameter/],
      ['nothing', 404, /nothing at GET \/api\/v1\/nothing/],
    ] as const)
      it(`gets ${status} for ${query}`, async () => {
        const [found, , said] = await refused(`/api/v1/${query}`);
        assert.equal(found, status);
        assert.match(said, message);
      });

    it('gets nothing under another name than this machine’s', async () => {
      const { port } = new URL(cloud.pageUrl);
      const status = await new Promise<number | undefined>((resolve, reject) => {
        const headers = { host: 'rebound.example' };
        http
          .get({ host: '127.0.0.1', port, path: '/api/v1/gateways', headers }, (response) => {
            response.resume();
            resolve(response.statusCode);
          })
          .once('error', reject);
      });
      assert.equal(status, 403);
    });
  });

  it('tells of changes as they are committed, at most one of a kind a second', async () => {
    const controller = new AbortController();
    const response = await fetch(`${cloud.pageUrl}/api/v1/events`, { signal: controller.signal });
    assert.match(response.headers.get('content-type')!, /^text\/event-stream/);
    const events: ChangeEvent[] = [];
    const reading = (async () => {
      let text = '';
      for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
        text += chunk;
        for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
          const data = /^event: change\ndata: (.*)$/.exec(text.slice(0, end))?.[1];
          text = text.slice(end + 2);
          if (data !== undefined) events.push(JSON.parse(data));
        }
      }
    })().catch((error: unknown) => {
      if (!controller.signal.aborted) throw error;
    });
    const start = performance.now();
    for (let number = 100; number < 110; number++) {
      await gateway.blocks('operations/60', [blockOf(number, partOf(1, number * MINUTE, 1))]);
      await gateway.answer('ack');
    }
    const parts = (): ChangeEvent[] => events.filter(({ kind }) => kind === 'parts');
    await eventually('a change of parts is told', () => parts().length > 0);
    assert.deepEqual(parts()[0], { kind: 'parts', gateway: 'site' });
    assert.ok(parts().length <= 2 + (performance.now() - start) / 1000);
    controller.abort();
    await reading;
  });

  it('drops pages that listen beyond the most it serves', async () => {
    const controller = new AbortController();
    const responses = await Promise.all(
      Array.from({ length: 140 }, () => fetch(`${cloud.pageUrl}/api/v1/events`, { signal: controller.signal })),
    );
    const statuses = responses.map(({ status }) => status);
    assert.equal(statuses.filter((status) => status === 200).length, 128);
    assert.equal(statuses.filter((status) => status === 429).length, 12);
    controller.abort();
    await eventually('there is room again', async () => {
      const next = await fetch(`${cloud.pageUrl}/api/v1/events`);
      await next.body?.cancel();
      return next.status === 200;
    });
  });

  it('says that it is well', async () => {
    const response = await fetch(`${cloud.pageUrl}/healthz`);
    const { status, problems }: HealthAnswer = JSON.parse(await response.text());
    assert.deepEqual([response.status, status, problems], [200, 'ok', []]);
  });
});
