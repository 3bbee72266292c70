import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { TideError } from '@tidegate/nodes/node';
import { FrameCodec, decodeToken, parseTopic, tokenVerifier } from '@tidegate/nodes/sync';
import { Intake } from '../../../cloud-bridge/src/merge/intake.ts';
import { Merger } from '../../../cloud-bridge/src/merge/merger.ts';
import { Refusals } from '../../../cloud-bridge/src/merge/refusals.ts';
import { Replies } from '../../../cloud-bridge/src/merge/replies.ts';
import { openSqliteStore } from '../../../cloud-bridge/src/store/sqlite-store.ts';
import type { ClaimedFacts, Store } from '../../../cloud-bridge/src/store/store.ts';
import { CloudEnd, type SentFrame } from './cloud-end.ts';
import type { SetClock } from './rig.ts';

/** The cloud as it is, with its database, behind the simulated link of a Simulation. */
export class RealCloud extends CloudEnd {
  readonly store: Store;
  readonly file: string;
  readonly refusals = new Refusals();
  /** Where its frames go. */
  down: (frame: SentFrame) => void = () => undefined;
  private readonly directory = mkdtempSync(path.join(os.tmpdir(), 'tidegate-real-cloud-'));
  private readonly intake: Intake;
  private readonly merger: Merger;
  private draining: Promise<void> = Promise.resolve();

  constructor(clock: SetClock, limits: ConstructorParameters<typeof Intake>[0] = {}) {
    super(clock);
    this.intake = new Intake(limits);
    this.file = path.join(this.directory, 'cloud.db');
    this.store = openSqliteStore(this.file);
    const codec = new FrameCodec(this.identity, clock);
    this.merger = new Merger({
      store: this.store,
      codec,
      clock,
      intake: this.intake,
      refusals: this.refusals,
      replies: new Replies(codec, clock, (topic, frame) => this.down({ topic, frame })),
      changed: () => undefined,
    });
  }

  /** Enters its token into the database. */
  async begin(): Promise<void> {
    const { id, secret, tenant, gateway } = decodeToken(this.token);
    await this.store.addToken({ id, tenant, gateway, verifier: tokenVerifier(secret), createdAt: 0 });
  }

  override receive(topic: string, frame: Uint8Array): SentFrame[] {
    const address = parseTopic(topic);
    if (address === undefined) throw new Error(`a frame on ${topic}`);
    this.intake.offer({ address, bytes: frame });
    this.draining = this.drain(this.draining);
    return [];
  }

  /** All that came has been merged. */
  async drained(): Promise<void> {
    await this.draining;
  }

  private async drain(before: Promise<void>): Promise<void> {
    await before;
    for (let more = true; more;)
      more = await this.merger.step().catch((error: unknown) => {
        // Its worker goes on after a pause.
        if (error instanceof TideError && error.code === 'store-unavailable') return true;
        throw error;
      });
  }

  /** What it keeps of the newest claims about a stream, by name of series. */
  async claimed(stream: string): Promise<Record<string, Omit<ClaimedFacts, 'name' | 'claimed'>>> {
    const { id } = (await this.store.gateway('plant', 'north'))!;
    const claims = (await this.store.claims(id)).filter((one) => one.stream === stream);
    return Object.fromEntries(
      claims.flatMap(({ series }) => series.map(({ name, held, agrees }) => [name, { held, agrees }])),
    );
  }

  async close(): Promise<void> {
    await this.draining;
    await this.store.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
