/**
 * Opens a vault and reads its journal back while there are no descriptors left, and again when there are: started with a
 * low limit (`ulimit -n`). Prints what came of it as a line of JSON.
 */
import { closeSync, openSync } from 'node:fs';
import { TideError } from '../../nodes/src/node/errors.ts';
import { closeSession, openSession } from '../../nodes/src/vault/engine/sqlite-session.ts';

const [directory, key] = process.argv.slice(2);
const options = { directory, key: { file: key } };
let now = 1_000;
const clock = { now: () => Date.now(), monotonic: () => now };

/** What `work` throws or gives while only so many files can be opened. */
function withDescriptors<T>(left: number, work: () => T): T | string {
  const taken: number[] = [];
  try {
    for (;;) taken.push(openSync('/dev/null', 'r'));
  } catch {
    for (const fd of taken.splice(0, left)) closeSync(fd);
  }
  try {
    return work();
  } catch (error) {
    if (error instanceof TideError) return error.code;
    throw error;
  } finally {
    for (const fd of taken) closeSync(fd);
  }
}

// Once with them: what is loaded when it is first needed is there then.
closeSession(openSession(options, clock));
const opening = new Set<string>();
for (let left = 0; left < 40; left++)
  opening.add(
    withDescriptors(left, () => {
      closeSession(openSession(options, clock));
      return 'opened';
    }),
  );
const session = openSession(options, clock);
const { parts, maintenance } = session;
const trouble = withDescriptors(0, () => {
  maintenance.step();
  return maintenance.trouble ?? 'none';
});
const doneWithout = parts.catchUp.done;
for (let i = 0; i < 10_000 && !parts.catchUp.done; i++) {
  now += 10_001;
  maintenance.step();
}
const findings = [...parts.log.verify()].map(({ text }) => text);
console.log(
  JSON.stringify({
    opening: [...opening].toSorted((a, b) => a.localeCompare(b)),
    trouble,
    doneWithout,
    readings: parts.readings.open.readings,
    damaged: parts.catalogue.damage.count,
    lost: parts.findings.lost.length,
    findings,
  }),
);
closeSession(session);
