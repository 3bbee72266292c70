import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';

import fastify, { type FastifyInstance } from 'fastify';

import { servePage } from '../../../cloud-bridge/src/api/http-page.ts';

const importMapOf = (html: string): string => /<script type="importmap">([\s\S]*?)<\/script>/.exec(html)?.[1] ?? '';

describe('the page as it is served', () => {
  let app: FastifyInstance;
  let html: string;
  let policy: string;

  before(async () => {
    app = fastify();
    app.get('/api/other', async () => 'other');
    await app.register(servePage);
    const answer = await app.inject('/');
    assert.equal(answer.statusCode, 200);
    assert.match(String(answer.headers['content-type']), /^text\/html/);
    html = answer.body;
    policy = String(answer.headers['content-security-policy']);
  });

  after(() => app.close());

  it('has everything that it names, with the right type', async () => {
    const named = [...html.matchAll(/(?:href|src)="([^"]+)"/g)].map(([, url]) => url);
    const importMap: { imports: Record<string, string> } = JSON.parse(importMapOf(html));
    assert.ok(named.length > 10);
    for (const url of new Set([...named, ...Object.values(importMap.imports)])) {
      const answer = await app.inject(url);
      assert.equal(answer.statusCode, 200, url);
      const type = { js: 'text/javascript', css: 'text/css', svg: 'image/svg+xml' }[url.split('.').at(-1) ?? ''];
      assert.ok(String(answer.headers['content-type']).startsWith(String(type)), url);
    }
  });

  it('allows no inline script but its import map, no other origin and no markup made of strings', () => {
    const hash = createHash('sha256').update(importMapOf(html)).digest('base64');
    assert.match(policy, /default-src 'none'/);
    assert.ok(policy.includes(`script-src 'self' 'sha256-${hash}';`));
    assert.match(policy, /require-trusted-types-for 'script'/);
    assert.doesNotMatch(policy, /unsafe|https?:|\*/);
    assert.doesNotMatch(html, /<style|style="|onclick=/);
  });

  it('imports nothing that it does not have', async () => {
    const modules = [...html.matchAll(/modulepreload" href="(\/page\/[^"]+)"/g)].map(([, url]) => url);
    for (const url of modules) {
      const { body } = await app.inject(url);
      for (const [, specifier] of body.matchAll(/^import [^;]*?'(\.[^']+)'/gm)) {
        const target = new URL(specifier, `http://page${url}`).pathname;
        assert.ok(modules.includes(target), `${url} imports ${specifier}`);
      }
    }
  });

  it('is sent once: then an unchanged file is 304, and gzip where it is welcome', async () => {
    const first = await app.inject({ url: '/vendor/uplot.js' });
    const etag = String(first.headers['etag']);
    const again = await app.inject({ url: '/vendor/uplot.js', headers: { 'if-none-match': etag } });
    assert.deepEqual([again.statusCode, again.body], [304, '']);
    const zipped = await app.inject({ url: '/vendor/uplot.js', headers: { 'accept-encoding': 'gzip, br' } });
    assert.equal(zipped.headers['content-encoding'], 'gzip');
    assert.equal(gunzipSync(zipped.rawPayload).toString(), first.body);
    assert.ok(zipped.rawPayload.length < first.rawPayload.length / 2);
  });

  it('cannot be talked into another file', async () => {
    for (const url of [
      '/page/../package.json',
      '/page/%2e%2e/package.json',
      '/page/..%2f..%2fpackage.json',
      '/vendor/..%5c..%5cpackage.json',
      '/page/main.js%00.css',
      '/page/',
      '/page/index.html',
      '/page/main.d.ts',
      '/page/.tsbuildinfo',
      '/vendor/preact.mjs.map',
    ])
      assert.equal((await app.inject(url)).statusCode, 404, url);
  });

  it('leaves the headers of other routes alone', async () => {
    const answer = await app.inject('/api/other');
    assert.equal(answer.headers['content-security-policy'], undefined);
  });
});
