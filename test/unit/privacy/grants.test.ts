import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Grants, covers } from '@tidegate/nodes/privacy';
import { matchSeries, patternProblem } from '@tidegate/nodes/reading';

const level = fc.constantFrom('a', 'b', '+');
const pattern = fc
  .tuple(fc.array(level, { minLength: 1, maxLength: 3 }), fc.boolean())
  .map(([levels, open]) => [...levels, ...(open ? ['#'] : [])].join('/'));
const series = fc
  .array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 4 })
  .map((levels) => levels.join('/'));

describe('grants', () => {
  it('allow nothing unless one says so', () => {
    assert.ok(!new Grants([]).allows('line1/a'));
    const grants = new Grants([{ series: 'line1/#', purpose: 'operations', since: 1 }]);
    assert.ok(grants.allows('line1/a'));
    assert.ok(!grants.allows('line1/a', 'billing'));
    assert.ok(!grants.allows('line2/a'));
  });

  it('follow the latest decision that covers a series, in whatever order decisions came', () => {
    const decision = fc.record({ pattern, allow: fc.boolean() });
    fc.assert(
      fc.property(fc.array(decision, { maxLength: 8 }), series, (decisions, name) => {
        let grants = new Grants([]);
        let expected = false;
        for (const { pattern: wanted, allow } of decisions) {
          const made = { series: wanted, purpose: 'operations', since: grants.nextTime(5) };
          grants = allow ? grants.granted(made) : grants.revoked(made);
          if (matchSeries(wanted, name)) expected = allow;
        }
        assert.equal(grants.allows(name), expected);
      }),
      { numRuns: 500 },
    );
  });

  it('come out of storage as they went in', () => {
    const grants = new Grants(
      [{ series: '#', purpose: 'operations', since: 1 }],
      [{ series: 'line1/#', purpose: 'operations', since: 1 }],
    );
    assert.ok(!grants.allows('line1/a'), 'at the same time the refusal counts');
    assert.ok(grants.allows('line2/a'));
    assert.ok(grants.allowsAny('line2/a') && !grants.allowsAny('line1/a'));
  });

  it('know when one pattern covers another', () => {
    fc.assert(
      fc.property(pattern, pattern, fc.array(series, { maxLength: 30 }), (outer, inner, names) => {
        if (!covers(outer, inner)) return;
        for (const name of names)
          if (matchSeries(inner, name)) assert.ok(matchSeries(outer, name), `${outer} ${inner} ${name}`);
      }),
      { numRuns: 1000 },
    );
    assert.ok(
      covers('a/#', 'a') &&
        covers('#', 'a/+') &&
        covers('a/+', 'a/b') &&
        !covers('a/+', 'a/#') &&
        !covers('a/b', 'a/+'),
    );
  });

  it('are patterns that a person may have typed wrong', () => {
    for (const wrong of ['', 'a/#/b', 'a+/b', '#a']) assert.notEqual(patternProblem(wrong), undefined, wrong);
  });
});
