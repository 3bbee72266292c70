import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';

/**
 * The rules of the house: who may import whom, and who may do I/O. Imports are read from the sources as text, so a
 * rule that is broken names the file and the import.
 */
const root = path.resolve(import.meta.dirname, '../..');

interface Import {
  file: string;
  specifier: string;
  typeOnly: boolean;
}

const sources = (pattern: string): string[] =>
  globSync(pattern, { cwd: root }).filter((file) => !file.endsWith('.d.ts'));

function importsOf(file: string): Import[] {
  const text = readFileSync(path.join(root, file), 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');
  const found: Import[] = [];
  for (const match of text.matchAll(/^\s*(?:import|export)\s+(type\s+)?(?:[\w*{][^'";]*?\sfrom\s+)?'([^']+)'/gm)) {
    found.push({ file, specifier: match[2], typeOnly: match[1] !== undefined });
  }
  for (const match of text.matchAll(/\bimport\(\s*'([^']+)'\s*\)/g))
    found.push({ file, specifier: match[1], typeOnly: false });
  return found;
}

const show = (imports: Import[]): string =>
  imports.map(({ file, specifier }) => `${file} imports ${specifier}`).join('\n');

/** Stages in the order in which data passes; `node` holds what every stage shares. */
const STAGES = ['reading', 'ingest', 'detect', 'vault', 'summary', 'sync', 'state', 'privacy', 'node'];

/** File names that say that a file talks to the outside. */
const SAYS_IO = /(^|\/)((tide|sqlite|mqtt|http|file)-[\w-]+|[\w-]+-worker|main|cli)\.ts$|\/commands\/[\w-]+\.ts$/;

const IO_MODULES =
  /^(node:(fs|fs\/promises|net|tls|http|https|dgram|child_process|worker_threads|readline|readline\/promises|cluster)|better-sqlite3|mqtt|aedes|fastify|node-red)$/;

describe('the house', () => {
  const nodes = sources('nodes/src/**/*.ts');
  const gateway = sources('gateway/src/**/*.ts');
  const cloud = sources('cloud-bridge/src/**/*.ts');

  it('finds the sources it judges', () => {
    assert.ok(nodes.length > 20 && gateway.length > 0 && cloud.length > 0);
  });

  it('has one folder for each stage of the dataflow', () => {
    const folders = new Set(nodes.map((file) => file.split('/')[2]));
    assert.deepEqual([...folders].sort(), [...STAGES].sort());
  });

  it('keeps I/O in node shells and in files whose names say so', () => {
    const offenders = [...nodes, ...gateway, ...cloud]
      .filter((file) => !SAYS_IO.test(file) && !file.includes('/page/'))
      .flatMap(importsOf)
      .filter(({ specifier, typeOnly }) => !typeOnly && IO_MODULES.test(specifier));
    assert.equal(show(offenders), '');
  });

  it('reads the machine clock and the environment only where I/O is', () => {
    const offenders = nodes
      .filter((file) => !SAYS_IO.test(file) && file !== 'nodes/src/node/clock.ts')
      .filter((file) =>
        /\bDate\.now\(|\bperformance\.now\(|\bprocess\.env\b|\bsetInterval\(/.test(
          readFileSync(path.join(root, file), 'utf8'),
        ),
      );
    assert.deepEqual(offenders, []);
  });

  it('lets nodes/ import its six dependencies and nothing else', () => {
    const manifest = JSON.parse(readFileSync(path.join(root, 'nodes/package.json'), 'utf8')) as {
      dependencies: Record<string, string>;
    };
    const allowed = Object.keys(manifest.dependencies);
    assert.ok(allowed.length <= 6, `${allowed.length} dependencies`);
    assert.ok(!allowed.includes('node-red') && !allowed.includes('pg'));
    const offenders = nodes
      .flatMap(importsOf)
      .filter(({ specifier }) => !specifier.startsWith('.') && !specifier.startsWith('node:'))
      .filter(({ specifier }) => !allowed.some((name) => specifier === name || specifier.startsWith(`${name}/`)));
    assert.equal(show(offenders), '');
  });

  it('lets gateway/ and cloud-bridge/ in by the named doors of nodes/, never by deep paths', () => {
    const doors = new Set(STAGES.map((stage) => `@tidegate/nodes/${stage}`));
    const offenders = [...gateway, ...cloud]
      .flatMap(importsOf)
      .filter(({ specifier }) => specifier.startsWith('@tidegate/'))
      .filter(({ specifier }) => !doors.has(specifier) && specifier !== '@tidegate/cloud-bridge');
    assert.equal(show(offenders), '');
    const across = [...nodes, ...gateway, ...cloud].flatMap(importsOf).filter(({ file, specifier }) => {
      if (!specifier.startsWith('.')) return false;
      const target = path.posix.join(path.posix.dirname(file), specifier);
      return target.split('/')[0] !== file.split('/')[0];
    });
    assert.equal(show(across), '');
  });

  it('keeps the cloud ignorant of the gateway', () => {
    const offenders = cloud.flatMap(importsOf).filter(({ specifier }) => specifier.startsWith('@tidegate/gateway'));
    assert.equal(show(offenders), '');
  });

  it('keeps the pure stages free of the ones that use them', () => {
    const forbidden: Record<string, RegExp> = {
      reading: /\/(ingest|detect|vault|summary|sync|state|privacy)\//,
      summary: /\/(ingest|detect|state)\//,
      detect: /\/(ingest|state)\//,
      vault: /\/(detect|summary|sync|state|privacy)\//,
    };
    const offenders = nodes
      .filter((file) => !/\/tide-[\w-]+\.ts$/.test(file))
      .flatMap(importsOf)
      .filter(({ file, specifier, typeOnly }) => !typeOnly && forbidden[file.split('/')[2]]?.test(specifier));
    assert.equal(show(offenders), '');
  });

  it('gives every node its form, texts, help, icon and example', () => {
    const manifest = JSON.parse(readFileSync(path.join(root, 'nodes/package.json'), 'utf8')) as {
      'node-red': { nodes: Record<string, string> };
    };
    const missing: string[] = [];
    for (const [type, file] of Object.entries(manifest['node-red'].nodes)) {
      const stage = file.split('/')[1];
      const folder = `nodes/src/${stage}`;
      for (const part of [
        `${folder}/${type}.ts`,
        `${folder}/${type}.html`,
        `${folder}/locales/en-US/${type}.json`,
        `${folder}/locales/en-US/${type}.html`,
        `nodes/examples/${type}.json`,
        `test/nodes/${type}.test.ts`,
      ]) {
        if (globSync(part, { cwd: root }).length === 0) missing.push(part);
      }
      const form = path.join(root, folder, `${type}.html`);
      if (globSync(form).length > 0 && !readFileSync(form, 'utf8').includes(`RED.nodes.registerType('${type}'`))
        missing.push(`${type}: registerType`);
    }
    assert.deepEqual(missing, []);
  });
});
