import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Reading } from '@tidegate/nodes/reading';
import {
  decimalToString,
  encodeSummary,
  foldSummaries,
  meanOf,
  mergeSketch,
  quantile,
  WindowAccumulator,
  type Summary,
} from '@tidegate/nodes/summary';

/**
 * Mistakes that are common where aggregates are merged (docs/summaries.md). Each test gives the naive version and ours
 * the same deliveries: ours comes out right for every schedule, the naive one is shown to fail at least one of them, so
 * that a test which could not tell them apart would fail itself.
 */
interface Delivery {
  /** Window start, part. */
  key: string;
  summary: Summary;
}

const MINUTE = 60_000;

const reading = (value: number, i: number): Reading => ({
  series: 's',
  time: i * 5000,
  value,
  quality: 'good',
  clock: 'device',
  position: i + 1,
});

function summarise(readings: readonly Reading[]): Summary {
  const window = new WindowAccumulator();
  for (const one of readings) window.add(one);
  return window.summary();
}

const hex = (summary: Summary): string => Buffer.from(encodeSummary(summary)).toString('hex');

/** Readings in cents, cut into parts of windows: some windows have a second part, because a reading came late. */
const histories = fc.array(fc.integer({ min: 1, max: 10_000 }), { minLength: 30, maxLength: 60 }).map((cents) => {
  const readings = cents.map((cent, i) => reading(cent / 100, i));
  const parts = new Map<string, Reading[]>();
  for (const [i, one] of readings.entries()) {
    const key = `${Math.floor(one.time / MINUTE)}.${i % 7 === 0 ? 2 : 1}`;
    parts.set(key, [...(parts.get(key) ?? []), one]);
  }
  return { readings, deliveries: [...parts].map(([key, part]): Delivery => ({ key, summary: summarise(part) })) };
});

/** What a lossy pipe makes of it: every part arrives, some twice, in some order. */
const schedules = histories.chain(({ readings, deliveries }) =>
  fc
    .array(fc.constantFrom(...deliveries), { maxLength: 10 })
    .chain((again) => fc.shuffledSubarray([...deliveries, ...again], { minLength: deliveries.length + again.length }))
    .map((schedule) => ({ truth: summarise(readings), deliveries, schedule })),
);

/** What the cloud does: union of the parts by key, folded at read. */
function unionAndFold(schedule: readonly Delivery[]): Summary {
  const parts = new Map<string, Summary>();
  for (const { key, summary } of schedule) parts.set(key, summary);
  return foldSummaries(parts.values());
}

/** Asserts that ours holds on all schedules and that the naive one fails on some. */
function naiveFails<Input>(
  inputs: fc.Arbitrary<Input>,
  check: (input: Input) => { ours: unknown; naive: unknown; truth: unknown },
): void {
  let failures = 0;
  fc.assert(
    fc.property(inputs, (input) => {
      const { ours, naive, truth } = check(input);
      assert.deepEqual(ours, truth);
      if (JSON.stringify(naive) !== JSON.stringify(truth)) failures++;
    }),
    { numRuns: 60 },
  );
  assert.ok(failures > 0, 'the naive version was right every time');
}

const buckets = (map: Map<number, number>): [number, number][] => [...map].toSorted((a, b) => a[0] - b[0]);
const float = (list: readonly number[]): number => list.reduce((sum, value) => sum + value, 0);

