/** Values by the name of what told them, in the order in which they are trusted. */
export type Told = Readonly<Record<string, string>>;

/**
 * What is known about where a vault lives, read from the machine. Everything may be unknown: not every file system,
 * card and board says who it is.
 */
export interface PlaceProbe {
  /** Inode numbers of the vault's directory and of its file `vault.place`; empty where the file system makes them up anew. */
  directory: Told;
  file: Told;
  /** When that file was made: a copy is made later, whatever times it claims. */
  birth: Told;
  /** Identity of the card or disk. */
  medium: Told;
  /** Serial number of the board. */
  board: Told;
  /** The machine id lies on the card, and is copied with it. */
  machine: Told;
}

export type Trait = keyof PlaceProbe;
const TRAITS = ['directory', 'file', 'birth', 'medium', 'board', 'machine'] as const satisfies readonly Trait[];

/** The same with keyed hashes instead of values, so that the record reveals nothing even to those who may open it. */
export type Place = PlaceProbe;

export interface PlaceComparison {
  verdict: 'same' | 'copied';
  /** Why, in words; for `same` what has changed without counting. */
  reasons: string[];
}

/** `hash`: keyed, of the vault's own (`KeyRing.nameHash`). */
export function placeOf(probe: PlaceProbe, hash: (...parts: readonly string[]) => Uint8Array): Place {
  const hashed = (trait: Trait): Told =>
    Object.fromEntries(
      Object.entries(probe[trait]).map(([by, value]) => [
        by,
        Buffer.from(hash('place', trait, by, value)).toString('hex'),
      ]),
    );
  return {
    directory: hashed('directory'),
    file: hashed('file'),
    birth: hashed('birth'),
    medium: hashed('medium'),
    board: hashed('board'),
    machine: hashed('machine'),
  };
}

const WORDS: Readonly<Record<Trait, string>> = {
  directory: 'the directory is another one',
  file: 'the files are not the ones that were written',
  birth: 'the files were made later than the ones that were written',
  medium: 'the card or disk is another one',
  board: 'the board is another one',
  machine: 'the machine id is another one',
};

/**
 * Whether the vault still lives where it lived. What a copy cannot keep decides: the inodes, and the time at which the file
 * was made. A card that was cloned bit by bit keeps those, and is known by its own identity, else by the board's, else
 * by the machine id.
 */
export function comparePlaces(was: Place, is: Place): PlaceComparison {
  const relation = (trait: Trait): Relation => compare(was[trait], is[trait]);
  const counting: Trait[] = ['directory', 'file', 'birth', 'medium'];
  // The card in another board is the same card: the board counts only where the card does not say who it is.
  if (relation('medium') === 'unknown') {
    counting.push('board');
    if (relation('board') === 'unknown') counting.push('machine');
  }
  const changed = TRAITS.filter((trait) => relation(trait) === 'other');
  const against = changed.filter((trait) => counting.includes(trait));
  return against.length > 0
    ? { verdict: 'copied', reasons: against.map((trait) => WORDS[trait]) }
    : { verdict: 'same', reasons: changed.map((trait) => WORDS[trait]) };
}

type Relation = 'same' | 'other' | 'unknown';

/** Only what both were told by the same decides: another kernel may know more about the same card. */
function compare(was: Told, is: Told): Relation {
  const [by] = Object.keys(was).filter((name) => is[name] !== undefined);
  if (by === undefined) return 'unknown';
  return was[by] === is[by] ? 'same' : 'other';
}
