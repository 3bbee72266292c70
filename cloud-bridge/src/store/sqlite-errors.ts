import { TideError, reasonOf } from '@tidegate/nodes/node';
import Database from 'better-sqlite3';

/** Result codes after which this data can never be stored; after any other the same data may fit later. */
const HOPELESS = /^SQLITE_(CONSTRAINT|MISMATCH|TOOBIG|RANGE)/;

/** Runs database work and answers in the errors of the Store interface. */
export async function storing<T>(work: () => T): Promise<T> {
  try {
    return work();
  } catch (error) {
    if (error instanceof TideError) throw error;
    const hopeless =
      error instanceof Database.SqliteError
        ? HOPELESS.test(error.code)
        : error instanceof RangeError || error instanceof TypeError;
    throw hopeless
      ? new TideError('bad-record', `the database cannot hold this: ${reasonOf(error)}`, { cause: error })
      : new TideError('store-unavailable', `the database does not take this now: ${reasonOf(error)}`, { cause: error });
  }
}
