import type { Terminal } from './progress.ts';

const USUAL_WIDTH = 80;
const EVERY_MS = 1_000;

/** Shows on a terminal that work goes on whose share nobody knows: one line with the seconds. Elsewhere nothing. */
export class WaitShow {
  private readonly facts: () => string;
  private readonly out: Terminal;
  private readonly started = performance.now();
  private readonly timer: NodeJS.Timeout | undefined;
  private drawn = false;

  /** `facts` is asked each second. */
  constructor(facts: () => string, out: Terminal = process.stderr, everyMs: number = EVERY_MS) {
    this.facts = facts;
    this.out = out;
    if (out.isTTY === true) this.timer = setInterval(() => this.draw(), everyMs).unref();
  }

  /** Takes the line away, so that another one can be written. */
  clear(): void {
    if (this.drawn) this.out.write('\r\u001B[K');
    this.drawn = false;
  }

  end(): void {
    clearInterval(this.timer);
    this.clear();
  }

  private draw(): void {
    this.clear();
    const seconds = Math.round((performance.now() - this.started) / 1000);
    // A serial line says that it has no columns.
    const width = this.out.columns || USUAL_WIDTH;
    this.out.write(`${this.facts()}, ${seconds} s`.slice(0, width - 1));
    this.drawn = true;
  }
}
