/** The newest values of a series, kept sorted beside their order of arrival, so that quantiles cost one look. */
export interface SortedWindow {
  /** Values in order of arrival; the next one goes to `next`. */
  ring: Float64Array;
  sorted: Float64Array;
  next: number;
  count: number;
}

export function emptyWindow(size: number): SortedWindow {
  return { ring: new Float64Array(size), sorted: new Float64Array(size), next: 0, count: 0 };
}

/** The window that these values (oldest first) would have left behind; `size` as at its creation. */
export function windowOf(values: ArrayLike<number>, size: number): SortedWindow {
  const window = emptyWindow(size);
  for (let i = Math.max(0, values.length - size); i < values.length; i++) insert(window, values[i]);
  return window;
}

/** Values oldest first. */
export function valuesOf(window: SortedWindow): Float64Array {
  const { ring, next, count } = window;
  const values = new Float64Array(count);
  for (let i = 0; i < count; i++) values[i] = ring[(next - count + i + ring.length) % ring.length];
  return values;
}

/** Puts a value in the place of the oldest one. O(size), no allocation. */
export function insert(window: SortedWindow, value: number): void {
  const { ring, sorted } = window;
  let i: number;
  if (window.count < ring.length) {
    i = window.count++;
  } else {
    i = indexOf(sorted, window.count, ring[window.next]);
    for (; i < window.count - 1 && sorted[i + 1] < value; i++) sorted[i] = sorted[i + 1];
  }
  for (; i > 0 && sorted[i - 1] > value; i--) sorted[i] = sorted[i - 1];
  sorted[i] = value;
  ring[window.next] = value;
  window.next = window.next + 1 === ring.length ? 0 : window.next + 1;
}

/** Value below which the part `q` (0..1) of the window lies; NaN when it is empty. */
export function quantileOf(window: SortedWindow, q: number): number {
  const place = q * (window.count - 1);
  const below = Math.floor(place);
  const low = window.sorted[below];
  if (place === below) return low;
  const high = window.sorted[Math.min(below + 1, window.count - 1)];
  return low + (place - below) * (high - low);
}

/** Median of the newest `n` (at most 9) values. */
export function medianOfNewest(window: SortedWindow, n: number): number {
  const few = Math.min(n, window.count);
  for (let i = 0; i < few; i++) {
    const value = window.ring[(window.next - 1 - i + window.ring.length) % window.ring.length];
    let k = i;
    for (; k > 0 && scratch[k - 1] > value; k--) scratch[k] = scratch[k - 1];
    scratch[k] = value;
  }
  const half = few >> 1;
  return few % 2 === 1 ? scratch[half] : (scratch[half - 1] + scratch[half]) / 2;
}

const scratch = new Float64Array(9);

function indexOf(sorted: Float64Array, count: number, value: number): number {
  let low = 0;
  let high = count - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
