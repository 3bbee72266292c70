import { randomBytes } from 'node:crypto';
import type { Clock } from '../../node/clock.ts';
import { TideError } from '../../node/errors.ts';
import type { Disk } from '../disk.ts';
import { putHeader } from './file-header.ts';
import type { KeyHeader, Lock } from './key-header.ts';
import { journalKey, monthOfKey, useOf } from './key-numbers.ts';
import type { KeyRing } from './key-ring.ts';
import { fits, type KeyPlan, lockUp, makeLock, type OpenKeys, ringOf, shreddedOf } from './keys.ts';

type DataKeys = Map<number, Uint8Array>;

/**
 * The opened keys and their one way to the disk. A change is one new file, synced, renamed into place, and the directory
 * synced: after a power cut the old header stands or the new one. What fails changes nothing that this process uses.
 */
export class KeyBook {
  readonly ring: KeyRing;
  readonly disk: Disk;
  readonly clock: Clock;
  private open: OpenKeys;
  /** Highest generation that was seen or tried: none is used for two headers. */
  private highest: number;
  /** The key of each month; of several rounds the newest. */
  months: ReadonlyMap<number, number> = new Map();

  constructor(disk: Disk, clock: Clock, keys: OpenKeys, highest: number) {
    this.disk = disk;
    this.clock = clock;
    this.open = keys;
    this.highest = Math.max(highest, keys.header.generation);
    this.ring = ringOf(keys);
    this.indexMonths();
  }

  get keys(): OpenKeys {
    return this.open;
  }

  get header(): KeyHeader {
    return this.open.header;
  }

  /** When each data key that was shredded was destroyed. */
  get shredded(): Map<number, number> {
    return shreddedOf(this.header);
  }

  /** Keys of the months before one. */
  monthsBefore(month: number): number[] {
    return [...this.open.dataKeys.keys()].filter((id) => useOf(id) === 'month' && monthOfKey(id) < month);
  }

  nextJournal(): number {
    const generations = [...this.open.dataKeys.keys()].filter((id) => useOf(id) === 'journal');
    return Math.max(this.header.journal, ...generations, journalKey(0)) + 1;
  }

  withNew(id: number): DataKeys {
    return new Map([...this.open.dataKeys, [id, new Uint8Array(randomBytes(32))]]);
  }

  without(goes: (id: number) => boolean): DataKeys {
    return new Map([...this.open.dataKeys].filter(([id]) => !goes(id)));
  }

  /** Throws TideError `wrong-key` unless the secret is the present one. */
  refuseOther(secret: string): void {
    if (!fits(this.header.locks[0], secret, this.header.store))
      throw new TideError('wrong-key', 'the key does not fit this vault; nothing was changed');
  }

  /** Writes a header, and takes it for the present one once it is on the disk. */
  put(plan: Partial<KeyPlan>, change: { root?: Uint8Array; locks?: Lock[]; dataKeys?: DataKeys } = {}): void {
    const { store, journal, shredding, locks: present } = this.header;
    const { root = this.open.root, locks = present, dataKeys = this.open.dataKeys } = change;
    this.highest++;
    const next = { store, journal, shredding, shredded: this.shredded, ...plan, generation: this.highest };
    const kept =
      root === this.open.root ? this.header.keys.map(({ id, wrapped }): [number, string] => [id, wrapped]) : [];
    const header = lockUp(next, locks, root, dataKeys, new Map(kept));
    putHeader(this.disk, header);
    this.adopt({ header, root, dataKeys, lock: 0, altered: [] });
  }

  /** A fresh root key behind one lock: whoever could open an older header does not open this one with what it held. */
  replaceRoot(secret: string, plan: Partial<KeyPlan> = {}, dataKeys: DataKeys = this.open.dataKeys): void {
    const root = new Uint8Array(randomBytes(32));
    const lock = makeLock(secret, root, this.header.store, this.clock.now());
    this.put(plan, { root, locks: [lock], dataKeys });
  }

  /** Goes on with other keys of the same store. What is not among them is overwritten in memory. */
  adopt(keys: OpenKeys): void {
    const old = this.open;
    this.open = keys;
    this.highest = Math.max(this.highest, keys.header.generation);
    this.ring.replace(keys.dataKeys, keys.header.journal, this.shredded);
    if (old.root !== keys.root) old.root.fill(0);
    for (const [id, key] of old.dataKeys) if (keys.dataKeys.get(id) !== key) key.fill(0);
    this.indexMonths();
  }

  /** Overwrites the keys in memory; the ring does not open anything any more. */
  forget(): void {
    this.open.root.fill(0);
    for (const key of this.open.dataKeys.values()) key.fill(0);
    this.ring.forget();
  }

  private indexMonths(): void {
    const ids = [...this.open.dataKeys.keys()].filter((id) => useOf(id) === 'month').toSorted((a, b) => a - b);
    this.months = new Map(ids.map((id) => [monthOfKey(id), id]));
  }
}
