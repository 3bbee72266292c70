import assert from 'node:assert/strict';
import path from 'node:path';
import { check } from './check.ts';
import { checkDamaged } from './check-damaged.ts';
import type { Kind } from '../kind.ts';
import { countAll } from './count-all.ts';
import { Random } from '../random.ts';
import { filesBelow } from './layout.ts';
import { Site } from './site.ts';

/**
 * One bit of one file is flipped while the vault is closed, or after it was killed: it opens, names the damage unless
 * nothing has changed, and has every other record; it goes on taking commits.
 */
export const flip: Kind = {
  rounds: 1_000,
  group: 40,
  async run(group) {
    const random = new Random(group.seed);
    const site = new Site(group.seed);
    let failures = 0;
    try {
      const workload = site.workload({ shreds: random.chance(0.3) });
      await workload.go();
      await workload.opened();
      await site.acknowledges(workload, random.between(40, 250), random.between(0, 4));
      if (random.chance(0.5)) await workload.stop();
      else await workload.kill();
      site.takeMarks();
      site.ledger.cut();
      if (site.ledger.shredding === undefined) await site.ask((vault) => check(vault, site.ledger));
      else await site.with((vault) => check(vault, site.ledger));
      countAll(group, site.ledger);
      const whole = filesBelow(site.directory);
      const files = whole.filter(({ bytes }) => bytes !== undefined && bytes.length > 0);
      for (let round = 0; round < group.rounds; round++) {
        const { path: file, bytes } = random.pick(files);
        const at = placeIn(bytes!, random);
        const bit = random.below(8);
        const damaged = Uint8Array.from(bytes!);
        damaged[at] ^= 1 << bit;
        site.layout.put(whole.map((one) => (one.path === file ? { ...one, bytes: damaged } : one)));
        const name = path.relative(site.directory, file);
        const where = `bit ${bit} of byte ${at} of ${bytes!.length} in ${name}`;
        try {
          const told = await site.with((vault) => checkDamaged(vault, site.ledger));
          group.count(`${told} (${name.replaceAll(/\d+/g, 'N')})`);
          group.passed();
        } catch (error) {
          failures++;
          assert.ok(error instanceof Error);
          group.failed(`flip ${round}: ${where}`, error, site.home);
        }
      }
    } catch (error) {
      failures++;
      group.failed('flip', error, site.home);
    } finally {
      if (failures === 0) site.remove();
    }
  },
};

/** Mostly where something stands: a flip in preallocated zeros is tried as well. */
function placeIn(bytes: Uint8Array, random: Random): number {
  for (let tries = 0; tries < 30; tries++) {
    const at = random.below(bytes.length);
    if (bytes[at] !== 0 || random.chance(0.05)) return at;
  }
  return random.below(bytes.length);
}
