import assert from 'node:assert/strict';
import fc from 'fast-check';
import { matchSeries, patternProblem } from '../../../../nodes/src/reading/series-pattern.ts';
import { globProblem, seriesMatcher } from '../../../../nodes/src/vault/query/series-glob.ts';

const covers = (pattern: string, series: string): boolean => seriesMatcher([pattern])(series);

describe('patterns of a query', () => {
  it('cover series by name, by level and over levels', () => {
    const cases: [pattern: string, covered: string[], others: string[]][] = [
      ['line1/pump/temp', ['line1/pump/temp'], ['line1/pump', 'line1/pump/temp/x', 'line1/pump/tempo']],
      ['line1/*/temp', ['line1/a/temp', 'line1//temp'], ['line1/a/b/temp', 'line1/temp', 'line2/a/temp']],
      ['line*/t*p', ['line1/temp', 'line/tp', 'line1/top'], ['line1/a/temp', 'lin/temp', 'line1/temps']],
      ['**', ['a', 'a/b/c', ''], []],
      ['line1/**', ['line1', 'line1/a', 'line1/a/b'], ['line', 'line10/a']],
      ['**/temp', ['temp', 'a/temp', 'a/b/temp'], ['a/temp/b', 'atemp']],
      ['a/**/z', ['a/z', 'a/b/z', 'a/b/c/z', 'a/z/z'], ['a', 'a/b/zz', 'b/z']],
      ['a/**/m/**/z', ['a/m/z', 'a/1/m/2/3/z', 'a/m/m/z'], ['a/z', 'a/1/z']],
      ['+/b', ['a/b'], ['b', 'a/c/b']],
      ['a/#', ['a', 'a/b', 'a/b/c'], ['ab', 'b']],
      ['site/*-pump/+/**', ['site/a-pump/x', 'site/-pump/x/y/z'], ['site/pump/x', 'site/a-pump']],
      ['a*b*c/x', ['abc/x', 'a1b2c/x', 'abcbc/x'], ['ab/x', 'abcd/x']],
      ['*', ['a', 'a b', ''], ['a/b']],
    ];
    for (const [pattern, covered, others] of cases) {
      assert.equal(globProblem(pattern), undefined, pattern);
      for (const series of covered) assert.ok(covers(pattern, series), `${pattern} covers ${series}`);
      for (const series of others) assert.ok(!covers(pattern, series), `${pattern} does not cover ${series}`);
    }
    const some = seriesMatcher(['a', 'b/*']);
    assert.deepEqual(['a', 'b/c', 'c'].map(some), [true, true, false]);
  });

  it('are refused with a reason', () => {
    for (const [pattern, says] of [
      ['', /is empty; write \*\*/],
      ['a/b**', /\*\* fills a whole level/],
      ['a/#/b', /has # before its end/],
      ['a/b+', /mixes a wildcard/],
      ['x'.repeat(1025), /has 1025 characters/],
    ] as const)
      assert.match(globProblem(pattern) ?? 'none', says);
  });

  const level = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 3 });
  const series = fc.array(level, { minLength: 1, maxLength: 5 }).map((levels) => levels.join('/'));

  it('without * mean what the patterns of grants and rules mean', () => {
    const pattern = fc.array(fc.oneof(level, fc.constantFrom('+', '#')), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(pattern, series, (levels, name) => {
        const text = levels.join('/');
        fc.pre(patternProblem(text) === undefined);
        assert.equal(covers(text, name), matchSeries(text, name), `${text} on ${name}`);
      }),
      { numRuns: 2000 },
    );
  });

  it('with * mean what the same regular expression means', () => {
    const starred = fc
      .string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 4 })
      .filter((one) => !one.includes('**'));
    const pattern = fc.array(fc.oneof(starred, fc.constant('**')), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(pattern, series, (levels, name) => {
        // Levels each with a slash behind, so that ** is any number of "level/".
        const expression = levels.map((one) => (one === '**' ? '(?:[^/]*/)*' : `${one.replaceAll('*', '[^/]*')}/`));
        const expected = new RegExp(`^${expression.join('')}$`).test(`${name}/`);
        fc.pre(levels.join('/') !== '');
        assert.equal(covers(levels.join('/'), name), expected, `${levels.join('/')} on ${name}`);
      }),
      { numRuns: 2000 },
    );
  });

  it('take no longer than pattern times name, however many wildcards there are', () => {
    const pattern = `${'a*'.repeat(500)}b`;
    assert.equal(covers(pattern, 'a'.repeat(1000)), false);
    assert.equal(covers(`${'**/a/'.repeat(200)}b`, Array(500).fill('a').join('/')), false);
  });
});
