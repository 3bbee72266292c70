import { TideError } from '../../node/errors.ts';
import type { Finding } from '../disk.ts';
import { HEADER_FILE, parseHeader, type KeyHeader } from './key-header.ts';
import { openHeader, type OpenKeys } from './keys.ts';

interface Chosen {
  keys: OpenKeys;
  findings: Finding[];
  /** Highest generation that was seen. */
  highest: number;
}

interface Candidate {
  header?: KeyHeader;
  keys?: OpenKeys;
  failure?: TideError;
}

/**
 * Opens the header in its file, else the copy in the catalogue. The copy is taken when the file is missing or damaged,
 * and when it is newer than a file that does not open with the secret: then the file is an old one that was put back.
 * Undefined when there is neither. Throws what the file throws when neither can be used.
 */
export function chooseKeys(
  file: () => string | undefined,
  copy: () => string | undefined,
  secret: string,
): Chosen | undefined {
  const first = candidate(file, HEADER_FILE, secret);
  if (first?.keys?.altered.length === 0) return chosen(first.keys, [], first.keys);
  const second = candidate(copy, 'copy of the key header in the catalogue', secret);
  if (second?.keys?.altered.length === 0 && isBetter(first, second.keys)) {
    const findings = [foundOf(first, 'the copy in the catalogue took its place')];
    return chosen(second.keys, findings, first?.keys);
  }
  if (first?.keys !== undefined)
    return chosen(completed(first.keys, second?.keys), [foundOf(first, 'keys that still open are used')], second?.keys);
  // Of two that do not open, the one that is sound knows best: a wrong secret must not pass for damage.
  if (second?.failure?.code === 'wrong-key' && first?.failure?.code === 'damaged') throw second.failure;
  if (first?.failure !== undefined) throw first.failure;
  if (second?.failure !== undefined) throw second.failure;
  return second?.keys && chosen(second.keys, [foundOf(first, 'what opens of its copy is used')], undefined);
}

/**
 * A damaged header with those of its keys that do not open taken from an older copy. What the header does not list was
 * destroyed, and stays so. Of what did not open the wrapping is left out, so that the next writing wraps it anew.
 */
function completed(keys: OpenKeys, copy: OpenKeys | undefined): OpenKeys {
  const { header } = keys;
  const whole = header.keys.filter(({ id }) => keys.dataKeys.has(id));
  if (copy?.header.store !== header.store || whole.length === header.keys.length) return keys;
  const dataKeys = new Map(keys.dataKeys);
  for (const { id } of header.keys) {
    const saved = copy.dataKeys.get(id);
    if (saved !== undefined && !dataKeys.has(id)) dataKeys.set(id, saved);
  }
  return { ...keys, header: { ...header, keys: whole }, dataKeys };
}

/** Throws what is no damage: a failing disk, a header of another version. */
function candidate(text: () => string | undefined, what: string, secret: string): Candidate | undefined {
  let header: KeyHeader | undefined;
  try {
    const found = text();
    if (found === undefined) return undefined;
    header = parseHeader(found, what);
    return { header, keys: openHeader(header, secret) };
  } catch (error) {
    if (!(error instanceof TideError) || (error.code !== 'damaged' && error.code !== 'wrong-key')) throw error;
    return { ...(header === undefined ? {} : { header }), failure: error };
  }
}

function isBetter(first: Candidate | undefined, copy: OpenKeys): boolean {
  if (first?.header === undefined) return true;
  // A sound file that refuses the secret is right about it, unless the catalogue has seen a newer one.
  if (first.failure?.code === 'wrong-key') return copy.header.generation > first.header.generation;
  return first.keys === undefined || copy.header.generation >= first.header.generation;
}

function chosen(keys: OpenKeys, findings: Finding[], other: OpenKeys | undefined): Chosen {
  return { keys, findings, highest: Math.max(keys.header.generation, other?.header.generation ?? 0) };
}

function foundOf(first: Candidate | undefined, then: string): Finding {
  const place = HEADER_FILE;
  if (first === undefined) return { place, kind: 'removed', text: `${place} is missing; ${then}` };
  if (first.failure?.code === 'wrong-key')
    return { place, kind: 'rolled-back', text: `an older ${place} was put back; ${then}` };
  return { place, kind: 'altered', text: `${first.failure?.message ?? first.keys?.altered.join('; ')}; ${then}` };
}
