import assert from 'node:assert/strict';
import { BirthBook, readPayload, type PayloadFormat } from '@tidegate/nodes/reading';
import { Encoder } from 'cbor-x';

const RECEIVED = Date.UTC(2026, 10, 21);

function read(payload: string | Uint8Array, format: PayloadFormat = 'auto', topic = 'site/sensor') {
  const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
  return readPayload(bytes, format, { topic, received: RECEIVED, births: new BirthBook() });
}

const values = (payload: string | Uint8Array, format?: PayloadFormat) =>
  Object.fromEntries(read(payload, format).metrics.map(({ path, value }) => [path, value]));
const codes = (payload: string | Uint8Array, format?: PayloadFormat) =>
  read(payload, format).problems.map(({ code }) => code);

const nested = (levels: number) => '{"a":'.repeat(levels) + '1' + '}'.repeat(levels);
const encode = (value: unknown) => new Encoder({ useRecords: false, mapsAsObjects: true }).encode(value);

describe('a payload', () => {
  it('that is one number or one switch position is one value', () => {
    for (const [text, value] of [
      ['21.5', 21.5],
      [' -3\n', -3],
      ['+1e3', 1000],
      ['.5', 0.5],
      ['ON', true],
      ['off', false],
      ['true', true],
    ] as const)
      assert.deepEqual(values(text), { '': value }, text);
  });

  it('that is no number is named as such', () => {
    for (const text of ['abc', 'NaN', 'Infinity', '-Infinity', '21,5', '1_000', '0x10', '1 2', '21.5 °C', '--1'])
      assert.deepEqual(codes(text), ['not-a-number'], text);
    assert.match(read('warm').problems[0].reason, /"warm" is not a number; a bare number, true, false, on or off is/);
  });

  it('without content, or with too much of it, is refused', () => {
    assert.deepEqual(codes(''), ['empty']);
    assert.deepEqual(codes('  \n'), ['empty']);
    assert.deepEqual(codes(`"${'x'.repeat(256 * 1024)}"`), ['too-large']);
    assert.deepEqual(codes('null'), ['not-a-number']);
    assert.deepEqual(codes('{}'), ['no-values']);
    assert.deepEqual(codes('{"a":null,"b":{}}'), ['no-values']);
  });

  it('that is binary nonsense is unreadable', () => {
    assert.deepEqual(codes(Uint8Array.of(0xff, 0xfe, 0x00)), ['unreadable']);
    assert.deepEqual(codes('{"a":'), ['unreadable']);
    assert.deepEqual(codes('{"a":NaN}'), ['unreadable']);
  });

  it('keeps only numbers whose sums stay exact', () => {
    assert.deepEqual(codes('1e-20'), ['too-precise']);
    assert.deepEqual(codes('1e40'), ['too-precise']);
    assert.deepEqual(codes('123456789012345678'), ['too-precise']);
    assert.deepEqual(codes('{"a":1e-300}'), ['too-precise']);
    assert.deepEqual(values('12345678901234567e-18'), { '': 0.012345678901234567 });
    assert.deepEqual(values('1e18'), { '': 1e18 });
  });

  it('with good and bad values gives the good ones and says what is wrong with the others', () => {
    const found = read('{"temperature":21.5,"tiny":1e-30,"text":"' + 'é'.repeat(600) + '"}');
    assert.deepEqual(
      found.metrics.map(({ path }) => path),
      ['temperature'],
    );
    assert.deepEqual(
      found.problems.map(({ code }) => code),
      ['too-precise', 'too-long'],
    );
    assert.match(found.problems[1].reason, /"text" is a text of 1200 bytes; at most 1024/);
  });

  it('may be nested 8 levels deep and hold 1000 values', () => {
    assert.deepEqual(values(nested(8)), { 'a/a/a/a/a/a/a/a': 1 });
    assert.deepEqual(codes(nested(9)), ['too-deep']);
    assert.deepEqual(codes('['.repeat(100_000) + ']'.repeat(100_000)), ['too-deep']);
    const many = read(JSON.stringify(Array.from({ length: 1500 }, (_, i) => i)));
    assert.equal(many.metrics.length, 1000);
    assert.deepEqual(
      many.problems.map(({ code }) => code),
      ['too-many'],
    );
  });

  it('reports at most 16 problems and counts the others', () => {
    const found = read(JSON.stringify(Array.from({ length: 500 }, () => 1e-30)));
    assert.equal(found.problems.length, 16);
    assert.match(found.problems[15].reason, /and 484 more problems/);
  });
});

