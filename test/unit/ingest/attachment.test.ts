import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { NodeRed } from '@tidegate/nodes/node';
import { Attachment } from '../../../nodes/src/ingest/attachment.ts';
import { Tally } from '../../../nodes/src/ingest/tally.ts';

describe('an attachment', () => {
  it('holds only while flows run and the door is there, whichever comes first', () => {
    const events = new EventEmitter();
    let attached = 0;
    const attachment = new Attachment({ events } satisfies Pick<NodeRed, 'events'>, () => {
      attached++;
      return () => attached--;
    });
    attachment.open();
    attachment.allow();
    assert.equal(attached, 0);
    events.emit('flows:started');
    assert.equal(attached, 1);
    events.emit('flows:started');
    assert.equal(attached, 1);
    events.emit('flows:stopping');
    assert.equal(attached, 0);
    events.emit('flows:started');
    attachment.close();
    assert.equal(attached, 0);
    assert.equal(events.listenerCount('flows:started') + events.listenerCount('flows:stopping'), 0);
  });
});

describe('a tally', () => {
  it('says how much and how fast, and for a minute what was refused', () => {
    const tally = new Tally(0);
    tally.readings = 12_345;
    assert.deepEqual(tally.status(10_000), { fill: 'green', shape: 'dot', text: '12,345 readings, 1,235/s' });
    assert.equal(tally.status(20_000).text, '12,345 readings');
    tally.reject(3, 21_000);
    assert.deepEqual(tally.status(30_000), { fill: 'yellow', shape: 'dot', text: '12,345 readings, 3 rejected' });
    assert.equal(tally.status(90_000).fill, 'green');
  });
});
