import assert from 'node:assert/strict';

import fc from 'fast-check';

import * as format from '../../../cloud-bridge/src/page/format.ts';
import { intervalOf, resolutionFor, usualSpan, zoomed } from '../../../cloud-bridge/src/page/ranges.ts';
import { hrefOf, parseRoute } from '../../../cloud-bridge/src/page/route.ts';
import { typedValue, typeOf } from '../../../cloud-bridge/src/page/typed-value.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const NOW = Date.UTC(2026, 10, 21, 12);

describe('addresses of the page', () => {
  it('say any gateway and series and are read back', () => {
    const name = fc.string({ minLength: 1, unit: 'grapheme' });
    fc.assert(
      fc.property(name, name, fc.constantFrom('auto', '15m', '24h', 'all'), (gateway, series, span) => {
        const route = { view: 'series', gateway, series, range: { span } } as const;
        assert.deepEqual(parseRoute(hrefOf(route)), route);
        assert.deepEqual(parseRoute(hrefOf({ view: 'gateway', gateway })), { view: 'gateway', gateway });
      }),
      { numRuns: 100 },
    );
  });

  it('keep a zoomed range', () => {
    const route = { view: 'series', gateway: 'g', series: 'a/b', range: { from: 1000, to: 2000 } } as const;
    assert.deepEqual(parseRoute(hrefOf(route)), route);
  });

  it('fall back to the usual range when theirs is nonsense', () => {
    for (const query of ['from=2000&to=1000', 'from=x&to=2', 'range=7y', '']) {
      const route = parseRoute(`#/gateways/g/series/s?${query}`);
      assert.deepEqual(route.view === 'series' && route.range, { span: 'auto' });
    }
  });

  it('that name nothing are said to name nothing', () => {
    for (const hash of ['#/nope', '#/gateways/a/b', '#/gateways/%E0%A4%A', '#/alerts/1'])
      assert.equal(parseRoute(hash).view, 'unknown');
    for (const hash of ['', '#', '#/']) assert.equal(parseRoute(hash).view, 'fleet');
  });
});

describe('range and resolution', () => {
  const extent = { resolutions: [60, 900, 3600], firstWindow: NOW - 48 * HOUR, lastWindow: NOW - MINUTE };

  it('takes the finest resolution that the chart can show', () => {
    assert.equal(resolutionFor({ from: NOW - HOUR, to: NOW }, [3600, 60, 900]), 60);
    assert.equal(resolutionFor({ from: NOW - 60 * HOUR, to: NOW }, [3600, 60, 900]), 900);
    assert.equal(resolutionFor({ from: NOW - 365 * 24 * HOUR, to: NOW }, [60]), 60);
  });

  it('shows an hour, all of a young series and more of a silent one', () => {
    assert.equal(usualSpan(extent, NOW), '1h');
    assert.equal(usualSpan({ ...extent, firstWindow: NOW - 5 * MINUTE }, NOW), 'all');
    assert.equal(usualSpan({ ...extent, lastWindow: NOW - 5 * HOUR }, NOW), '24h');
    assert.equal(usualSpan({ ...extent, lastWindow: NOW - 30 * HOUR }, NOW), 'all');
  });

  it('reaches over everything when all is asked for', () => {
    const all = intervalOf({ span: 'all' }, extent, NOW);
    assert.equal(all.from, extent.firstWindow);
    assert.equal(all.to, NOW);
    const none = intervalOf({ span: 'all' }, { resolutions: [], firstWindow: null, lastWindow: null }, NOW);
    assert.ok(none.from < none.to);
  });

  it('zooms around the middle, to a minute at least', () => {
    assert.deepEqual(zoomed({ from: 0, to: HOUR }, 0.5), { from: HOUR / 4, to: (HOUR * 3) / 4 });
    const closest = zoomed({ from: 0, to: MINUTE }, 0.1);
    assert.equal(closest.to - closest.from, MINUTE);
  });
});

describe('words and numbers', () => {
  it('writes values as people do', () => {
    assert.equal(format.value(21.4, '°C'), '21.4 °C');
    assert.equal(format.value(0.1 + 0.2, null), '0.3');
    assert.equal(format.value(1234567, 'kWh'), '1,234,567 kWh');
    assert.equal(format.value(1, null, 'boolean'), 'on');
    assert.equal(format.value(false, null), 'off');
    assert.equal(format.value('baking', null), 'baking');
    assert.equal(format.value(null, '°C'), '–');
    assert.equal(format.number(0), '0');
    assert.match(format.number(1.5e12), /E12$/);
  });

  it('says how long ago and for how long', () => {
    assert.equal(format.ago(NOW - 500, NOW), 'just now');
    assert.equal(format.ago(NOW - 12_000, NOW), '12 seconds ago');
    assert.equal(format.ago(NOW - 3 * HOUR, NOW), '3 hours ago');
    assert.equal(format.duration(95_000), '1 min 35 s');
    assert.equal(format.duration(5 * HOUR + 20 * MINUTE), '5 h 20 min');
    assert.equal(format.duration(50 * HOUR), '2 d 2 h');
  });

  it('splits a series into its path and its last step', () => {
    assert.deepEqual(format.splitSeries('line1/pump3/temperature'), { path: 'line1/pump3/', name: 'temperature' });
    assert.deepEqual(format.splitSeries('power'), { path: '', name: 'power' });
  });
});

describe('a typed set-point', () => {
  it('becomes the value that it means', () => {
    assert.deepEqual(typedValue('number', ' 21,5 '), { value: 21.5, problem: null });
    assert.deepEqual(typedValue('boolean', 'true'), { value: true, problem: null });
    assert.deepEqual(typedValue('text', '12'), { value: '12', problem: null });
    assert.deepEqual(typedValue('json', '{"a":[1]}'), { value: { a: [1] }, problem: null });
  });

  it('is refused in words', () => {
    for (const [type, text] of [
      ['number', ''],
      ['number', 'warm'],
      ['number', 'Infinity'],
      ['json', '{a}'],
      ['text', 'x'.repeat(20_000)],
    ] as const)
      assert.match(typedValue(type, text).problem ?? '', /\S{3}/, `${type} ${text.slice(0, 10)}`);
  });

  it('can be changed in the field it came from', () => {
    for (const value of [21.5, true, 'night', { a: 1 }, null]) {
      const { type, text } = typeOf(value);
      assert.deepEqual(typedValue(type, text), { value, problem: null });
    }
  });
});
