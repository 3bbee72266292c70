import { TideError } from '@tidegate/nodes/node';

export interface Places {
  /** Name of the file without folder and `.csv`. */
  file: string;
  /** Folder of the file below the one that was named; empty for the files in it. */
  folder: string;
  /** Heading of the column; empty for the only value column of a file that calls it `value`. */
  metric: string;
}

const PLACE = /\{([^{}]*)\}/g;

/** The topic that a template such as `site/{folder}/{file}/{metric}` gives; levels that come out empty are left out. */
export function topicFrom(template: string, places: Places): string {
  return template
    .replaceAll(PLACE, (_, name: keyof Places) => places[name].replaceAll(/[#+]/g, '_'))
    .split('/')
    .filter((level) => level !== '')
    .join('/');
}

/** Throws a TideError `usage` when the template cannot give a topic. */
export function checkTemplate(template: string): void {
  for (const [place, name] of template.matchAll(PLACE)) {
    if (!['file', 'folder', 'metric'].includes(name))
      throw new TideError('usage', `--topic: ${place} is not known, allowed: {file}, {folder}, {metric}`);
  }
  if (/[#+]/.test(template))
    throw new TideError('usage', '--topic: # and + may not stand in a topic that is published to');
  if (topicFrom(template, { file: 'f', folder: 'd', metric: 'm' }) === '')
    throw new TideError('usage', '--topic: is empty; try site/{folder}/{file}/{metric}');
}

export const usesMetric = (template: string): boolean => template.includes('{metric}');
