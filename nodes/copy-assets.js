// Copies what Node-RED wants to find beside a node's .js file: editor forms, locales and icons.
import { cpSync, globSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(fileURLToPath(import.meta.url));
const source = path.join(root, 'src');
const assets = globSync(['*/*.html', '*/*.js', '*/locales/**/*.{json,html}', '*/icons/*.svg'], { cwd: source });
for (const asset of assets) {
  const target = path.join(root, 'dist', asset);
  mkdirSync(path.dirname(target), { recursive: true });
  cpSync(path.join(source, asset), target);
}
