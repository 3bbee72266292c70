import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { execFileSync } from 'node:child_process';
import type Database from 'better-sqlite3';
import { freePort } from '../../test/support/ports.ts';
import { root, Program } from '../../test/support/process.ts';

const PEERS = path.join(root, 'bench/peers');

/** SQLite that encrypts page by page, installed beside the bench at its first use. Its binaries come in the package. */
export function requireCiphers(progress: (text: string) => void): typeof Database {
  const name = 'better-sqlite3-multiple-ciphers';
  if (!existsSync(path.join(PEERS, 'node_modules', name, 'package.json'))) {
    progress(`installing ${name} (once)`);
    // Not `npm ci`: that would throw away what has been compiled for the stock flow.
    execFileSync('npm', ['install', '--no-save', '--ignore-scripts'], {
      cwd: PEERS,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  }
  return createRequire(path.join(PEERS, 'package.json'))(name) as typeof Database;
}

/** Where mosquitto lies. Throws where it is not installed. */
export function requireMosquitto(): string {
  const mosquitto = [
    '/usr/sbin/mosquitto',
    '/usr/bin/mosquitto',
    '/usr/local/sbin/mosquitto',
    '/opt/homebrew/sbin/mosquitto',
  ].find((file) => existsSync(file));
  if (mosquitto === undefined)
    throw new Error('mosquitto is not installed (Debian: apt-get install mosquitto); it cannot be measured');
  return mosquitto;
}

/** Everything needed to compare with the stock flow: mosquitto on the machine, the SQLite node installed beside the bench. */
export function requirePeers(progress: (text: string) => void): { mosquitto: string; sqliteNode: string } {
  const mosquitto = requireMosquitto();
  const sqliteNode = path.join(PEERS, 'node_modules/node-red-node-sqlite');
  if (!existsSync(path.join(PEERS, 'node_modules/sqlite3/build/Release/node_sqlite3.node'))) {
    progress('installing the SQLite node of the stock flow (once; its native part is compiled)');
    execFileSync('npm', ['ci', '--ignore-scripts=false'], { cwd: PEERS, stdio: ['ignore', 'ignore', 'inherit'] });
  }
  return { mosquitto, sqliteNode };
}

export async function startMosquitto(binary: string, directory: string): Promise<{ program: Program; port: number }> {
  const port = await freePort();
  const file = path.join(directory, 'mosquitto.conf');
  writeFileSync(
    file,
    [
      `listener ${port} 127.0.0.1`,
      'allow_anonymous true',
      'persistence false',
      'max_queued_messages 0',
      'max_inflight_messages 0',
      '',
    ].join('\n'),
  );
  const program = new Program('mosquitto', binary, ['-c', file]);
  await program.line(/running/);
  return { program, port };
}

/** The flow that people wire by hand: mqtt in -> function -> sqlite, one row for each message, stock settings throughout. */
export async function startStockFlow(
  directory: string,
  brokerPort: number,
  sqliteNode: string,
): Promise<{ program: Program; database: string }> {
  const userDir = path.join(directory, 'stock-node-red');
  mkdirSync(path.join(userDir, 'node_modules'), { recursive: true });
  const database = path.join(userDir, 'readings.db');
  const flow = [
    { id: 'tab', type: 'tab', label: 'stock' },
    {
      id: 'broker',
      type: 'mqtt-broker',
      name: '',
      broker: '127.0.0.1',
      port: String(brokerPort),
      clientid: '',
      autoConnect: true,
      usetls: false,
      protocolVersion: '4',
      keepalive: '60',
      cleansession: true,
    },
    { id: 'db', type: 'sqlitedb', db: database, mode: 'RWC' },
    {
      id: 'in',
      type: 'mqtt in',
      z: 'tab',
      name: '',
      topic: 'site/#',
      qos: '1',
      datatype: 'auto-detect',
      broker: 'broker',
      nl: false,
      rap: true,
      inputs: 0,
      wires: [['insert']],
    },
    {
      id: 'insert',
      type: 'function',
      z: 'tab',
      name: '',
      outputs: 1,
      initialize: '',
      finalize: '',
      libs: [],
      func: "return { topic: 'INSERT INTO readings (topic, time, value) VALUES ($topic, $time, $value)', params: { $topic: msg.topic, $time: Date.now(), $value: Number(msg.payload) } };",
      wires: [['sqlite']],
    },
    {
      id: 'prepare',
      type: 'inject',
      z: 'tab',
      props: [{ p: 'topic', vt: 'str' }],
      topic: 'CREATE TABLE IF NOT EXISTS readings (topic TEXT, time INTEGER, value REAL)',
      once: true,
      onceDelay: 0.1,
      repeat: '',
      wires: [['create']],
    },
    {
      id: 'create',
      type: 'sqlite',
      z: 'tab',
      mydb: 'db',
      sqlquery: 'msg.topic',
      sql: '',
      name: '',
      wires: [['ready']],
    },
    {
      id: 'ready',
      type: 'function',
      z: 'tab',
      func: "node.warn('table ready'); return null;",
      outputs: 1,
      libs: [],
      wires: [[]],
    },
    { id: 'sqlite', type: 'sqlite', z: 'tab', mydb: 'db', sqlquery: 'msg.topic', sql: '', name: '', wires: [[]] },
  ];
  // The stock node takes its SQL from msg.topic and its values from msg.params only as a prepared statement.
  const insert = flow.find(({ id }) => id === 'sqlite') as { sqlquery: string; sql: string };
  insert.sqlquery = 'prepared';
  insert.sql = 'INSERT INTO readings (topic, time, value) VALUES ($topic, $time, $value)';
  // Without a place on the tab Node-RED takes a node for a configuration node.
  const placed = flow.map((node, i) => ('z' in node ? { ...node, x: 150, y: 60 * i } : node));
  writeFileSync(path.join(userDir, 'flows.json'), JSON.stringify(placed));
  writeFileSync(
    path.join(userDir, 'settings.js'),
    `module.exports = { flowFile: 'flows.json', uiHost: '127.0.0.1', uiPort: ${await freePort()}, nodesDir: [${JSON.stringify(sqliteNode)}], credentialSecret: 'bench', telemetry: { enabled: false } };\n`,
  );
  const program = nodeRed('stock Node-RED', userDir);
  await program.line(/table ready/);
  await program.line(/Connected to broker/);
  return { program, database };
}

/** Node-RED as it comes, without a flow. */
export async function startIdleNodeRed(directory: string): Promise<Program> {
  const userDir = path.join(directory, 'idle-node-red');
  mkdirSync(userDir);
  writeFileSync(path.join(userDir, 'flows.json'), '[]');
  writeFileSync(
    path.join(userDir, 'settings.js'),
    `module.exports = { flowFile: 'flows.json', uiHost: '127.0.0.1', uiPort: ${await freePort()}, credentialSecret: 'bench', telemetry: { enabled: false } };\n`,
  );
  const program = nodeRed('idle Node-RED', userDir);
  await program.line(/Started flows/);
  return program;
}

function nodeRed(name: string, userDir: string): Program {
  const red = createRequire(import.meta.url).resolve('node-red/red.js');
  return new Program(name, process.execPath, [red, '--userDir', userDir]);
}
