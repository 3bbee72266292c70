import { readFileSync } from 'node:fs';

export interface Memory {
  /** Resident memory of a whole process now, and the most that it ever was, MB (10^6 bytes). */
  rssMb: number;
  peakMb: number;
}

/** Throws where there is no /proc. */
export function memoryOf(pid: number): Memory {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8');
  const inMb = (name: string): number => {
    const match = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text);
    if (match === null) throw new Error(`/proc/${pid}/status has no ${name}`);
    return (Number(match[1]) * 1024) / 1e6;
  };
  return { rssMb: inMb('VmRSS'), peakMb: inMb('VmHWM') };
}
