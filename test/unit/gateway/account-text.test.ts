import assert from 'node:assert/strict';
import type { Account, SeriesAccount } from '@tidegate/nodes/sync';
import { accountText, isSound } from '../../../gateway/src/control/account-text.ts';
import { accountCsv } from '../../../gateway/src/query/csv.ts';

const row = (change: Partial<SeriesAccount>): SeriesAccount => ({
  number: 1,
  series: 'line1/pump',
  resolution: 60,
  produced: 1_300,
  stale: 0,
  unseen: 0,
  taken: 1_300,
  open: 60,
  withheld: 0,
  sealed: 1_240,
  delivered: 1_240,
  waiting: 0,
  dropped: {},
  adds: true,
  ...change,
});
const account = (series: SeriesAccount[], change: Partial<Account> = {}): Account => ({
  incarnation: 'ab'.repeat(16),
  accepted: 1_300,
  lost: 0,
  declared: 0,
  untold: 0,
  series,
  earlier: [],
  check: { time: 1_700_000_000_000, equal: true, differing: 0 },
  adds: true,
  ...change,
});

describe('an account for people', () => {
  it('has the columns that say something, and the verdict of both ends last', () => {
    const rows = [row({}), row({ series: 'b', delivered: 1_000, dropped: { quota: 200, poison: 40 } })];
    assert.equal(
      accountText(account(rows), rows),
      [
        'series      produced  open  delivered  dropped',
        'line1/pump     1,300    60      1,240  0',
        'b              1,300    60      1,000  200 for want of room, 40 unreadable at the cloud',
        '',
        'accepted at the door: 1,300 readings',
        'it adds up',
        'the cloud holds the same, checked 2023-11-14T22:13:20.000Z',
      ].join('\n'),
    );
  });

  it('names what does not add up, what was lost, and what the cloud holds instead', () => {
    const rows = [row({ cloud: 7, adds: false })];
    const whole = account(rows, {
      lost: 12,
      declared: 5,
      adds: false,
      check: { time: 0, equal: false, differing: 1 },
      earlier: [{ incarnation: 'cd'.repeat(16), sealed: 10, delivered: 4, waiting: 6, dropped: 0 }],
    });
    const text = accountText(whole, rows);
    assert.match(text, /1,240 {2}the cloud holds 7, DOES NOT ADD UP$/m);
    assert.match(text, /^before .+ \(cdcdcdcd\): 10 in windows of all lengths, 4 delivered, 6 waiting, 0 dropped$/m);
    assert.match(text, /^in no summary: 12 readings, 5 of them declared as lost$/m);
    assert.match(text, /^IT DOES NOT ADD UP for 1 series$/m);
    assert.match(text, /^THE CLOUD HOLDS SOMETHING ELSE of 1 series, checked 1970/m);
    assert.equal(isSound(whole), false);
    assert.equal(isSound(account([])), true);
    const { check: _check, ...fresh } = account([]);
    assert.equal(isSound(fresh), true);
    assert.match(accountText(fresh, []), /^no series\n[^]+the cloud has not compared it yet$/);
  });

  it('is a line of CSV for each series, with every reason in a column of its own', () => {
    assert.equal(
      accountCsv.header,
      'series,resolution,produced,retained,not_seen,open,withheld,delivered,waiting,dropped_quota,dropped_retention,' +
        'dropped_shredded,dropped_revoked,dropped_damaged,dropped_poison,dropped_conflict,cloud,adds_up\r\n',
    );
    assert.equal(
      accountCsv.line(row({ series: '=x', dropped: { revoked: 3 }, cloud: 5 })),
      "'=x,60,1300,0,0,60,0,1240,0,0,0,0,3,0,0,0,5,true\r\n",
    );
  });
});
