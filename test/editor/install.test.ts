import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { eventually } from '../support/eventually.ts';
import { Program, root } from '../support/process.ts';
import { StockNodeRed, unpack } from '../support/stock-node-red.ts';

interface Manifest {
  dependencies: Record<string, string>;
  'node-red': { nodes: Record<string, string> };
}

const FLOW = [
  { id: '00000000000000f1', type: 'tab', label: 'Site' },
  { id: '00000000000000c1', type: 'tide-vault', name: '', directory: '', keyKind: 'file', keyReference: '' },
  {
    id: '00000000000000a1',
    type: 'http in',
    z: '00000000000000f1',
    url: '/sensor',
    method: 'post',
    wires: [['00000000000000a2', '00000000000000a3']],
  },
  { id: '00000000000000a2', type: 'http response', z: '00000000000000f1', statusCode: '204', wires: [] },
  {
    id: '00000000000000a3',
    type: 'change',
    z: '00000000000000f1',
    rules: [{ t: 'set', p: 'topic', pt: 'msg', to: 'site/pump3', tot: 'str' }],
    wires: [['00000000000000a4']],
  },
  {
    id: '00000000000000a4',
    type: 'tide-ingest',
    z: '00000000000000f1',
    source: 'input',
    vault: '00000000000000c1',
    topics: [],
    format: 'auto',
    series: '{topic}/{metric}',
    emit: 'batch',
    wires: [['00000000000000a5'], []],
  },
  {
    id: '00000000000000a5',
    type: 'tide-detect',
    z: '00000000000000f1',
    vault: '00000000000000c1',
    sensitivity: 'normal',
    saveMinutes: '60',
    rules: [{ series: 'site/pump3/temperature', kind: 'limits', high: 90 }],
    wires: [['00000000000000a6', '00000000000000a7'], ['00000000000000a8']],
  },
  {
    id: '00000000000000a6',
    type: 'tide-summarize',
    z: '00000000000000f1',
    vault: '00000000000000c1',
    resolutions: '1s',
    grace: 0,
    save: 10,
    wires: [['00000000000000a9']],
  },
  printer('00000000000000a7', 'readings'),
  printer('00000000000000a8', 'alert'),
  printer('00000000000000a9', 'summaries'),
];

/** A stock function node that writes what it gets to Node-RED's log, one line for each message. */
function printer(id: string, name: string): Record<string, unknown> {
  const func = `node.log('${name} ' + JSON.stringify(msg.payload)); return null;`;
  return { id, type: 'function', z: '00000000000000f1', name, func, outputs: 0, wires: [] };
}

describe('the packed nodes in a stock Node-RED', function () {
  this.timeout(120_000);

  let directory = '';
  let names: string[] = [];
  let red: StockNodeRed;

  before(async () => {
    directory = mkdtempSync(path.join(os.tmpdir(), 'tidegate-pack-'));
    const tarball = await pack(directory);
    red = await StockNodeRed.make();
    const modules = path.join(red.userDir, 'node_modules');
    const installed = path.join(modules, '@tidegate/nodes');
    names = unpack(tarball, installed);
    linkDependencies(installed, modules);
    await red.start();
  });

  after(async () => {
    await red?.close();
    if (directory !== '') rmSync(directory, { recursive: true, force: true });
  });

  it('hold what Node-RED wants to find beside each node, and no sources', () => {
    const manifest = manifestOf(path.join(red.userDir, 'node_modules/@tidegate/nodes'));
    for (const [type, file] of Object.entries(manifest['node-red'].nodes)) {
      const folder = path.posix.dirname(file);
      for (const wanted of [
        file,
        `${folder}/${type}.html`,
        `${folder}/icons/${type}.svg`,
        `${folder}/locales/en-US/${type}.json`,
        `${folder}/locales/en-US/${type}.html`,
        `examples/${type}.json`,
      ])
        assert.ok(names.includes(wanted), `${wanted} is in the package`);
    }
    assert.deepEqual(
      names.filter((name) => name.startsWith('src/') || (name.endsWith('.ts') && !name.endsWith('.d.ts'))),
      [],
    );
  });

  it('appear in the palette, each without an error', async () => {
    const sets =
      await red.get<{ id: string; module: string; local: boolean; types: string[]; err?: unknown }[]>('/nodes');
    const own = sets.filter(({ module }) => module === '@tidegate/nodes');
    const { nodes } = manifestOf(path.join(root, 'nodes'))['node-red'];
    assert.deepEqual(own.flatMap(({ types }) => types).toSorted(), Object.keys(nodes).toSorted());
    assert.deepEqual(
      own.filter(({ err, local }) => err !== undefined || !local),
      [],
      'loaded from the user directory',
    );
  });

  it('keep readings in a vault, detect and summarise, with no gateway there', async () => {
    await red.deploy(FLOW);
    await send(71.5);
    const line = await red.line(/readings \[/);
    const [reading]: Record<string, unknown>[] = JSON.parse(line.slice(line.indexOf('[{')));
    assert.deepEqual([reading['series'], reading['value'], reading['position']], ['site/pump3/temperature', 71.5, 1]);
    await red.line(/summaries \[.*"count":1/);
    await send(120);
    await red.line(/alert \{.*120/);

    const vault = path.join(red.userDir, 'tidegate');
    const files = readdirSync(vault, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    assert.ok(files.length > 3);
    for (const { parentPath, name } of files)
      assert.ok(!readFileSync(path.join(parentPath, name)).includes('pump3'), `${name} is sealed`);
  });

  it('go on where they stopped when Node-RED is started again', async () => {
    await red.stop();
    await red.start();
    await send(72);
    await red.line(/readings \[.*"value":72,.*"position":3/);
  });

  async function send(temperature: number): Promise<void> {
    await eventually('the flow takes a reading', async () => {
      const response = await fetch(`${red.url}/sensor`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ temperature }),
      });
      return response.status === 204;
    });
  }
});

/** Packs nodes/ as `npm publish` would; the tarball's path. */
async function pack(folder: string): Promise<string> {
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const program = new Program('npm pack', npm, ['pack', '--pack-destination', folder], {
    cwd: path.join(root, 'nodes'),
  });
  const code = await program.ended();
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'));
  if (code !== 0 || tarball === undefined) throw new Error(`npm pack ended with ${code}:\n${program.output()}`);
  return path.join(folder, tarball);
}

/** What `npm install` would fetch is taken from the workspace: the test needs no registry. */
function linkDependencies(installed: string, modules: string): void {
  for (const name of Object.keys(manifestOf(installed).dependencies)) {
    const places = [path.join(root, 'nodes/node_modules', name), path.join(root, 'node_modules', name)];
    const place = places.find((one) => existsSync(one));
    if (place === undefined) throw new Error(`${name} is not installed in the workspace`);
    mkdirSync(path.dirname(path.join(modules, name)), { recursive: true });
    symlinkSync(place, path.join(modules, name), 'dir');
  }
}

function manifestOf(folder: string): Manifest {
  const manifest: Manifest = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
  return manifest;
}
