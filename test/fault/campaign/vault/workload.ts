import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Shim } from '../../../support/shim.ts';

const SCRIPT = path.join(import.meta.dirname, 'workload-child.ts');
const alive = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of alive) child.kill('SIGKILL');
});

/** A running workload process. */
export class Workload {
  readonly shim: Shim | undefined;
  private readonly child: ChildProcess;
  private readonly ended: Promise<number | null>;
  private readonly ready: Promise<void>;
  private readonly open: Promise<void>;
  private output = '';

  constructor(task: string, shim: Shim | undefined) {
    this.shim = shim;
    this.child = spawn(process.execPath, ['--conditions=source', SCRIPT, task], {
      // Types are stripped once, not in each of some thousand processes.
      env: { ...process.env, NODE_COMPILE_CACHE: path.join(tmpdir(), 'tidegate-campaign-cache'), ...shim?.environment },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    alive.add(this.child);
    this.ended = once(this.child, 'exit').then(([code]) => {
      alive.delete(this.child);
      return code as number | null;
    });
    const [ready, open] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    this.ready = ready.promise;
    this.open = open.promise;
    for (const stream of [this.child.stdout!, this.child.stderr!])
      createInterface({ input: stream }).on('line', (line) => {
        if (line === 'ready') ready.resolve();
        else if (line === 'opened') open.resolve();
        else this.output = `${this.output}${line}\n`.slice(-4_000);
      });
    // The pipe of a process that was killed.
    this.child.stdin!.on('error', () => undefined);
  }

  /** Lets it open the vault and work. */
  async go(): Promise<void> {
    await Promise.race([
      this.ready,
      this.ended.then((code) => Promise.reject(new Error(`the workload ended with ${code} at once:\n${this.output}`))),
    ]);
    this.child.stdin!.write('go\n');
  }

  /** Waits until the vault is open, or the process has ended. */
  async opened(): Promise<void> {
    await Promise.race([this.open, this.ended]);
  }

  /** Asks it to close the vault and end; the exit code. */
  async stop(timeoutMs = 20_000): Promise<number | null> {
    if (this.running) this.child.stdin!.write('stop\n');
    return this.end(timeoutMs);
  }

  /** Waits until it ends by itself; the exit code, null after a signal. */
  async end(timeoutMs = 20_000): Promise<number | null> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.child.kill('SIGKILL');
    }, timeoutMs);
    const code = await this.ended;
    clearTimeout(timer);
    this.shim?.close();
    if (late) throw new Error(`the workload did not end within ${timeoutMs} ms:\n${this.output}`);
    return code;
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.ended;
    this.shim?.close();
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  get words(): string {
    return this.output;
  }
}
