/** Rounds that share a vault or a recording: what is repeated as one. */
export interface Group {
  /** Everything random in the group follows from it, save what the machine's scheduler decides. */
  seed: string;
  rounds: number;
  /** Only this round of them, of a kind whose rounds do not build on one another; of steps this one and all after it. */
  round?: number | undefined;
  /** Of a kind that has parts: which one. */
  part?: string | undefined;
  /** Tells that a round has passed, or several, and what else is worth counting. */
  passed(by?: number): void;
  count(word: string, by?: number): void;
  /** The same for something of which the highest value is worth telling. */
  most(word: string, value: number): void;
  /**
   * Tells of a round that has not passed. `kept`: the folder in which everything lies that shows it again. `number`: it can
   * be repeated alone, as this round of its group.
   */
  failed(round: string, error: unknown, kept?: string, number?: number): void;
}

/** One way to hurt a vault. */
export interface Kind {
  /** Rounds of a full campaign. */
  rounds: number;
  /** Rounds of a group at most. */
  group: number;
  /** A kind that runs through each of these: each is a group, and all get the same share of the rounds. */
  parts?: readonly string[];
  run(group: Group): Promise<void>;
}
