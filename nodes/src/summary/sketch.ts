/** Quantile sketch with relative error 1 % (DDSketch; Masson, Rim and Lee, VLDB 2019): counts of logarithmic buckets. */
export interface Sketch {
  zero: number;
  /** Bucket index -> count. */
  positive: Map<number, number>;
  negative: Map<number, number>;
}
