import assert from 'node:assert/strict';
import { doorRulesOf, filterProblem, matchTopic, ruleOf } from '@tidegate/nodes/ingest';

const node = (more: Record<string, unknown> = {}) => ({ id: 'n1', type: 'tide-ingest', topics: ['site/#'], ...more });

describe('topic filters (MQTT 3.1.1, 4.7)', () => {
  it('match as the standard says', () => {
    const yes: [string, string][] = [
      ['sport/tennis/player1/#', 'sport/tennis/player1'],
      ['sport/tennis/player1/#', 'sport/tennis/player1/score/wimbledon'],
      ['sport/#', 'sport'],
      ['#', 'a/b/c'],
      ['sport/tennis/+', 'sport/tennis/player1'],
      ['sport/+', 'sport/'],
      ['+/+', '/finance'],
      ['/+', '/finance'],
      ['$SYS/#', '$SYS/monitor'],
      ['a/b', 'a/b'],
    ];
    const no: [string, string][] = [
      ['sport/tennis/+', 'sport/tennis/player1/ranking'],
      ['sport/+', 'sport'],
      ['+', '/finance'],
      ['#', '$SYS/monitor'],
      ['+/monitor', '$SYS/monitor'],
      ['a/b', 'a/B'],
      ['a', 'a/b'],
    ];
    for (const [filter, topic] of yes) assert.ok(matchTopic(filter, topic), `${filter} takes ${topic}`);
    for (const [filter, topic] of no) assert.ok(!matchTopic(filter, topic), `${filter} does not take ${topic}`);
  });

  it('are refused when they are none', () => {
    for (const bad of ['', 'a/#/b', 'sport/tennis#', 'sport+', 'a\0b', 'x'.repeat(65_536), 7])
      assert.equal(typeof filterProblem(bad), 'string');
    for (const good of ['#', '+', 'a/+/b/#', '/', '$SYS/#']) assert.equal(filterProblem(good), undefined, good);
  });
});

describe('the rule of a tide-ingest node', () => {
  it('has defaults, and takes topics as list or text', () => {
    assert.deepEqual(ruleOf(node()), { topics: ['site/#'], format: 'auto', series: '{topic}/{metric}' });
    assert.deepEqual(ruleOf(node({ topics: 'a/b, c/+  a/b' })).topics, ['a/b', 'c/+']);
    assert.deepEqual(ruleOf(node({ source: 'input', topics: [] })).topics, []);
  });

  it('names what is wrong', () => {
    assert.throws(() => ruleOf(node({ topics: [] })), /no topics are named/);
    assert.throws(() => ruleOf(node({ topics: ['a/#/b'] })), /"a\/#\/b" has # before its end/);
    assert.throws(() => ruleOf(node({ format: 'xml' })), /format is "xml"; auto, number, json/);
    assert.throws(() => ruleOf(node({ series: '{tpic}' })), /names \{tpic\}/);
    assert.throws(() => ruleOf(node({ source: 'usb' })), /source is "usb"; gateway, broker and input are known/);
    assert.throws(() => ruleOf(node({ topics: Array.from({ length: 257 }, (_, i) => `t${i}`) })), /257 topics/);
  });
});

describe('the rules of a flow file', () => {
  it("are those of enabled nodes at the gateway's broker", () => {
    const flows = [
      { id: 'tab1', type: 'tab', label: 'x' },
      { id: 'tab2', type: 'tab', disabled: true },
      { id: 'sub', type: 'subflow' },
      node({ z: 'tab1', source: 'gateway' }),
      node({ id: 'default', z: 'tab1' }),
      node({ id: 'other', z: 'tab1', source: 'broker' }),
      node({ id: 'off', z: 'tab1', d: true }),
      node({ id: 'asleep', z: 'tab2' }),
      node({ id: 'template', z: 'sub' }),
      node({ id: 'wrong', z: 'tab1', topics: ['a/#/b'] }),
      { id: 'debug', type: 'debug' },
      null,
      7,
      { type: 'tide-ingest' },
    ];
    assert.deepEqual([...doorRulesOf(flows).keys()], ['n1', 'default']);
  });
});
