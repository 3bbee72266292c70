import assert from 'node:assert/strict';
import { type Alert, decodeAlert, encodeAlert, MAX_ALERT_BYTES } from '@tidegate/nodes/detect';
import { TideError } from '@tidegate/nodes/node';
import { encode } from 'cbor-x';
import { nextTurn, type OpenAlert } from '../../../nodes/src/detect/alert-life.ts';
import { AlertQueue } from '../../../nodes/src/detect/alert-queue.ts';
import { CALM, type Verdict } from '../../../nodes/src/detect/detector.ts';
import { exactText, lastSpanText, numberText, spanText, withUnit } from '../../../nodes/src/detect/number-text.ts';
import type { Raised } from '../../../nodes/src/detect/detection.ts';

const alert: Alert = {
  id: '00112233445566778899aabbccddeeff',
  revision: 2,
  series: 'line1/pump3/temperature',
  time: 1_760_000_000_000,
  state: 'closed',
  closed: 1_760_000_060_000,
  severity: 'warning',
  kind: 'auto',
  value: 38.2,
  expected: { low: 20.8, high: 22 },
  unit: '°C',
  text: '38.2 °C is far above 21.4 ± 0.6, usual for the last hour',
};

describe('encoded alerts', () => {
  it('come back as they were', () => {
    const { closed: _c, expected: _e, unit: _u, ...least } = alert;
    for (const one of [alert, least, { ...alert, value: true }, { ...alert, value: 'jammed', expected: { high: 3 } }])
      assert.deepEqual(decodeAlert(encodeAlert(one)), one);
  });

  it('have the same bytes whatever the order of their fields', () => {
    const { id, revision, series, ...rest } = alert;
    const turned: Alert = { ...rest, series, revision, id };
    assert.deepEqual(encodeAlert(turned), encodeAlert(alert));
  });

  it('are refused where they break a bound, with the field named', () => {
    const wrong: [field: string, value: unknown][] = [
      ['id', 'x'],
      ['revision', 0],
      ['series', ''],
      ['series', 'x'.repeat(1025)],
      ['time', 1.5],
      ['state', 'maybe'],
      ['severity', 'mild'],
      ['kind', 'Auto'],
      ['value', Number.NaN],
      ['value', null],
      ['unit', 'x'.repeat(65)],
      ['text', 'x'.repeat(501)],
      ['expected', { low: 'x' }],
      ['extra', 1],
    ];
    for (const [field, value] of wrong) {
      const bad = { ...alert, [field]: value };
      assert.throws(() => encodeAlert(bad), TideError, `${field} ${String(value)}`);
      assert.throws(
        () => decodeAlert(encode(bad)),
        (error: TideError) => error.code === 'bad-alert' && (field === 'extra' || error.message.includes(field)),
        `${field} ${String(value)}`,
      );
    }
  });

  it('are refused when they are no alerts at all', () => {
    for (const bytes of [new Uint8Array(0), Uint8Array.of(0xff), encode(7), encode(null), Buffer.from('{"id":1}')])
      assert.throws(
        () => decodeAlert(bytes),
        (error: TideError) => error.code === 'bad-alert',
      );
    assert.throws(() => decodeAlert(new Uint8Array(MAX_ALERT_BYTES + 1)), /at most 8192 are allowed/);
  });
});

const at = (seconds: number, value = 9): { series: string; time: number; value: number; position: number } => ({
  series: 'a',
  time: 1_760_000_000_000 + seconds * 1000,
  value,
  position: 100 + seconds,
});

const alarm = (score: number, more: Partial<Verdict> = {}): Verdict => ({
  score,
  alarm: true,
  severity: 'warning',
  text: `score ${score}`,
  ...more,
});

const id = (incarnation: string, key: string, series: string, position: number | undefined, time: number): string =>
  nextTurn(undefined, alarm(1), { series, time, value: 1, position }, { incarnation, kind: 'limits', key }).alert!.id;

const raised = (name: string): Raised => ({ series: name, alerts: [{ ...alert, series: name }], save: undefined });

