import assert from 'node:assert/strict';
import { JournalModel, type Happened } from '../support/journal-model.ts';

/** More of them, and others: ROUNDS=5000 SEED=7 npx mocha test/property/journal-crash.test.ts */
const ROUNDS = Number(process.env['ROUNDS'] ?? 150);
const SEED = Number(process.env['SEED'] ?? 1);
const STEPS = 40;

describe('the redo log on a disk that fails and loses power', () => {
  it(`keeps what was acknowledged and invents nothing, in ${ROUNDS} rounds`, function () {
    this.timeout(60_000 + 500 * ROUNDS);
    const all: Happened = { appended: 0, refused: 0, crashes: 0, torn: 0, survived: 0, recycled: 0 };
    for (let seed = SEED; seed < SEED + ROUNDS; seed++) {
      const model = new JournalModel(seed);
      try {
        model.run(STEPS);
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
      for (const what of Object.keys(all) as (keyof Happened)[]) all[what] += model.happened[what];
    }
    // A run in which nothing went wrong would show nothing.
    for (const [what, times] of Object.entries(all)) assert.ok(times > ROUNDS / 20, `${what}: ${times} times`);
  });
});
