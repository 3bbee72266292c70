import { createRequire } from 'node:module';

/** Version of the gateway, from its package.json. */
export const { version: VERSION } = createRequire(import.meta.url)('../package.json') as { version: string };