describe('JSON as devices write it', () => {
  it('zigbee2mqtt: flat, with texts, switches and last_seen', () => {
    const found = read(
      '{"battery":97,"contact":false,"state":"ON","humidity":45.3,"action":"","last_seen":"2026-11-20T10:00:00+01:00"}',
    );
    assert.deepEqual(Object.fromEntries(found.metrics.map(({ path, value }) => [path, value])), {
      battery: 97,
      contact: false,
      state: true,
      humidity: 45.3,
    });
    for (const { time } of found.metrics) assert.equal(time, Date.UTC(2026, 10, 20, 9));
  });

  it('Tasmota: sensors one level down, a time without zone, a unit for temperatures', () => {
    const found = read('{"Time":"2026-11-20T10:00:00","BME280":{"Temperature":21.3,"Humidity":40},"TempUnit":"C"}');
    const local = new Date(2026, 10, 20, 10).getTime();
    assert.deepEqual(found.metrics, [
      { path: 'BME280/Temperature', value: 21.3, time: local, unit: '°C' },
      { path: 'BME280/Humidity', value: 40, time: local },
    ]);
  });

  it('Shelly: a status within params, dated by ts in seconds', () => {
    const found = read(
      '{"method":"NotifyStatus","params":{"ts":1763632800.5,"switch:0":{"apower":8.9,"output":true}}}',
    );
    assert.deepEqual(found.metrics, [
      { path: 'method', value: 'NotifyStatus' },
      { path: 'params/switch:0/apower', value: 8.9, time: 1_763_632_800_500 },
      { path: 'params/switch:0/output', value: true, time: 1_763_632_800_500 },
    ]);
  });

  it('value with timestamp and unit is the bare value of its place', () => {
    assert.deepEqual(read('{"value":21.5,"timestamp":1763632800000,"unit":"°C","battery":80}').metrics, [
      { path: '', value: 21.5, time: 1_763_632_800_000, unit: '°C' },
      { path: 'battery', value: 80, time: 1_763_632_800_000 },
    ]);
    assert.deepEqual(read('{"flow":{"value":"3.2","unit":"l/s"}}').metrics, [
      { path: 'flow', value: 3.2, unit: 'l/s' },
    ]);
  });

  it('tells seconds, milliseconds, microseconds and nanoseconds apart', () => {
    for (const time of [1763632800, 1763632800000, 1763632800000000, 1763632800000000000])
      assert.equal(read(JSON.stringify({ v: 1, time })).metrics[0].time, 1_763_632_800_000);
  });

  it('takes t for a time only where it can be one', () => {
    assert.deepEqual(values('{"t":21.5}'), { t: 21.5 });
    assert.equal(read('{"t":1763632800,"x":1}').metrics[0].time, 1_763_632_800_000);
  });

  it('survives names that objects have by nature', () => {
    assert.deepEqual(values('{"__proto__":{"a":1},"constructor":2,"toString":3}'), {
      '__proto__/a': 1,
      constructor: 2,
      toString: 3,
    });
    assert.equal(({} as { a?: number }).a, undefined);
  });
});

describe('SenML', () => {
  it('resolves base name, time, unit and value (RFC 8428, section 5.1.3)', () => {
    const found = read(
      '[{"bn":"urn:dev:ow:10e2073a01080063:","bt":1.276020076001e+09,"bu":"A","bver":5,"n":"voltage","u":"V","v":120.1},' +
        '{"n":"current","t":-5,"v":1.2},{"n":"current","t":-4,"v":1.3}]',
    );
    assert.deepEqual(found.metrics, [
      { path: 'urn:dev:ow:10e2073a01080063:voltage', value: 120.1, time: 1_276_020_076_001, unit: 'V' },
      { path: 'urn:dev:ow:10e2073a01080063:current', value: 1.2, time: 1_276_020_071_001, unit: 'A' },
      { path: 'urn:dev:ow:10e2073a01080063:current', value: 1.3, time: 1_276_020_072_001, unit: 'A' },
    ]);
  });

  it('counts small times from now, adds base values as decimals, and knows its other kinds of values', () => {
    const found = read(
      '[{"n":"a","bv":20.1,"v":0.2,"t":-60},{"n":"b","vb":true},{"n":"c","vs":"x"},{"n":"d","s":7}]',
      'senml',
    );
    assert.deepEqual(found.metrics, [
      { path: 'a', value: 20.3, time: RECEIVED - 60_000 },
      { path: 'b', value: true },
      { path: 'c', value: 'x' },
      { path: 'd/sum', value: 7 },
    ]);
  });

  it('refuses what it would have to understand', () => {
    assert.deepEqual(codes('[{"n":"a","v":1,"new_":2}]', 'senml'), ['unreadable']);
    assert.deepEqual(codes('[{"bver":11,"n":"a","v":1}]', 'senml'), ['unreadable']);
    assert.deepEqual(codes('{"n":"a","v":1}', 'senml'), ['unreadable']);
    assert.deepEqual(codes('[{"n":"a","vd":"aGk"}]', 'senml'), ['not-a-number']);
  });
});

describe('CBOR', () => {
  it('is read like the JSON of the same shape', () => {
    assert.deepEqual(values(encode({ temperature: 21.5, nested: { on: true, count: 3 } })), {
      temperature: 21.5,
      'nested/on': true,
      'nested/count': 3,
    });
    assert.deepEqual(values(encode(21.5)), { '': 21.5 });
    assert.deepEqual(values(encode(42), 'cbor'), { '': 42 });
  });

  it('may be SenML with integer labels', () => {
    // [{-2: "dev:", 0: "temperature", 2: 21.5, 1: "Cel"}]
    const pack = Buffer.from('81a421646465763a006b74656d706572617475726502f94d60016343656c', 'hex');
    assert.deepEqual(read(pack).metrics, [{ path: 'dev:temperature', value: 21.5, unit: 'Cel' }]);
  });

  it('of few bytes that claims the world is refused before anything is built', () => {
    for (const hostile of [
      Uint8Array.of(0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
      Uint8Array.of(0xba, 0xff, 0xff, 0xff, 0xff, 0x01),
      Uint8Array.of(0x5a, 0x7f, 0xff, 0xff, 0xff),
      Uint8Array.of(0xd8, 0x1c, 0x81, 0xd8, 0x1d, 0x00),
      Uint8Array.of(0xd8, 0x1b, 0x82, 0x61, 0x61, 0x01),
      new Uint8Array(5000).fill(0x81),
      new Uint8Array(5000).fill(0x9f),
      new Uint8Array(5000).fill(0xc1),
      Uint8Array.of(0xbf, 0x61, 0x61, 0xff),
      Uint8Array.of(0x1f),
    ])
      assert.deepEqual(codes(hostile, 'cbor'), ['unreadable'], Buffer.from(hostile.subarray(0, 10)).toString('hex'));
  });
});
