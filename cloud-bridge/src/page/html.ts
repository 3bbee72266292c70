import htm from 'htm';
import { h, type VNode } from 'preact';

const template = htm.bind(h);

/** Markup as a template with one root element; what is put into it stays text. */
export function html(strings: TemplateStringsArray, ...values: unknown[]): VNode {
  const made = template(strings, ...values);
  if (Array.isArray(made)) throw new TypeError(`a template has one root element: ${strings.join('…').slice(0, 80)}`);
  return made;
}

/** What stands in the field that an event came from. */
export function textOf(event: Event): string {
  const field = event.target;
  return field instanceof HTMLInputElement || field instanceof HTMLSelectElement ? field.value : '';
}
