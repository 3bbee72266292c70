import { addDecimals, type Decimal, decimalOf, decimalToString, parseDecimal } from '@tidegate/nodes/summary';
import { numberProblem, type Reading } from '@tidegate/nodes/reading';

/** What is written of a series at the end of its readings: enough to prove that all of them are there. */
export interface SeriesTotal {
  series: string;
  readings: number;
  /** Lowest and highest time, epoch milliseconds. */
  from: number;
  to: number;
  /** Exact sum of its numbers as a decimal, of those that are one. */
  sum: string;
}

/** The total of the series whose readings pass by; readings come series by series. */
export class Totals {
  private total: SeriesTotal | undefined;
  private sum: Decimal;

  /** Goes on from a total that was kept. */
  constructor(total?: SeriesTotal) {
    this.total = total === undefined ? undefined : { ...total };
    this.sum = parseDecimal(total?.sum ?? '0');
  }

  get current(): SeriesTotal | undefined {
    return this.total === undefined ? undefined : { ...this.total, sum: decimalToString(this.sum) };
  }

  /** Takes a reading in; the total of the series before it when a new one begins. */
  add({ series, time, value }: Reading): SeriesTotal | undefined {
    const finished = this.total?.series === series ? undefined : this.end();
    const total = (this.total ??= { series, readings: 0, from: time, to: time, sum: '0' });
    total.readings++;
    if (time < total.from) total.from = time;
    if (time > total.to) total.to = time;
    if (typeof value === 'number') this.addNumber(value);
    return finished;
  }

  /** The total of the last series. */
  end(): SeriesTotal | undefined {
    const finished = this.current;
    this.total = undefined;
    this.sum = parseDecimal('0');
    return finished;
  }

  private addNumber(value: number): void {
    // What is no decimal within the bounds of a summary (NaN, 1e300) is in the readings and not in the sum.
    if (numberProblem(value) === undefined) this.sum = addDecimals(this.sum, decimalOf(value));
  }
}
