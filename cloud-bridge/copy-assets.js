// Copies what the page needs beside its compiled modules: its document, its style sheet and its icon.
import { cpSync, globSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(fileURLToPath(import.meta.url));
const source = path.join(root, 'src/page');
const target = path.join(root, 'dist/page');
mkdirSync(target, { recursive: true });
for (const asset of globSync('*.{html,css,svg}', { cwd: source })) {
  cpSync(path.join(source, asset), path.join(target, asset));
}
