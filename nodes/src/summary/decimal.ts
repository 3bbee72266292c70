/** An exact decimal number: mantissa times ten to the exponent; canonical when the mantissa has no trailing zero. */
export interface Decimal {
  mantissa: bigint;
  exponent: number;
}
