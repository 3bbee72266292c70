import { createInterface } from 'node:readline/promises';

/** Whether there is a person to ask. */
export const canAsk = (): boolean => process.stdin.isTTY && process.stderr.isTTY;

/** Asks on the terminal; the answers go out on stderr so that stdout stays for results. */
export async function ask(question: string, fallback: string): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = (await lines.question(fallback === '' ? `${question}: ` : `${question} [${fallback}]: `)).trim();
    return answer === '' ? fallback : answer;
  } finally {
    lines.close();
  }
}

/** The first line of standard input, without asking. */
export async function readLine(): Promise<string> {
  const lines = createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY });
  for await (const line of lines) {
    lines.close();
    return line;
  }
  return '';
}
