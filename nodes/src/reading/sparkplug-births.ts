import { BoundedCache } from './bounded-cache.ts';

/** What a birth certificate says about a metric. */
export interface BornMetric {
  name: string;
  datatype: number | undefined;
}

const MAX_EDGES = 1_000;
const MAX_ALIASES = 10_000;

/** Names behind the aliases of Sparkplug's edge nodes (`group/edge`), as their births gave them. Bounded both ways. */
export class BirthBook {
  private readonly edges = new BoundedCache<string, Map<bigint, BornMetric>>(MAX_EDGES);

  /** A node birth starts the node's aliases afresh. */
  forget(edge: string): void {
    this.edges.set(edge, new Map());
  }

  learn(edge: string, alias: bigint, metric: BornMetric): void {
    let aliases = this.edges.get(edge);
    if (aliases === undefined) {
      aliases = new Map();
      this.edges.set(edge, aliases);
    }
    if (aliases.size < MAX_ALIASES || aliases.has(alias)) aliases.set(alias, metric);
  }

  find(edge: string, alias: bigint): BornMetric | undefined {
    return this.edges.get(edge)?.get(alias);
  }
}