describe('the life of an alert', () => {
  const origin = { incarnation: 'aa', kind: 'limits', key: 'limits:high=8' };

  /** Revisions that a series of verdicts makes. */
  function live(...verdicts: [seconds: number, verdict: Verdict][]): Alert[] {
    let open: OpenAlert | undefined;
    const sent: Alert[] = [];
    for (const [seconds, verdict] of verdicts) {
      const turn = nextTurn(open, verdict, at(seconds), origin);
      open = turn.open;
      if (turn.alert !== undefined) sent.push(turn.alert);
    }
    return sent;
  }

  it('opens, closes, and keeps its id', () => {
    const [opened, closed, ...more] = live([0, CALM], [1, alarm(0.6)], [2, alarm(0.6)], [3, CALM], [4, CALM]);
    assert.equal(more.length, 0);
    assert.match(opened.id, /^[0-9a-f]{32}$/);
    assert.deepEqual([opened.revision, opened.state, opened.time], [1, 'open', at(1).time]);
    assert.deepEqual([closed.revision, closed.state, closed.closed], [2, 'closed', at(3).time]);
    assert.equal(closed.id, opened.id);
  });

  it('tells of a worse peak at most once a minute', () => {
    const sent = live(
      [0, alarm(0.5)],
      [10, alarm(0.7)],
      [30, alarm(0.9)],
      [61, alarm(0.95)],
      [90, alarm(1)],
      [200, alarm(1)],
    );
    assert.deepEqual(
      sent.map(({ revision, text }) => [revision, text]),
      [
        [1, 'score 0.5'],
        [2, 'score 0.95'],
      ],
    );
  });

  it('tells at once that it became critical, and never that it became less so', () => {
    const sent = live([0, alarm(0.5)], [1, alarm(0.6, { severity: 'critical' })], [100, alarm(0.9)]);
    assert.deepEqual(
      sent.map(({ severity }) => severity),
      ['warning', 'critical', 'critical'],
    );
  });

  it('has an id that hangs on incarnation, series, detector and opening reading, and on nothing else', () => {
    const base = id('aa', 'k', 'a', 1, 5);
    assert.equal(id('aa', 'k', 'a', 1, 6), base);
    const others = [
      id('bb', 'k', 'a', 1, 5),
      id('aa', 'l', 'a', 1, 5),
      id('aa', 'k', 'b', 1, 5),
      id('aa', 'k', 'a', 2, 5),
      id('aa', 'k', 'a', undefined, 5),
      id('aa', 'k', 'a', undefined, 6),
    ];
    assert.equal(new Set([base, ...others]).size, 7);
  });

  it('fits the bounds of an encoded alert, whatever the reading says', () => {
    const turn = nextTurn(
      undefined,
      alarm(1, { text: 'x'.repeat(2000), expected: { low: -Infinity, high: 5 } }),
      { series: 's', time: 1.5, value: 'v'.repeat(5000), unit: 'u'.repeat(500) },
      origin,
    );
    assert.doesNotThrow(() => encodeAlert(turn.alert!));
    assert.deepEqual(turn.alert!.expected, { high: 5 });
  });
});

describe('the queue of alerts', () => {
  it('shows an alert only after its commit, in order, however often that fails', async () => {
    const events: string[] = [];
    let failures = 2;
    const queue = new AlertQueue({
      commit: async ({ series }) => {
        await Promise.resolve();
        if (series === 'b' && failures-- > 0) throw new Error('disk full');
        events.push(`commit ${series}`);
      },
      emit: ({ series }) => void events.push(`emit ${series}`),
      failed: (error) => void events.push(String(error)),
      wait: (milliseconds) => {
        events.push(`wait ${milliseconds}`);
        return Promise.resolve();
      },
    });
    for (const name of ['a', 'b', 'c']) queue.add(raised(name));
    assert.equal(queue.has('b'), true);
    await queue.drained();
    assert.deepEqual(events, [
      'commit a',
      'emit a',
      'Error: disk full',
      'wait 1000',
      'Error: disk full',
      'wait 2000',
      'commit b',
      'emit b',
      'commit c',
      'emit c',
    ]);
    assert.equal(queue.has('b'), false);
    queue.add(raised('d'));
    await queue.drained();
    assert.equal(events.at(-1), 'emit d');
  });

  it('gives up at a stop and says so to the saves', async () => {
    const outcome: string[] = [];
    const queue = new AlertQueue({
      commit: () => Promise.reject(new Error('disk full')),
      emit: () => void outcome.push('emitted'),
      failed: () => undefined,
      wait: () => Promise.reject(new Error('stopped')),
    });
    const save = {
      changes: [],
      committed: () => void outcome.push('committed'),
      failed: () => void outcome.push('failed'),
    };
    queue.add({ ...raised('a'), save });
    queue.stop();
    await queue.drained();
    assert.deepEqual(outcome, ['failed']);
    assert.equal(queue.length, 0);
  });

  it('goes on when a wire throws', async () => {
    const seen: string[] = [];
    const queue = new AlertQueue({
      commit: () => Promise.resolve(),
      emit: ({ series }) => {
        seen.push(series);
        if (series === 'a') throw new Error('wire');
      },
      failed: (error) => void seen.push(String(error)),
      wait: () => Promise.resolve(),
    });
    queue.add(raised('a'));
    queue.add(raised('b'));
    await queue.drained();
    assert.deepEqual(seen, ['a', 'Error: wire', 'b']);
  });
});

describe('numbers in words', () => {
  it('have the digits that their spread gives meaning to', () => {
    assert.equal(numberText(21.4371, 0.6), '21.44');
    assert.equal(numberText(21.4371, 60), '21');
    assert.equal(numberText(0.6, 0.6), '0.6');
    assert.equal(numberText(1234.5), '1235');
    assert.equal(numberText(0), '0');
    assert.equal(numberText(-0.001234), '-0.00123');
    assert.equal(numberText(1.5e12), '1.50e12');
    assert.equal(numberText(3e-9), '3.00e-9');
    assert.equal(exactText(1013.25), '1013.25');
    assert.equal(exactText(0.1 + 0.2), '0.3');
  });

  it('name spans and units as people do', () => {
    assert.deepEqual([0.5, 1, 45, 60, 90, 3600, 86_400, 1_000_000].map(spanText), [
      '0.5 seconds',
      '1 second',
      '45 seconds',
      '1 minute',
      '1.5 minutes',
      '1 hour',
      '1 day',
      '12 days',
    ]);
    assert.equal(lastSpanText(3600), 'the last hour');
    assert.equal(lastSpanText(600), 'the last 10 minutes');
    assert.equal(withUnit('5', undefined), '5');
    assert.equal(withUnit('5', 'bar'), '5 bar');
  });
});
