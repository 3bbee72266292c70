import assert from 'node:assert/strict';
import { TideError } from '@tidegate/nodes/node';
import type { Finding } from '@tidegate/nodes/vault';
import { answerControl, type Controlled, type Line } from '../../../gateway/src/control/requests.ts';
import { findingText, isDamage, verdictText } from '../../../gateway/src/control/findings-text.ts';
import { socketPath } from '../../../gateway/src/control/socket-path.ts';
import { bytesText, statusText } from '../../../gateway/src/control/status-text.ts';
import type { GatewayStatus } from '../../../gateway/src/control/status.ts';
import { derivedSecret } from '../../../gateway/src/device/derived-secret.ts';
import { Rate } from '../../../gateway/src/device/rate.ts';

const status: GatewayStatus = {
  name: 'works',
  running: false,
  vault: {
    directory: '/srv/vault',
    incarnation: '0'.repeat(32),
    head: 1_234_568,
    problems: [],
    commits: 7,
    readings: 1_234_567,
    bytes: 2_500_000,
    blocksWaiting: 18,
    blockBytesWaiting: 4_200,
    alertsWaiting: 2,
    quarantined: 0,
    damaged: 0,
    commitP50Ms: 1.25,
    commitP99Ms: 9,
  },
  bridge: null,
  enrolled: null,
  grants: [],
};

/** What a bridge has sent. */
const sent = { framesSent: 0, bytesSent: 0, latencyMs: 0 };
const outcome = { count: 701, series: 1, complete: true };

async function* pages(...lists: object[][]): AsyncGenerator<readonly object[]> {
  yield* lists;
}

const altered: Finding = {
  place: 'segments/000012.seg, chunk 4',
  kind: 'altered',
  text: 'it does not open',
  positions: [1200, 1800],
  times: [Date.UTC(2026, 4, 1), Date.UTC(2026, 4, 2)],
};
const torn: Finding = { place: 'journal/000003.log', kind: 'torn', text: 'a write was not finished' };

async function* findings(): AsyncGenerator<Finding> {
  yield altered;
  yield torn;
}

async function linesOf(gateway: Controlled, path: string, body?: unknown): Promise<Line[]> {
  const answer = await answerControl(gateway, 'POST', path, body);
  assert.ok('lines' in answer);
  const lines: Line[] = [];
  for await (const line of answer.lines) lines.push(line);
  return lines;
}

describe('findings of a check', () => {
  it('say what is wrong where, and what is affected', () => {
    assert.equal(
      findingText(altered),
      'altered     segments/000012.seg, chunk 4: it does not open (positions 1200 to before 1800, times 2026-05-01T00:00:00.000Z to before 2026-05-02T00:00:00.000Z)',
    );
    assert.equal(findingText(torn), 'torn        journal/000003.log: a write was not finished');
    assert.deepEqual([altered, torn].map(isDamage), [true, false]);
  });

  it('come to a verdict', () => {
    assert.equal(verdictText(0, 0), 'Everything in the vault is as it was written.');
    assert.match(verdictText(0, 1), /as it was written; 1 unfinished write at the end, by which nothing is lost\.$/);
    assert.match(verdictText(2, 0), /^2 findings: what is named above is not as it was written, everything else is\.$/);
  });
});

