/**
 * A float32 as the shortest decimal that reads back as the same float32: 21.299999237060547 was 21.3 when the sensor wrote it.
 * At most 9 digits are ever needed (IEEE 754-2019, 5.12.2).
 */
export function shortestFloat32(value: number): number {
  if (!Number.isFinite(value) || Number.isInteger(value)) return value;
  for (let digits = 1; digits <= 9; digits++) {
    const shorter = Number(value.toPrecision(digits));
    if (Math.fround(shorter) === value) return shorter;
  }
  return value;
}
