import { InvalidArgumentError } from 'commander';

/** Reads a number option within bounds. */
export function boundedNumber(name: string, low: number, high: number): (text: string) => number {
  return (text) => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (!(value >= low && value <= high))
      throw new InvalidArgumentError(`${name}: found "${text}", allowed: a number from ${low} to ${high}`);
    return value;
  };
}

/** Reads a whole number option within bounds. */
export function integer(name: string, low: number, high: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^-?\d+$/.test(text.trim()) || value < low || value > high)
      throw new InvalidArgumentError(`${name}: found "${text}", allowed: ${low}..${high}`);
    return value;
  };
}

export const port = (name: string): ((text: string) => number) => integer(name, 0, 65_535);

/** An option that may be given several times. */
export const collect = (value: string, all: string[] = []): string[] => [...all, value];
