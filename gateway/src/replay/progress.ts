const USUAL_WIDTH = 80;

/** A progress bar as one line of text, at most `columns` characters; a serial line says that it has 0 of them. */
export function progressLine(done: number, facts: string, columns = USUAL_WIDTH): string {
  const width = columns > 0 ? columns : USUAL_WIDTH;
  const share = Math.min(1, Math.max(0, done));
  const percent = `${Math.floor(share * 100)}`.padStart(3);
  const room = Math.max(10, width - facts.length - 10);
  const filled = Math.round(share * room);
  return `[${'='.repeat(filled)}${' '.repeat(room - filled)}] ${percent} % ${facts}`.slice(0, width);
}

/** `123,456` */
export const grouped = (count: number): string => Math.round(count).toLocaleString('en-US');
