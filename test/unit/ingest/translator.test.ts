import assert from 'node:assert/strict';
import { systemClock } from '@tidegate/nodes/node';
import { BirthBook } from '@tidegate/nodes/reading';
import type { DoorRule } from '../../../nodes/src/ingest/message.ts';
import { LONGEST_KNOWN_TOPIC, Translator } from '../../../nodes/src/ingest/translator.ts';

describe('a translator', () => {
  it('remembers what it worked out for a topic, unless that is long', () => {
    const rule: DoorRule = { topics: ['#'], format: 'auto', series: '{topic}' };
    const translator = new Translator(rule, new BirthBook(), systemClock, 4_096);
    const [known, long] = ['x'.repeat(LONGEST_KNOWN_TOPIC), 'x'.repeat(LONGEST_KNOWN_TOPIC + 1)];
    assert.equal(translator.plan(known), translator.plan(known));
    assert.notEqual(translator.plan(long), translator.plan(long), 'a client may send as many of these as it likes');
  });
});
