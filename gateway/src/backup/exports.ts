import { TideError } from '@tidegate/nodes/node';
import type { Vault } from '@tidegate/nodes/vault';

import { ExportSession, type Piece, type Sealing } from './export-session.ts';

/** Where an export's bytes come from: a vault in this process, or the running gateway over its socket. */
export interface ExportSource {
  /** Begins an export to a file; one that was begun before is forgotten. */
  begin(path: string, sealing: Sealing): Promise<void>;
  /** How many of the `size` bytes that are there can be gone on from, or why none. */
  resume(path: string, readers: string, size: number): Promise<{ offset: number } | { reason: string }>;
  next(path: string, have: number): Promise<Piece>;
  finish(path: string): Promise<void>;
  close(): Promise<void>;
}

export interface ExportedGateway {
  name: string;
  /** Configuration and flows as they are now. */
  files(): Promise<{ config?: string; flows?: string }>;
  now(): number;
}

/** An export of which nothing is asked for this long gives way to another one, milliseconds. */
const PATIENCE_MS = 60_000;

/** Exports of one vault, one at a time: it holds a cut of the vault, and it reads all of it. */
export class Exports implements ExportSource {
  private readonly vault: Vault;
  private readonly gateway: ExportedGateway;
  private session: ExportSession | undefined;
  private busy = false;
  private idle: NodeJS.Timeout | undefined;

  constructor(vault: Vault, gateway: ExportedGateway) {
    this.vault = vault;
    this.gateway = gateway;
  }

  begin(path: string, sealing: Sealing): Promise<void> {
    return this.alone(async () => {
      await this.makeRoom(path);
      const { gateway } = this;
      this.session = await ExportSession.begin(
        this.vault,
        { gateway: gateway.name, now: gateway.now(), files: await gateway.files() },
        path,
        sealing,
      );
    });
  }

  resume(path: string, readers: string, size: number): Promise<{ offset: number } | { reason: string }> {
    return this.alone(async () => {
      await this.makeRoom(path);
      const session = await ExportSession.resume(this.vault, path, readers, size);
      if (typeof session === 'string') return { reason: session };
      this.session = session;
      return { offset: session.handedOut };
    });
  }

  next(path: string, have: number): Promise<Piece> {
    return this.alone(() => this.of(path).next(have));
  }

  finish(path: string): Promise<void> {
    return this.alone(async () => {
      await this.of(path).finish();
      this.session = undefined;
    });
  }

  async close(): Promise<void> {
    clearTimeout(this.idle);
    await this.drop();
  }

  /** Whoever asks for more of it is told to go on from what was kept. */
  private async drop(): Promise<void> {
    const { session } = this;
    this.session = undefined;
    await session?.close();
  }

  /** One call at a time; what was left alone for long gives up its cut, which keeps the database's log from shrinking. */
  private async alone<Result>(run: () => Promise<Result>): Promise<Result> {
    if (this.busy) throw new TideError('busy', 'another export of this vault is under way');
    this.busy = true;
    clearTimeout(this.idle);
    try {
      return await run();
    } finally {
      this.busy = false;
      this.idle = setTimeout(() => {
        this.drop().catch(() => {
          // The vault has closed meanwhile, and its cut with it.
        });
      }, PATIENCE_MS).unref();
    }
  }

  /** Another call for the same file takes it over: its caller was killed. */
  private async makeRoom(path: string): Promise<void> {
    if (this.session !== undefined && this.session.path !== path)
      throw new TideError(
        'busy',
        `an export to ${this.session.path} is under way; wait for it, or ${PATIENCE_MS / 1000} s after its end`,
      );
    await this.drop();
  }

  private of(path: string): ExportSession {
    if (this.session?.path !== path)
      throw new TideError('no-session', 'this export is no longer under way here; call again to go on with it');
    return this.session;
  }
}