describe('known mistakes with summaries', () => {
  it('adding summaries on receipt counts what is delivered twice', () => {
    naiveFails(schedules, ({ truth, schedule }) => ({
      truth: hex(truth),
      ours: hex(unionAndFold(schedule)),
      naive: hex(schedule.reduce((total, { summary }) => foldSummaries([total, summary]), foldSummaries([]))),
    }));
  });

  it('replacing a window by its newest summary loses the part before', () => {
    naiveFails(schedules, ({ truth, schedule }) => {
      const newest = new Map<string, Summary>();
      for (const { key, summary } of schedule) newest.set(key.split('.')[0], summary);
      return {
        truth: truth.count,
        ours: unionAndFold(schedule).count,
        naive: foldSummaries(newest.values()).count,
      };
    });
  });

  it('keeping the larger of two summaries of a window loses the smaller', () => {
    naiveFails(schedules, ({ truth, schedule }) => {
      const largest = new Map<string, Summary>();
      for (const { key, summary } of schedule) {
        const window = key.split('.')[0];
        if (summary.count > (largest.get(window)?.count ?? 0)) largest.set(window, summary);
      }
      return { truth: truth.count, ours: unionAndFold(schedule).count, naive: foldSummaries(largest.values()).count };
    });
  });

  it('a sketch merged twice shifts the quantiles', () => {
    naiveFails(schedules, ({ truth, schedule }) => {
      const sketch = foldSummaries([]).sketch;
      for (const { summary } of schedule) mergeSketch(sketch, summary.sketch);
      return {
        truth: buckets(truth.sketch.positive),
        ours: buckets(unionAndFold(schedule).sketch.positive),
        naive: buckets(sketch.positive),
      };
    });
  });

  it('float sums depend on the order of arrival', () => {
    naiveFails(
      histories.chain(({ readings }) =>
        fc.shuffledSubarray(readings, { minLength: readings.length }).map((shuffled) => ({ readings, shuffled })),
      ),
      ({ readings, shuffled }) => {
        const cents = readings.reduce((sum, { value }) => sum + Math.round(Number(value) * 100), 0);
        return {
          truth: Number((cents / 100).toFixed(2)),
          ours: Number(decimalToString(summarise(shuffled).sum)),
          naive: shuffled.reduce((sum, { value }) => sum + Number(value), 0),
        };
      },
    );
  });

  it('float sums of minutes are not the float sum of the hour', () => {
    naiveFails(histories, ({ readings, deliveries }) => {
      const minutes = new Map<number, number[]>();
      for (const { time, value } of readings) {
        const minute = Math.floor(time / MINUTE);
        minutes.set(minute, [...(minutes.get(minute) ?? []), Number(value)]);
      }
      const hour = float(readings.map(({ value }) => Number(value)));
      const folded = foldSummaries(deliveries.map(({ summary }) => summary));
      return {
        truth: true,
        ours: hex(folded) === hex(summarise(readings)),
        naive: float([...minutes.values()].map(float)) === hour,
      };
    });
  });

  it('adding fine and coarse summaries together counts everything twice', () => {
    naiveFails(histories, ({ readings, deliveries }) => {
      const fine = deliveries.map(({ summary }) => summary);
      const coarse = summarise(readings);
      const resolutions = new Map([
        [60, foldSummaries(fine)],
        [3600, coarse],
      ]);
      // Resolution is part of the key: fine parts are read where their count equals the coarse one.
      const read = resolutions.get(60)!.count === coarse.count ? resolutions.get(60)! : coarse;
      return { truth: readings.length, ours: read.count, naive: foldSummaries([...fine, coarse]).count };
    });
  });

  it('the mean of means is not the mean', () => {
    naiveFails(schedules, ({ truth, deliveries }) => {
      const means = deliveries.map(({ summary }) => meanOf(summary)!);
      return {
        truth: meanOf(truth),
        ours: meanOf(unionAndFold(deliveries)),
        naive: means.reduce((sum, mean) => sum + mean, 0) / means.length,
      };
    });
  });

  it('the median of medians is not the median', () => {
    naiveFails(schedules, ({ truth, deliveries }) => {
      const medians = deliveries.map(({ summary }) => quantile(summary, 0.5)!).toSorted((a, b) => a - b);
      return {
        truth: quantile(truth, 0.5),
        ours: quantile(unionAndFold(deliveries), 0.5),
        naive: medians[Math.floor((medians.length - 1) / 2)],
      };
    });
  });
});
