import type { z } from 'zod';

import { nearest } from './nearest.ts';

type Path = readonly PropertyKey[];

/**
 * What is wrong with a configuration, one line for each problem:
 * `gateway.yaml: mqtt.port: found "abc", allowed: 0..65535`.
 */
export function problemsOf(file: string, schema: z.ZodType, error: z.ZodError, input: unknown): string[] {
  const lines: string[] = [];
  for (const issue of error.issues) {
    if (issue.code === 'unrecognized_keys') {
      const known = keysAt(schema, issue.path);
      for (const key of issue.keys) lines.push(unknownKey(file, issue.path, key, known));
      continue;
    }
    const found = show(valueAt(input, issue.path), issue.path);
    const allowed = issue.code === 'custom' ? issue.message : (allowedAt(schema, issue.path) ?? issue.message);
    lines.push(`${file}: ${nameOf(issue.path)}: found ${found}, allowed: ${allowed}`);
  }
  return lines;
}

function unknownKey(file: string, path: Path, key: string, known: string[]): string {
  const meant = nearest(key, known);
  const hint = meant === undefined ? '' : `; did you mean ${nameOf([...path, meant])}?`;
  return `${file}: ${nameOf([...path, key])}: is not known${hint} (allowed here: ${known.join(', ')})`;
}

const nameOf = (path: Path): string => (path.length === 0 ? 'the whole file' : path.map(String).join('.'));

/** Keys whose value may be a secret that someone put in the wrong place: it is never printed. */
const SECRET = new Set<PropertyKey>(['key', 'passwordHash']);

function show(value: unknown, path: Path): string {
  if (value === undefined) return 'nothing';
  if (path.some((step) => SECRET.has(step)))
    return typeof value === 'string' ? `a text of ${value.length} characters` : `a value of type ${typeof value}`;
  const text = JSON.stringify(value);
  return text.length <= 80 ? text : `${text.slice(0, 79)}…`;
}

function valueAt(input: unknown, path: Path): unknown {
  let value = input;
  for (const step of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<PropertyKey, unknown>)[step];
  }
  return value;
}

interface Inner {
  type: string;
  shape?: Record<string, z.ZodType>;
  element?: z.ZodType;
  innerType?: z.ZodType;
}

/** A schema without the wrappers (optional, default) around it. */
function unwrap(schema: z.ZodType): Inner {
  let inner = schema.def as unknown as Inner;
  while (inner.innerType !== undefined) inner = inner.innerType.def;
  return inner;
}

function childOf(schema: z.ZodType, step: PropertyKey): z.ZodType | undefined {
  const inner = unwrap(schema);
  return typeof step === 'number' ? inner.element : inner.shape?.[String(step)];
}

function keysAt(schema: z.ZodType, path: Path): string[] {
  let at: z.ZodType | undefined = schema;
  for (const step of path) at = at === undefined ? undefined : childOf(at, step);
  return at === undefined ? [] : Object.keys(unwrap(at).shape ?? {});
}

/** The description of the deepest described value on the path. */
function allowedAt(schema: z.ZodType, path: Path): string | undefined {
  let at: z.ZodType | undefined = schema;
  let allowed = schema.description;
  for (const step of path) {
    at = at === undefined ? undefined : childOf(at, step);
    allowed = describe(at) ?? allowed;
  }
  return allowed;
}

function describe(schema: z.ZodType | undefined): string | undefined {
  let at = schema;
  while (at !== undefined) {
    if (at.description !== undefined) return at.description;
    at = (at.def as unknown as Inner).innerType;
  }
  return undefined;
}
