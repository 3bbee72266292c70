import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { freePort } from '../../../support/ports.ts';
import { Program } from '../../../support/process.ts';
import { findTool } from '../../../support/tools.ts';

/** mosquitto as a process that can be killed and started again at the same port. */
export class Mosquitto {
  readonly port: number;
  private readonly directory = mkdtempSync(path.join(os.tmpdir(), 'tidegate-mosquitto-'));
  private readonly binary: string;
  private program: Program | undefined;

  private constructor(binary: string, port: number) {
    this.binary = binary;
    this.port = port;
    const lines = [`listener ${port} 127.0.0.1`, 'allow_anonymous true', 'persistence false', ''];
    writeFileSync(this.configuration, lines.join('\n'));
  }

  static async start(): Promise<Mosquitto> {
    const binary = findTool('mosquitto');
    if (binary === null)
      throw new Error(
        'mosquitto is not installed, and this kind needs it: apt-get install mosquitto, or set MOSQUITTO',
      );
    const broker = new Mosquitto(binary, await freePort());
    await broker.run();
    return broker;
  }

  async run(): Promise<void> {
    this.program = new Program('mosquitto', this.binary, ['-c', this.configuration]);
    await this.program.line(/running/);
  }

  async kill(): Promise<void> {
    await this.program?.kill();
  }

  async stop(): Promise<void> {
    await this.program?.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  private get configuration(): string {
    return path.join(this.directory, 'mosquitto.conf');
  }
}
