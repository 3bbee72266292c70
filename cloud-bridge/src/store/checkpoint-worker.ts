/**
 * Thread that moves what is committed from the write-ahead log into the database file. Left to the commits themselves,
 * every tenth of them or so would do it for all and take ten times as long, and an alert would wait for that.
 */
import { parentPort, workerData } from 'node:worker_threads';

import { reasonOf } from '@tidegate/nodes/node';
import Database from 'better-sqlite3';

/** Long enough that a page which many commits touch is written once for all of them. */
const INTERVAL_MS = 1000;

if (parentPort === null) throw new Error('checkpoint-worker runs as a worker thread only');
const port = parentPort;
const file: string = workerData;
const db = new Database(file, { fileMustExist: true, timeout: 1000 });

function checkpoint(): void {
  try {
    db.pragma('wal_checkpoint(PASSIVE)');
  } catch (error) {
    // A full disk, most likely. Commits go on failing or working by themselves; this is tried again.
    port.postMessage(reasonOf(error));
  }
}

setInterval(checkpoint, INTERVAL_MS);
