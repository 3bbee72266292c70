/** Retained messages lie in memory beside their place in the vault: how many topics and bytes a broker keeps of them. */
export class RetainedBudget {
  private readonly maxTopics: number;
  private readonly maxBytes: number;
  private readonly sizes = new Map<string, number>();
  /** Topics and payloads of all that is kept. */
  bytes = 0;

  constructor(maxTopics = 20_000, maxBytes = 16 << 20) {
    this.maxTopics = maxTopics;
    this.maxBytes = maxBytes;
  }

  get topics(): number {
    return this.sizes.size;
  }

  get limits(): string {
    return `at most ${this.maxTopics} topics and ${this.maxBytes} bytes are kept`;
  }

  /** Counts a retained message in if there is room for it. An empty one takes the topic's message away. */
  admits(topic: string, size: number): boolean {
    const old = this.sizes.get(topic);
    const cost = size === 0 ? 0 : size + topic.length;
    const topics = this.sizes.size + (old === undefined ? 1 : 0);
    if (size > 0 && (topics > this.maxTopics || this.bytes - (old ?? 0) + cost > this.maxBytes)) return false;
    this.bytes += cost - (old ?? 0);
    if (size === 0) this.sizes.delete(topic);
    else this.sizes.set(topic, cost);
    return true;
  }
}
