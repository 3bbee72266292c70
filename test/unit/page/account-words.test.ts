import assert from 'node:assert/strict';

import { accountCsv, accountView } from '../../../cloud-bridge/src/api/account-view.ts';
import type { SeriesAccountView } from '../../../cloud-bridge/src/api/contract.ts';
import { droppedWords, verdictWords, wrongWords } from '../../../cloud-bridge/src/page/account-words.ts';
import type { ClaimedFacts } from '../../../cloud-bridge/src/store/store.ts';

/** Sealed, withheld, delivered, then what was dropped, in the order of the wire. */
const facts = (name: string, claimed: number[], held: number, agrees: boolean): ClaimedFacts => ({
  name,
  claimed: [1, ...claimed],
  held,
  agrees,
});
const minutes = [
  facts('b', [60, 0, 60, 0, 0, 0, 0, 0, 0, 0, 70, 2, 10], 60, true),
  facts('a', [120, 61, 100, 20, 0, 0, 0, 0, 0, 0, 181, 0, 0], 100, true),
];
const hours = [facts('b', [60, 0, 60, 0, 0, 0, 0, 0, 0, 0], 40, false)];

describe('the account of a gateway on the page', () => {
  const account = accountView('north', [
    { stream: 'operations/3600', checkedAt: 5, series: hours, unsaid: 1 },
    { stream: 'operations/60', checkedAt: 9, series: minutes, unsaid: 1 },
  ]);

  it('shows each series by its finest windows, and by those that differ first', () => {
    assert.deepEqual([account.checkedAt, account.differing, account.unsaid], [5, 1, 1]);
    assert.deepEqual(
      account.series.map(({ series, resolution, held, agrees, addsUp }) => [series, resolution, held, agrees, addsUp]),
      [
        ['b', 3600, 40, false, true],
        ['a', 60, 100, true, true],
      ],
    );
    const a = account.series[1];
    assert.deepEqual([a.taken, a.withheld, a.waiting, a.dropped], [181, 61, 0, { quota: 20 }]);
  });

  it('says in words what is wrong and why something was dropped', () => {
    const [b, a] = account.series;
    assert.equal(wrongWords(b), 'the gateway delivered 60 in windows of 1 h, this cloud holds 40');
    assert.equal(wrongWords(a), '');
    assert.equal(droppedWords(a), '20 given up because the room on the device ran out');
    const broken: SeriesAccountView = { ...a, addsUp: false, dropped: { poison: 3, revoked: 1 } };
    assert.equal(wrongWords(broken), 'the gateway’s own figures do not add up');
    assert.match(droppedWords(broken), /^1 taken out .+; 3 in blocks that this cloud could not read$/);
    assert.match(verdictWords(account), /something else than the gateway delivered, of 1 series\. Of 1 series without/);
    assert.match(verdictWords({ ...account, differing: 0, unsaid: 0 }), /^Every reading is accounted for/);
    assert.match(verdictWords({ ...account, differing: 0, series: [broken] }), /does not add up, for 1 series/);
    assert.match(verdictWords({ ...account, checkedAt: null }), /^Nothing was compared yet/);
  });

  it('is a table for spreadsheets, too', () => {
    const [header, first] = accountCsv(account).split('\r\n');
    assert.match(
      header,
      /^series,resolution,taken,retained,open,withheld,delivered,waiting,dropped_quota,.+,agrees,adds_up$/,
    );
    assert.equal(first, 'b,3600,,,,0,60,0,0,0,0,0,0,0,0,40,false,true');
    const evil = accountView('n', [
      { stream: 'operations/60', checkedAt: 1, series: [{ ...minutes[0], name: '=1+1,"x"' }], unsaid: 0 },
    ]);
    assert.ok(accountCsv(evil).includes(`"'=1+1,""x"""`));
  });
});