describe('control socket', () => {
  it('lies in the directory, or below the temporary one where its path would be too long', () => {
    assert.equal(socketPath('/srv/gateway', '/tmp', 'linux'), '/srv/gateway/run/control.sock');
    const long = socketPath(`/srv/${'g'.repeat(100)}`, '/tmp', 'linux');
    assert.match(long, /^\/tmp\/tidegate-[0-9a-f]{16}\/control\.sock$/);
    assert.notEqual(long, socketPath(`/srv/${'h'.repeat(100)}`, '/tmp', 'linux'));
    assert.match(socketPath('/srv/gateway', '/tmp', 'win32'), /^\\\\\.\\pipe\\tidegate-/);
  });

  it('answers what it knows and names what it does not', async () => {
    const calls: unknown[] = [];
    const gateway: Controlled = {
      status: async () => status,
      grants: async () => [],
      grant: async (...call) => {
        calls.push(call);
        if (call[0] === 'a/#/b') throw new TideError('bad-pattern', 'it has # before its end');
      },
      revoke: async (...call) => {
        calls.push(call);
        return { rewritten: 3 };
      },
      account: () => assert.fail('nobody asked for the account'),
      verify: () => findings(),
      metrics: async () => 'tidegate_up 1',
      keys: () => assert.fail('nobody asked for keys'),
      series: () => assert.fail('nobody asked for series'),
      query: (request) => {
        calls.push(request);
        return {
          pages: pages(
            [{ value: 1 }],
            Array.from({ length: 700 }, () => ({ value: 2 })),
          ),
          outcome,
        };
      },
    };
    const lines = await linesOf(gateway, '/query', { series: ['a/#'], from: null, to: 5, limit: 3 });
    assert.deepEqual(
      lines.map((line) => ('rows' in line ? line.rows.length : line)),
      [1, 500, 200, { end: outcome }],
    );
    assert.deepEqual(calls.splice(0), [{ series: ['a/#'], from: -Infinity, to: 5, order: 'series', limit: 3 }]);
    assert.deepEqual(await answerControl(gateway, 'GET', '/status', undefined), { status: 200, body: status });
    assert.deepEqual(await answerControl(gateway, 'GET', '/metrics', undefined), {
      status: 200,
      body: { text: 'tidegate_up 1' },
    });
    assert.deepEqual(await answerControl(gateway, 'DELETE', '/grants', { series: 'a/#' }), {
      status: 200,
      body: { rewritten: 3, grants: [] },
    });
    assert.deepEqual(await linesOf(gateway, '/vault/verify'), [
      { checking: { readings: status.vault.readings, bytes: status.vault.bytes } },
      { finding: altered },
      { finding: torn },
      { end: { findings: 2 } },
    ]);
    for (const [method, path, body, code] of [
      ['PUT', '/grants', { series: 'a/#/b' }, 'bad-pattern'],
      ['PUT', '/grants', { pattern: 'a' }, 'bad-request'],
      ['POST', '/status', undefined, 'unknown-request'],
      ['POST', '/query', { series: 'a' }, 'bad-request'],
      ['POST', '/query', { series: ['a'], form: 3 }, 'bad-request'],
      ['POST', '/query', { series: [''] }, 'bad-query'],
    ] as const) {
      const refused = await answerControl(gateway, method, path, body);
      assert.equal(refused.status, 400);
      assert.ok('body' in refused);
      assert.equal((refused.body as { error: { code: string } }).error.code, code);
    }
    assert.deepEqual(calls, [
      ['a/#', undefined],
      ['a/#/b', undefined],
    ]);
  });
});

describe('status text', () => {
  it('says in words what the vault holds and what waits', () => {
    const text = statusText(status, 0);
    assert.match(text, /works, not running/);
    assert.match(text, /1,234,567 readings, 2\.5 MB/);
    assert.match(text, /18 blocks \(4\.2 kB\), 2 alerts/);
    assert.match(text, /none: nothing leaves this site/);
    assert.equal(bytesText(999), '999 bytes');
  });

  it('says why the cloud is not reached', () => {
    const bridge = {
      state: 'offline',
      text: 'offline since 12:04, 18 blocks wait',
      since: 0,
      reason: 'no such host',
      ...sent,
    };
    assert.match(statusText({ ...status, bridge }, 0), /offline since 12:04, 18 blocks wait \(no such host\)$/m);
    const refused = { state: 'error', text: 'no such gateway', since: 0, reason: 'no such gateway', ...sent };
    assert.match(statusText({ ...status, bridge: refused }, 0), /bridge +no such gateway$/m);
  });
});

describe('rate', () => {
  it('is over the last ten seconds', () => {
    let now = 0;
    const rate = new Rate({ now: () => now, monotonic: () => now });
    assert.equal(rate.perSecond(), 0);
    for (let second = 0; second <= 60; second++) {
      now = second * 1000;
      rate.sample(second < 30 ? second * 100 : 3000 + (second - 30) * 7);
    }
    assert.equal(Math.round(rate.perSecond()), 7);
  });
});

describe('derived secret', () => {
  it('follows from key and purpose alone', () => {
    const key = 'ab'.repeat(32);
    assert.equal(derivedSecret(key, 'one'), derivedSecret(key, 'one'));
    assert.notEqual(derivedSecret(key, 'one'), derivedSecret(key, 'two'));
    assert.notEqual(derivedSecret('a passphrase of some words', 'one'), derivedSecret('another passphrase', 'one'));
    assert.equal(Buffer.from(derivedSecret(key, 'one'), 'base64url').length, 32);
  });
});
