import { createHmac, hkdfSync } from 'node:crypto';
import { BASE_KEY, monthOfKey, monthText, useOf } from './key-numbers.ts';
import type { RecordKeys } from './sealed.ts';

/** The data keys of an unlocked vault, and what is derived from them. Keys come and go while the vault is open. */
export class KeyRing implements RecordKeys {
  /** Seals what belongs to no month: catalogue, documents, checkpoints. */
  readonly current = BASE_KEY;
  private journalId = 0;
  private readonly records = new Map<number, Uint8Array>();
  private readonly names: Uint8Array;
  private readonly purposes: Uint8Array;
  private destroyed: ReadonlyMap<number, number> = new Map();

  constructor(dataKeys: ReadonlyMap<number, Uint8Array>, journal: number, shredded: ReadonlyMap<number, number>) {
    // Names are found again by their hash, so its key stays the same whatever other keys come and go.
    this.names = derive(dataKeys.get(BASE_KEY)!, 'tidegate vault names');
    this.purposes = derive(dataKeys.get(BASE_KEY)!, 'tidegate vault purposes');
    this.replace(dataKeys, journal, shredded);
  }

  /** Data key that seals what is journalled now. */
  get journal(): number {
    return this.journalId;
  }

  recordKey(id: number): Uint8Array | undefined {
    return this.records.get(id);
  }

  /** Epoch milliseconds at which a month's key was destroyed; undefined for one that was not. */
  shreddedAt(id: number): number | undefined {
    return this.destroyed.get(id);
  }

  gone(id: number): string | undefined {
    const at = this.destroyed.get(id);
    return at === undefined
      ? undefined
      : `of ${monthText(monthOfKey(id))} was destroyed on ${new Date(at).toISOString()}`;
  }

  /** Keyed hash of a name under which a row is found: HMAC-SHA256, first 16 bytes. Parts are length-prefixed. */
  nameHash(...parts: readonly string[]): Buffer {
    const mac = createHmac('sha256', this.names);
    for (const part of parts) mac.update(`${Buffer.byteLength(part)}:`).update(part);
    return mac.digest().subarray(0, 16);
  }

  /** 32 bytes for a purpose outside the vault, the same for the life of the store. */
  secretFor(purpose: string): Buffer {
    return Buffer.from(hkdfSync('sha256', this.purposes, new Uint8Array(0), purpose, 32));
  }

  /** Overwrites all keys in memory; nothing opens any more. */
  forget(): void {
    for (const key of [...this.records.values(), this.names, this.purposes]) key.fill(0);
    this.records.clear();
  }

  /** For the store of the keys alone: the data keys there are from now on. What is gone is overwritten in memory. */
  replace(dataKeys: ReadonlyMap<number, Uint8Array>, journal: number, shredded: ReadonlyMap<number, number>): void {
    for (const [id, key] of this.records) {
      if (dataKeys.has(id)) continue;
      key.fill(0);
      this.records.delete(id);
    }
    for (const [id, key] of dataKeys)
      if (useOf(id) !== undefined && !this.records.has(id)) this.records.set(id, derive(key, 'tidegate vault records'));
    this.journalId = journal;
    this.destroyed = shredded;
  }
}

const derive = (key: Uint8Array, label: string): Uint8Array =>
  new Uint8Array(hkdfSync('sha256', key, new Uint8Array(0), label, 32));
