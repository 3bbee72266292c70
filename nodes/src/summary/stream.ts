import type { Resolution } from './summary.ts';

/** Longest window, seconds: a UTC day. */
export const MAX_RESOLUTION = 86_400;

/** Stream of the parts of one resolution that travel for one purpose, e.g. `operations/60`. */
export function streamOf(purpose: string, resolution: Resolution): string {
  return `${purpose}/${resolution}`;
}

/** Resolution of a stream's parts, seconds; undefined for a stream that carries no parts (the catalogue). */
export function resolutionOf(stream: string): Resolution | undefined {
  const match = /\/([1-9]\d{0,4})$/.exec(stream);
  const resolution = match === null ? 0 : Number(match[1]);
  return resolution >= 1 && resolution <= MAX_RESOLUTION ? resolution : undefined;
}

/** Purpose that a stream of parts serves; undefined for a stream that carries none. */
export function purposeOf(stream: string): string | undefined {
  return resolutionOf(stream) === undefined ? undefined : stream.slice(0, stream.lastIndexOf('/'));
}

/** What a series gets when nothing else is set. */
export const DEFAULT_LADDER = '1m, 15m, 1h, 1d';

const UNITS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400 };

/**
 * Reads a list of resolutions, e.g. `1m, 15m, 1h, 1d` or `60`; seconds, ascending, each once. A string is what is wrong,
 * for a person.
 */
export function parseResolutions(text: string): Resolution[] | string {
  const resolutions = new Set<Resolution>();
  for (const item of text.split(/[\s,]+/).filter((item) => item !== '')) {
    const match = /^(\d{1,6})([smhd]?)$/.exec(item);
    const seconds = match === null ? 0 : Number(match[1]) * UNITS[match[2] || 's'];
    if (seconds < 1 || seconds > MAX_RESOLUTION)
      return `"${item.slice(0, 20)}" is not a window length; write 1s to 1d, for example 1m, 15m, 1h or 1d`;
    resolutions.add(seconds);
  }
  if (resolutions.size === 0) return 'no window length is given; write for example 1m, or 1m, 15m, 1h, 1d';
  if (resolutions.size > 8) return `${resolutions.size} window lengths are given; at most 8 are allowed`;
  return [...resolutions].toSorted((a, b) => a - b);
}

/** The shortest way to write a resolution, e.g. `15m`. */
export function resolutionText(resolution: Resolution): string {
  for (const unit of ['d', 'h', 'm']) {
    if (resolution % UNITS[unit] === 0) return `${resolution / UNITS[unit]}${unit}`;
  }
  return `${resolution}s`;
}
