import type { KeyStatus } from '@tidegate/nodes/vault';

/** `2026-03` and its neighbours as spans: `2025-11 to 2026-03, 2026-05`. */
export function monthSpans(months: readonly string[]): string {
  const spans: [string, string][] = [];
  for (const month of months.toSorted()) {
    const last = spans.at(-1);
    if (last !== undefined && (last[1] === month || following(last[1]) === month)) last[1] = month;
    else spans.push([month, month]);
  }
  return spans.map(([from, to]) => (from === to ? from : `${from} to ${to}`)).join(', ');
}

/** The state of the keys for people, one fact in a line. */
export function keyText(status: KeyStatus, reference: string): string {
  const { method, scrypt, since, rotating, months, shredded, shredding, generation, journalKeys } = status;
  const how =
    scrypt === undefined
      ? 'random bytes, by HKDF-SHA256'
      : `passphrase, by scrypt (N ${scrypt.N}, r ${scrypt.r}, p ${scrypt.p})`;
  const facts: [string, string][] = [
    ['key', reference],
    ['kind', method === 'hkdf' || scrypt !== undefined ? how : method],
    ['since', `${timeText(since)} (header ${generation})`],
    ['months', months.length === 0 ? 'none yet' : monthSpans(months)],
    ['shredded', shredded.length === 0 ? 'none' : shreddedText(shredded)],
  ];
  if (journalKeys > 1)
    facts.push(['journal', `${journalKeys} keys: a flow has yet to read what came in before the last shred`]);
  if (rotating !== undefined)
    facts.push([
      'rotating',
      `since ${timeText(rotating)} another key opens the vault too; run tidegate key rotate again`,
    ]);
  if (shredding !== undefined)
    facts.push([
      'shredding',
      `months before ${shredding.before}, since ${timeText(shredding.since)}; the next start completes it`,
    ]);
  return facts.map(([name, fact]) => `${name.padEnd(10)} ${fact}`).join('\n');
}

function shreddedText(shredded: KeyStatus['shredded']): string {
  const days = Map.groupBy(shredded, ({ at }) => new Date(at).toISOString().slice(0, 10));
  return [...days].map(([day, ones]) => `${monthSpans(ones.map(({ month }) => month))} (on ${day})`).join(', ');
}

const timeText = (time: number): string => new Date(time).toISOString();

function following(month: string): string {
  const [year = 0, number = 0] = month.split('-').map(Number);
  return new Date(Date.UTC(year, number, 1)).toISOString().slice(0, 7);
}
