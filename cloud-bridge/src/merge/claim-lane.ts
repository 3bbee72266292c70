import type { Claim, ClaimVerdict } from '@tidegate/nodes/sync';

import type { MergerParts } from './merger.ts';
import type { Sender, SentFrame } from './opener.ts';

/** Compares what gateways claim to have delivered with what the database holds, and says how they compare. */
export class ClaimLane {
  private readonly parts: MergerParts;
  /** Whether some of a block of this incarnation is committed, and its receipt is not. */
  private readonly halfway: (incarnationId: number) => boolean;

  constructor(parts: MergerParts, halfway: (incarnationId: number) => boolean) {
    this.parts = parts;
    this.halfway = halfway;
  }

  async compare({ sender, header }: SentFrame, claim: Claim): Promise<void> {
    const { replies, changed } = this.parts;
    const verdict = await this.verdict(sender, claim, header.number);
    replies.acknowledge(sender, { streams: {}, alerts: [], verdict });
    if (verdict.result !== 'later') changed('accounts', sender.label);
  }

  private async verdict({ incarnationId }: Sender, claim: Claim, frame: number): Promise<ClaimVerdict> {
    const { store, clock } = this.parts;
    const now = clock.now();
    if (this.halfway(incarnationId)) return { id: claim.id, time: now, result: 'later', differing: 0, series: [] };
    return store.compare({ incarnationId, claim, frame, now });
  }
}
