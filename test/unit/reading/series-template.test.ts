import assert from 'node:assert/strict';
import { SeriesTemplate, templateProblem } from '@tidegate/nodes/reading';

const series = (template: string, topic: string, metric = '') => new SeriesTemplate(template).resolve(topic, metric);

describe('a series template', () => {
  it('takes topic, levels of it, and the path of the value', () => {
    assert.equal(series('{topic}/{metric}', 'site/pump3', 'temperature'), 'site/pump3/temperature');
    assert.equal(series('{topic}/{metric}', 'site/pump3'), 'site/pump3');
    assert.equal(
      series('plant/{topic.1}/{metric}', 'tele/boiler/SENSOR', 'BME280/Temperature'),
      'plant/boiler/BME280/Temperature',
    );
    assert.equal(series('{topic.0}-{topic.2}', 'a/b/c'), 'a-c');
    assert.equal(series('a/{topic.7}/b', 'x/y'), 'a/b');
  });

  it('leaves out empty levels and what would be a wildcard', () => {
    assert.equal(series('{topic}', '/a//b/'), 'a/b');
    assert.equal(series('{topic}/{metric}', 'a', 'x+y/#/z\u0001'), 'a/x_y/_/z_');
  });

  it('makes no series of nothing, nor one that is too long', () => {
    assert.equal(series('{metric}', 'a'), undefined);
    assert.equal(series('{topic}', 'a'.repeat(513)), undefined);
    assert.equal(series('{topic}', 'a'.repeat(512)), 'a'.repeat(512));
  });

  it('says what is wrong with it', () => {
    for (const bad of ['', '  ', '{topic', 'topic}', 'a/+', 'a/#', '{topic.x}', '{topic.100}', 'x'.repeat(513)])
      assert.equal(typeof templateProblem(bad), 'string', bad);
    assert.throws(() => new SeriesTemplate('{tpic}'), /names \{tpic\}; \{topic\}, \{topic.0\}/);
    assert.equal(templateProblem('{topic}/{metric}'), undefined);
  });
});
