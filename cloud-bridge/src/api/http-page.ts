import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

import { TideError } from '@tidegate/nodes/node';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

interface Asset {
  type: string;
  body: Buffer;
  gzipped: Buffer;
  etag: string;
}

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** The libraries of the page, as they lie in their packages; index.html's import map names the same addresses. */
const VENDOR: Record<string, string> = {
  '/vendor/preact.js': 'preact',
  '/vendor/preact-hooks.js': 'preact/hooks',
  '/vendor/htm.js': 'htm',
  '/vendor/uplot.js': 'uplot/dist/uPlot.esm.js',
  '/vendor/uplot.css': 'uplot/dist/uPlot.min.css',
};

/** Both `src/api` and `dist/api` lie two levels below the package. */
const BUILT_PAGE = path.resolve(import.meta.dirname, '../../dist/page');

/**
 * The page and its libraries. Every file has a route of its own and is read once, at the start: no request names a path
 * on the disk, so none can leave the folder.
 * @throws TideError `page-not-built` when the compiled page is not there.
 */
export async function servePage(app: FastifyInstance): Promise<void> {
  const { document, policy, assets } = loadPage(BUILT_PAGE);
  app.addHook('onRequest', async (_request, reply) => {
    reply.headers({
      'content-security-policy': policy,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
    });
  });
  app.get('/', (request, reply) => send(request, reply, document));
  for (const [url, asset] of assets) app.get(url, (request, reply) => send(request, reply, asset));
}

function send(request: FastifyRequest, reply: FastifyReply, asset: Asset): FastifyReply {
  reply.headers({ etag: asset.etag, 'cache-control': 'no-cache', vary: 'accept-encoding' });
  if (request.headers['if-none-match'] === asset.etag) return reply.code(304).send();
  reply.type(asset.type);
  const zips = /\bgzip\b/.test(request.headers['accept-encoding'] ?? '');
  return zips ? reply.header('content-encoding', 'gzip').send(asset.gzipped) : reply.send(asset.body);
}

function loadPage(folder: string): { document: Asset; policy: string; assets: Map<string, Asset> } {
  const assets = new Map<string, Asset>();
  for (const name of pageFiles(folder)) {
    assets.set(`/page/${name}`, assetOf(path.extname(name), readFileSync(path.join(folder, name))));
  }
  for (const [url, specifier] of Object.entries(VENDOR)) {
    const file = fileURLToPath(import.meta.resolve(specifier));
    assets.set(url, assetOf(path.extname(url), readFileSync(file)));
  }
  const modules = [...assets.keys()].filter((url) => url.endsWith('.js'));
  const html = readFileSync(path.join(folder, 'index.html'), 'utf8').replace(
    '<!-- modules -->',
    modules.map((url) => `<link rel="modulepreload" href="${url}" />`).join('\n    '),
  );
  return { document: assetOf('.html', Buffer.from(html)), policy: policyFor(html), assets };
}

function pageFiles(folder: string): string[] {
  try {
    const names = readdirSync(folder).filter((name) => /^[a-z][a-z-]*\.(js|css|svg)$/.test(name));
    if (names.includes('main.js') && names.includes('base.css')) return names;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
  throw new TideError('page-not-built', `the page is not in ${folder}: build it with "npm run build"`);
}

function assetOf(extension: string, body: Buffer): Asset {
  const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
  return { type: TYPES[extension] ?? 'application/octet-stream', body, gzipped: gzipSync(body, { level: 9 }), etag };
}

/**
 * Everything from this server, nothing inline but the import map, whose hash stands here, and no string ever becomes
 * markup (trusted types), so that a name that came from a gateway can only be text.
 */
function policyFor(html: string): string {
  const importMap = /<script type="importmap">([\s\S]*?)<\/script>/.exec(html)?.[1] ?? '';
  const hash = createHash('sha256').update(importMap).digest('base64');
  return [
    "default-src 'none'",
    `script-src 'self' 'sha256-${hash}'`,
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}
