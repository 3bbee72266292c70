const MIB = 1 << 20;

/** How a quota is shared out among what the engine keeps beside the readings themselves, bytes. */
export interface Shares {
  /** One journal file, and how many of them are kept for new records. */
  journalFile: number;
  spareFiles: number;
  /** Journal that may lie unfolded. */
  unfolded: number;
  /** Journal that is kept for consumers that are behind; beyond it they are left behind. */
  replay: number;
  /** Memory of readings at which they are folded: about what one segment takes. */
  fold: number;
}

/** What a quota of a gigabyte and more has; a smaller one gives the journal an eighth, and segments a sixteenth. */
export function sharesOf(quota: number): Shares {
  const journalFile = Math.max(MIB / 4, Math.min(4 * MIB, 2 ** Math.floor(Math.log2(quota / 64))));
  return {
    journalFile,
    spareFiles: Math.max(2, Math.min(12, Math.floor(quota / 8 / journalFile) - 2)),
    unfolded: Math.min(48 * MIB, Math.floor(quota / 8)),
    replay: Math.min(256 * MIB, Math.floor(quota / 4)),
    fold: Math.min(8 * MIB, Math.floor(quota / 16)),
  };
}
