import { progressLine } from '../replay/progress.ts';

const LINE_MS = 10_000;
const BAR_MS = 200;

/** Shows how far something is: a bar on a terminal, a line every ten seconds elsewhere. Writes to stderr. */
export class ProgressShow {
  private readonly what: string;
  private readonly started = performance.now();
  private shown = 0;
  private bar = false;

  constructor(what: string) {
    this.what = what;
  }

  update(share: number, facts: string): void {
    const now = performance.now();
    const terminal = process.stderr.isTTY;
    if (now - Math.max(this.shown, this.started) < (terminal ? BAR_MS : LINE_MS)) return;
    this.shown = now;
    const left = share > 0.01 ? `, ${timeText(((now - this.started) / share) * (1 - share))} left` : '';
    if (terminal) {
      this.bar = true;
      process.stderr.write(`\r${progressLine(share, `${this.what}, ${facts}${left}`, process.stderr.columns ?? 80)}`);
    } else console.error(`${this.what}: ${Math.floor(share * 100)} %, ${facts}${left}`);
  }

  /** Leaves the bar's line. */
  end(): void {
    if (this.bar) process.stderr.write('\n');
    this.bar = false;
  }
}

function timeText(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 90 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}
