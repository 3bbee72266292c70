import { progressLine } from '../replay/progress.ts';

const LINE_MS = 10_000;
const BAR_MS = 200;

/** What is needed of standard error. */
export interface Terminal {
  isTTY?: boolean;
  columns?: number;
  write(text: string): unknown;
}

/** Shows how far something is: a bar on a terminal, a line every ten seconds elsewhere. Writes to stderr. */
export class ProgressShow {
  private readonly what: string;
  private readonly out: Terminal;
  private readonly now: () => number;
  private readonly started: number;
  /** What was there already when this run began is not its work. */
  private first: { share: number; at: number } | undefined;
  private newest: { share: number; facts: string } | undefined;
  private shown = 0;
  private bar = false;

  constructor(what: string, out: Terminal = process.stderr, now: () => number = () => performance.now()) {
    this.what = what;
    this.out = out;
    this.now = now;
    this.started = now();
  }

  update(share: number, facts: string): void {
    const now = this.now();
    this.first ??= { share, at: now };
    this.newest = { share, facts };
    if (now - Math.max(this.shown, this.started) >= (this.out.isTTY === true ? BAR_MS : LINE_MS)) this.show(now);
  }

  /** Leaves the bar's line, with what it came to. */
  end(): void {
    if (!this.bar) return;
    if (this.newest !== undefined) this.show(this.now());
    this.out.write('\n');
    this.bar = false;
  }

  private show(now: number): void {
    const { share, facts } = this.newest!;
    this.newest = undefined;
    this.shown = now;
    const text = `${facts}${this.left(share, now)}`;
    if (this.out.isTTY === true) {
      this.bar = true;
      this.out.write(`\r${progressLine(share, `${this.what}, ${text}`, this.out.columns)}`);
    } else this.out.write(`${this.what}: ${Math.floor(share * 100)} %, ${text}\n`);
  }

  private left(share: number, now: number): string {
    const { share: from, at } = this.first!;
    if (share - from <= 0.01 || share >= 1) return '';
    return `, ${timeText(((now - at) / (share - from)) * (1 - share))} left`;
  }
}

function timeText(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 90 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}
