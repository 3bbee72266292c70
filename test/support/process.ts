import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';

export const root = path.resolve(import.meta.dirname, '../..');

/** Programs that have not ended: a run that is broken off must not leave them behind. */
const alive = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of alive) child.kill('SIGKILL');
});

/** A program of ours or of a peer, run as a real process. What it writes is kept (the last lines) for error messages. */
export class Program {
  readonly child: ChildProcess;
  readonly name: string;
  private readonly lines: string[] = [];
  private readonly waiting: {
    matches: (line: string) => boolean;
    resolve: (line: string) => void;
    reject: (error: Error) => void;
  }[] = [];
  private readonly exited: Promise<number | null>;

  constructor(
    name: string,
    command: string,
    args: readonly string[],
    options: { env?: NodeJS.ProcessEnv; cwd?: string } = {},
  ) {
    this.name = name;
    this.child = spawn(command, args, {
      cwd: options.cwd ?? root,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    alive.add(this.child);
    for (const stream of [this.child.stdout!, this.child.stderr!]) {
      createInterface({ input: stream }).on('line', (line) => this.take(line));
    }
    this.exited = once(this.child, 'exit').then(([code]) => {
      alive.delete(this.child);
      for (const { reject } of this.waiting.splice(0))
        reject(new Error(`${this.name} ended (${String(code)}):\n${this.output()}`));
      return code as number | null;
    });
  }

  /** Runs a script with this Node, our own sources included. */
  static node(
    name: string,
    script: string,
    args: readonly string[] = [],
    options: { env?: NodeJS.ProcessEnv; cwd?: string } = {},
  ): Program {
    return new Program(name, process.execPath, ['--conditions=source', path.resolve(root, script), ...args], options);
  }

  get pid(): number {
    return this.child.pid!;
  }

  output(): string {
    return this.lines.join('\n');
  }

  /** The first line, past or to come, that matches. */
  async line(matches: RegExp | ((line: string) => boolean), timeoutMs = 30_000): Promise<string> {
    const test = typeof matches === 'function' ? matches : (line: string) => matches.test(line);
    const seen = this.lines.find(test);
    if (seen !== undefined) return seen;
    if (this.child.exitCode !== null)
      throw new Error(`${this.name} has ended (${this.child.exitCode}):\n${this.output()}`);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`${this.name}: no line ${String(matches)} in ${timeoutMs} ms:\n${this.output()}`)),
        timeoutMs,
      );
      this.waiting.push({
        matches: test,
        resolve: (line) => {
          clearTimeout(timer);
          resolve(line);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
    });
  }

  /** The JSON object that the program prints on a line of its own once it is ready. */
  async json<T>(timeoutMs = 60_000): Promise<T> {
    return JSON.parse(await this.line((line) => line.startsWith('{'), timeoutMs)) as T;
  }

  /** Waits for the end; the exit code, null after a signal. */
  ended(): Promise<number | null> {
    return this.exited;
  }

  /** Asks it to end; kills it when it has not within the time. */
  async stop(timeoutMs = 15_000): Promise<number | null> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return this.exited;
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), timeoutMs);
    try {
      return await this.exited;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Pulls the plug. */
  async kill(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill('SIGKILL');
    await this.exited;
  }

  private take(line: string): void {
    this.lines.push(line);
    if (this.lines.length > 400) this.lines.shift();
    for (const [i, waiter] of this.waiting.entries()) {
      if (!waiter.matches(line)) continue;
      this.waiting.splice(i, 1);
      waiter.resolve(line);
      return;
    }
  }
}
