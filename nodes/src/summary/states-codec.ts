import { MANY_STATES, STATES, type Fields } from './fields.ts';
import { compareStates, MAX_STATES, statesOf, type State, type States } from './states.ts';
import { MAX_TEXT, type Summary } from './summary.ts';
import type { ByteReader, ByteWriter } from './varint.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export const hasStates = ({ changes, states }: Summary): boolean => changes > 0 || states === 'many' || states.size > 0;

/** `above` is added to the length in bytes. */
export function writeText(bytes: ByteWriter, value: string, above: number): void {
  const text = encoder.encode(value);
  bytes.uint(text.length + above);
  bytes.append(text);
}

/** 0 is false, 1 true, and from 2 on the length of a text. */
export function writeState(bytes: ByteWriter, state: State): void {
  if (typeof state === 'string') writeText(bytes, state, 2);
  else bytes.uint(state ? 1 : 0);
}

export function readState(bytes: ByteReader): State {
  const tag = bytes.uint();
  return tag < 2 ? tag === 1 : readTextOf(bytes, tag - 2);
}

export function writeStates({ changes, states }: Fields<ByteWriter>, summary: Summary): void {
  changes.uint(summary.changes);
  const sorted = statesOf(summary.states);
  if (sorted === undefined) return;
  states.uint(sorted.length);
  for (const { state, milliseconds } of sorted) {
    writeState(states, state);
    states.uint(milliseconds);
  }
}

/** Throws TideError `malformed` for what `writeStates` does not write. */
export function readStates(fields: Fields<ByteReader>, flags: number): { changes: number; states: States } {
  if ((flags & STATES) === 0) return { changes: 0, states: new Map() };
  const changes = fields.changes.uint();
  if ((flags & MANY_STATES) !== 0) return { changes, states: 'many' };
  const count = fields.states.uint();
  if (count > MAX_STATES || (count === 0 && changes === 0)) fields.states.fail(`${count} states, ${changes} changes`);
  const states = new Map<State, number>();
  let before: State | undefined;
  for (let i = 0; i < count; i++) {
    const state = readState(fields.states);
    if (before !== undefined && compareStates(before, state) >= 0) fields.states.fail('states are not in order');
    const milliseconds = fields.states.uint();
    if (milliseconds === 0) fields.states.fail('a state that was held for no time');
    states.set(state, milliseconds);
    before = state;
  }
  return { changes, states };
}

export function readText(bytes: ByteReader): string {
  return readTextOf(bytes, bytes.uint());
}

function readTextOf(bytes: ByteReader, length: number): string {
  if (length > 3 * MAX_TEXT) bytes.fail(`a text of ${length} bytes`);
  let text: string;
  try {
    text = decoder.decode(bytes.take(length));
  } catch {
    bytes.fail('a text is not UTF-8');
  }
  if (text.length > MAX_TEXT) bytes.fail(`a text of ${text.length} characters`);
  return text;
}
