// Copies the flow that a new gateway gets to where the built program looks for it.
import { cpSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(fileURLToPath(import.meta.url));
const target = path.join(root, 'dist/flows/gateway.json');
mkdirSync(path.dirname(target), { recursive: true });
cpSync(path.join(root, '../flows/gateway.json'), target);
