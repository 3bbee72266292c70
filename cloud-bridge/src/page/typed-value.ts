/** What a person typed as a set-point, as the value that it means. */
export const VALUE_TYPES = ['number', 'boolean', 'text', 'json'] as const;
export type ValueType = (typeof VALUE_TYPES)[number];

/** Largest value that the page sends, characters. */
const LONGEST = 16_384;

export type Typed = { value: unknown; problem: null } | { problem: string };

export function typedValue(type: ValueType, text: string): Typed {
  if (text.length > LONGEST)
    return { problem: `The value has ${text.length} characters; at most ${LONGEST} can be set.` };
  if (type === 'boolean') return { value: text === 'true', problem: null };
  if (type === 'number') return typedNumber(text);
  return type === 'json' ? typedJson(text) : { value: text, problem: null };
}

function typedNumber(text: string): Typed {
  const value = Number(text.trim().replace(',', '.'));
  const isNumber = text.trim() !== '' && Number.isFinite(value);
  return isNumber ? { value, problem: null } : { problem: `"${text}" is not a number. Write it like 21.5 or -3.` };
}

function typedJson(text: string): Typed {
  try {
    return { value: JSON.parse(text), problem: null };
  } catch (error) {
    return { problem: `This is not JSON: ${error instanceof Error ? error.message : String(error)}.` };
  }
}

/** The type of field in which a value is best changed, and what stands in it. */
export function typeOf(value: unknown): { type: ValueType; text: string } {
  if (typeof value === 'number') return { type: 'number', text: String(value) };
  if (typeof value === 'boolean') return { type: 'boolean', text: String(value) };
  if (typeof value === 'string') return { type: 'text', text: value };
  return { type: 'json', text: JSON.stringify(value) };
}
